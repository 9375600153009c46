"""Atoms to be drawn, and what is wrong with them."""

from dataclasses import dataclass, replace

import gemmi
import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError

DEFAULT_B = 30.0
"""Å²: of atoms without a B factor of their own."""


@dataclass(frozen=True)
class Atoms:
    """The N atoms of a model.

    Attributes:
        name: of the structure, for errors.
        coordinates: Å, float64, `(N, 3)`, x, y, z.
        element: symbols.
        occupancy: float64.
        b_factor: Å², float64; None: there are none.
        atom_name: such as `CA`.
        residue_name: such as `ALA`.
        residue: which residue each is of: chain, number and insertion code.
        altloc: which of several alternatives an atom belongs to; empty: none.
        is_predicted: the B factors are confidences of a prediction (pLDDT).
    """

    name: str
    coordinates: NDArray[np.float64]
    element: NDArray[np.str_]
    occupancy: NDArray[np.float64]
    b_factor: NDArray[np.float64] | None
    atom_name: NDArray[np.str_]
    residue_name: NDArray[np.str_]
    residue: NDArray[np.str_]
    altloc: NDArray[np.str_]
    is_predicted: bool = False

    def __len__(self) -> int:
        return len(self.coordinates)

    def taken(self, places: NDArray[np.int64], occupancy: NDArray[np.float64]) -> "Atoms":
        """Some of them, with these occupancies."""
        names = ("coordinates", "element", "atom_name", "residue_name", "residue", "altloc")
        b_factor = None if self.b_factor is None else self.b_factor[places]
        return replace(self, occupancy=occupancy, b_factor=b_factor, **{n: getattr(self, n)[places] for n in names})

    @property
    def masses(self) -> NDArray[np.float64]:
        """Of each, times its occupancy."""
        weights = {element: gemmi.Element(element).weight for element in set(self.element.tolist())}
        masses: NDArray[np.float64] = np.array([weights[element] for element in self.element.tolist()]) * self.occupancy
        return masses

    @property
    def center(self) -> NDArray[np.float64]:
        """The centre of mass, Å."""
        masses = self.masses if self.occupancy.any() else np.ones(len(self))
        center: NDArray[np.float64] = masses @ self.coordinates / masses.sum()
        return center


def checked(atoms: Atoms) -> Atoms:
    """Atoms that can be drawn: of all is known which element they are, and where. Deuterium becomes hydrogen.

    Raises:
        FormatError: names the structure and the first atom that cannot be drawn, or says that there is none.
    """
    if not len(atoms):
        msg = f"{atoms.name}: no atoms: expected a structure with at least one"
        raise FormatError(msg)
    element = np.array([gemmi.Element(symbol).name for symbol in atoms.element.tolist()])
    element[element == "D"] = "H"
    known = {symbol: symbol != "X" and gemmi.Element(symbol).c4322 is not None for symbol in set(element.tolist())}
    for place in np.flatnonzero([not known[symbol] for symbol in element.tolist()])[:1]:
        msg = f"{_called(atoms, place)}: element {str(atoms.element[place])!r}: expected one that scattering factors "
        msg += "of electrons are known of, H to Cf"
        raise FormatError(msg)
    for place in np.flatnonzero(~np.isfinite(atoms.coordinates).all(1))[:1]:
        msg = f"{_called(atoms, place)}: coordinates {atoms.coordinates[place].tolist()}: expected numbers, in Å"
        raise FormatError(msg)
    for place in np.flatnonzero(~(atoms.occupancy >= 0) | ~np.isfinite(atoms.occupancy))[:1]:
        msg = f"{_called(atoms, place)}: occupancy {atoms.occupancy[place]}: expected 0 or more"
        raise FormatError(msg)
    if not atoms.occupancy.any():
        msg = f"{atoms.name}: all occupancies are 0: its density would be zero everywhere"
        raise FormatError(msg)
    return replace(atoms, element=element)


def without_b_factors(atoms: Atoms) -> str | None:
    """Why atoms have no B factors of their own; None where they have."""
    if atoms.is_predicted:
        return "its B factors are confidences (pLDDT) of a prediction"
    if atoms.b_factor is None or not (np.nan_to_num(atoms.b_factor) > 0).any():
        return "it has no B factors"
    return None


def b_factors_of(atoms: Atoms, b_factor: float | None) -> NDArray[np.float64]:
    """What is drawn as B factors, Å²: one for all, or the atoms' own; `DEFAULT_B` where they have none."""
    own = None if b_factor is not None or without_b_factors(atoms) else atoms.b_factor
    if own is None:
        return np.full(len(atoms), DEFAULT_B if b_factor is None else float(b_factor))
    finite: NDArray[np.float64] = np.where(np.isfinite(own), own, DEFAULT_B).clip(0.0, None)
    return finite


def _called(atoms: Atoms, place: int) -> str:
    name, residue_name, residue = atoms.atom_name[place], atoms.residue_name[place], atoms.residue[place]
    return f"{atoms.name}: atom {name} of residue {residue_name} {residue}".rstrip()
