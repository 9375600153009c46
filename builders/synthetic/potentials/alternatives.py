"""Alternate locations: each combination that a model describes is a state."""

from collections import defaultdict

import numpy as np

from builders.synthetic.potentials.atoms import Atoms


def states_of(atoms: Atoms) -> list[Atoms]:
    """The states of a model, the likeliest first: one if it has no alternate locations.

    At each residue the alternatives are ranked by the mean occupancy of their atoms, then by name; the first state
    has the best of each, the second the second best, or the best where there is no other. In a state an atom is
    wholly where it is: it has the occupancies of all alternatives of its residue together. What has no label belongs
    to all states, unless other atoms of its name have one.
    """
    labelled = np.flatnonzero(atoms.altloc != "")
    if not len(labelled):
        return [atoms]
    residues = set(atoms.residue[labelled].tolist())
    sites = defaultdict(list)
    for place, residue in enumerate(atoms.residue.tolist()):
        if residue in residues:
            sites[residue].append(place)
    ranked = {residue: _ranked(atoms, places) for residue, places in sites.items()}
    return [_state(atoms, sites, ranked, number) for number in range(max(map(len, ranked.values())))]


def _ranked(atoms: Atoms, places: list[int]) -> dict[str, float]:
    """The labels of a residue, the best first, and the mean occupancies of their atoms."""
    occupancies = defaultdict(list)
    for place in _alternate(atoms, places):
        occupancies[str(atoms.altloc[place])].append(float(atoms.occupancy[place]))
    # rounded, since the mean of seven times 0.35 is not quite that of eight times
    means = {label: round(float(np.mean(values)), 5) for label, values in occupancies.items()}
    return dict(sorted(means.items(), key=lambda item: (-item[1], item[0])))


def _alternate(atoms: Atoms, places: list[int]) -> list[int]:
    """Those of a residue's atoms that there are alternatives of."""
    names = {atoms.atom_name[place] for place in places if atoms.altloc[place]}
    return [place for place in places if atoms.atom_name[place] in names]


def _state(atoms: Atoms, sites: dict[str, list[int]], ranked: dict[str, dict[str, float]], number: int) -> Atoms:
    occupancy = atoms.occupancy.copy()
    is_kept = np.ones(len(atoms), np.bool_)
    for residue, places in sites.items():
        labels = ranked[residue]
        best = list(labels)[number if number < len(labels) else 0]
        order = [best, *(label for label in labels if label != best)]
        alternate = _alternate(atoms, places)
        name = next(atoms.residue_name[place] for place in alternate if atoms.altloc[place] == best)
        is_kept[[place for place in places if atoms.residue_name[place] != name]] = False
        by_name = defaultdict(list)
        for place in alternate:
            if is_kept[place]:
                by_name[str(atoms.atom_name[place])].append(place)
        for alike in by_name.values():
            chosen = min(alike, key=lambda place: order.index(str(atoms.altloc[place])))
            is_kept[[place for place in alike if place != chosen]] = False
            mean = labels[str(atoms.altloc[chosen])]
            if mean > 0:
                occupancy[chosen] *= max(1.0, min(sum(labels.values()), 1.0) / mean)
    kept = np.flatnonzero(is_kept)
    return atoms.taken(kept, occupancy[kept])
