"""A protein's backbone from its torsion angles, with ideal bonds: helices and strands as in real structures."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TORSIONS = {
    **{"A": (-62.0, -42.0), "B": (-122.0, 121.0), "E": (80.0, -170.0)},
    **{"P": (-160.0, 150.0), "G": (66.0, 20.0), "T": (84.0, 11.0), "Q": (-110.0, 144.0)},
}
"""Phi and psi, degrees: of a helix (A), of a strand (B), and in turns. `BBPGTQBB` is a hairpin of two strands."""

Vector = NDArray[np.float64]
Residue = dict[str, Vector]
"""Positions by atom name, Å."""


def place(a: Vector, b: Vector, c: Vector, length: float, angle: float, torsion: float) -> Vector:
    """The atom `d` at a distance from `c` (Å) with an angle b-c-d and a torsion a-b-c-d (degrees)."""
    along = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, along)
    normal /= np.linalg.norm(normal)
    bend, turn = math.radians(180 - angle), math.radians(torsion)
    aside = math.cos(turn) * np.cross(normal, along) + math.sin(turn) * normal
    return np.asarray(c + length * (math.cos(bend) * along + math.sin(bend) * aside))


def build(torsions: Sequence[tuple[float, float]], names: Sequence[str], *, hydrogens: bool = False) -> list[Residue]:
    """Backbone and CB of each residue, methionine's side chain, and the hydrogens at N and CA if asked for.

    Args:
        torsions: phi and psi of each residue, degrees; peptide bonds are trans.
        names: of the residues, in three letters.
        hydrogens: place H and HA.
    """
    n, ca, c = np.zeros(3), np.array([1.458, 0.0, 0.0]), np.array([2.005, 1.424, 0.0])
    chain: list[Residue] = []
    for number, ((_, psi), name) in enumerate(zip(torsions, names, strict=True)):
        residue = {"N": n, "CA": ca, "C": c, "O": place(n, ca, c, 1.231, 120.5, psi + 180)}
        residue |= _side_chain(n, ca, c, name)
        if hydrogens and name != "PRO" and chain:
            residue["H"] = place(chain[-1]["CA"], chain[-1]["C"], n, 1.01, 119.0, 0.0)
        if hydrogens:
            residue["HA2" if name == "GLY" else "HA"] = place(c, n, ca, 1.09, 109.0, 118.0)
        chain.append(residue)
        if number + 1 < len(names):
            following = place(n, ca, c, 1.329, 116.8, psi)
            n, previous, c_before = following, ca, c
            ca = place(previous, c_before, n, 1.458, 121.7, 180.0)
            c = place(c_before, n, ca, 1.525, 111.0, torsions[number + 1][0])
    return chain


def _side_chain(n: Vector, ca: Vector, c: Vector, name: str) -> Residue:
    if name == "GLY":
        return {}
    made = {"CB": place(c, n, ca, 1.53, 110.5, -122.6)}
    if name in ("MET", "MSE"):
        heavy, length = ("SE", 1.95) if name == "MSE" else ("SD", 1.81)
        made["CG"] = place(n, ca, made["CB"], 1.52, 113.0, -65.0)
        made[heavy] = place(ca, made["CB"], made["CG"], length, 112.0, 180.0)
        made["CE"] = place(made["CB"], made["CG"], made[heavy], length, 100.0, 70.0)
    return made
