"""Alternate locations: of several descriptions of the same atoms, the best one."""

from collections import defaultdict
from dataclasses import dataclass

import gemmi
import numpy as np

from builders.structures.reading.flat import flatten


@dataclass(frozen=True, slots=True)
class _Site:
    """An atom of a residue position, and where it stands in the model."""

    chain: int
    residue: int
    atom: int
    residue_name: str
    name: str
    label: str
    occupancy: float


def keep_best(model: gemmi.Model) -> None:
    """Leave one alternative of each atom, in place.

    At each position (chain, subchain, number, insertion code; ligands that are labelled whole share one also across
    subchains) the labels are ranked by the mean occupancy of their atoms, then by name.
    Each atom name keeps its best ranked alternative, so one that only a lower label has stays. No label counts as one
    for atoms of which there are others with a label; all others without a label stay, and so do the labels and
    occupancies of what is kept. Where residues of several names share a position (microheterogeneity), only that of
    the best label stays.
    """
    doomed = [site for sites in _find_positions(model) for site in _choose_doomed(sites)]
    for site in sorted(doomed, key=lambda s: (s.chain, s.residue, s.atom), reverse=True):
        residue = model[site.chain][site.residue]
        del residue[site.atom]
        if not len(residue):
            del model[site.chain][site.residue]


def _find_positions(model: gemmi.Model) -> list[list[_Site]]:
    """The atoms of each position at which any has a label."""
    flat = flatten(model)
    labelled = flat.altlocs != b""
    if not labelled.any():
        return []
    counts = [len(residue) for chain in model for residue in chain]
    ends = np.cumsum(counts)
    disordered = np.zeros(len(counts), np.bool_)
    disordered[np.searchsorted(ends, np.flatnonzero(labelled), side="right")] = True
    # Residues that cannot share a position with those are not looked at: each is a Python object to make.
    numbers = flat.residue_numbers[ends - counts]
    candidates = set(np.flatnonzero(np.isin(numbers, numbers[disordered])).tolist())
    positions = defaultdict(list)
    chosen = set()
    places = ((c, r) for c, chain in enumerate(model) for r in range(len(chain)))
    for place, (c, r) in enumerate(places):
        if place in candidates:
            residue = model[c][r]
            position = model[c].name, _subchain(residue), str(residue.seqid)
            positions[position].append((c, r))
            if disordered[place]:
                chosen.add(position)
    return [_sites(model, places) for position, places in positions.items() if position in chosen]


def _subchain(residue: gemmi.Residue) -> str:
    """What parts residues of one number; mmCIF has alternative ligands, as two anomers of a sugar, in two subchains."""
    is_alternative = residue.entity_type != gemmi.EntityType.Polymer and all(a.has_altloc() for a in residue)
    return "" if is_alternative else residue.subchain


def _sites(model: gemmi.Model, places: list[tuple[int, int]]) -> list[_Site]:
    return [
        _Site(c, r, a, model[c][r].name, atom.name, atom.altloc.strip("\0"), atom.occ)
        for c, r in places
        for a, atom in enumerate(model[c][r])
    ]


def _choose_doomed(sites: list[_Site]) -> list[_Site]:
    occupancies = defaultdict(list)
    labelled = {site.name for site in sites if site.label}
    alternate = [site for site in sites if site.name in labelled]
    for site in sites if all(site.label for site in alternate) else alternate:
        occupancies[site.label].append(site.occupancy)
    # Rounded, since the mean of seven times 0.35 is not quite that of eight times.
    rank = {label: (-round(float(np.mean(values)), 5), label) for label, values in occupancies.items()}
    first = min(sites, key=lambda s: rank[s.label])
    alternatives = defaultdict(list)
    doomed = []
    for site in sites:
        if site.residue_name != first.residue_name:
            doomed.append(site)
        else:
            alternatives[site.name].append(site)
    for group in alternatives.values():
        best = min(group, key=lambda s: rank[s.label])
        # Atoms twice without a label are no alternatives.
        doomed += [site for site in group if site is not best and (site.label or best.label)]
    return doomed
