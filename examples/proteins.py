"""Made-up proteins as gemmi structures: chains with missing residues, modified ones, ligands, water, models."""

from collections.abc import Sequence
from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from examples.peptide import TORSIONS, Residue, Vector, build, place

_CLEAR = 2.75
"""Å between atoms that are not bonded."""
_OTHERS = (gemmi.EntityType.NonPolymer, gemmi.EntityType.NonPolymer, gemmi.EntityType.Water)


@dataclass(frozen=True)
class Protein:
    """A protein, as UniProt would know it.

    Attributes:
        accession: of UniProt.
        sequence: one letter a residue.
        fold: one letter of `TORSIONS` a residue.
        first: UniProt position of the first of these residues.
        signal: UniProt position at which its signal peptide ends; 0 where it has none.
    """

    accession: str
    sequence: str
    fold: str
    first: int = 1
    signal: int = 0

    @property
    def mobility(self) -> NDArray[np.float64]:
        """From 0 in helices and strands to 1: loops, the ends and the signal peptide are least in place."""
        regular = np.array([letter in "AB" for letter in self.fold])
        mobile = np.where(regular, 0.0, 0.5)
        mobile[:4] = mobile[-4:] = 0.9
        mobile[: self.signal] = 0.8
        smooth = np.convolve(np.pad(mobile, 2, "edge"), [0.1, 0.2, 0.4, 0.2, 0.1], "valid")
        return np.asarray(np.clip(smooth + 0.06 + 0.06 * np.sin(1.75 * np.arange(len(smooth))), 0, 1))


@dataclass(frozen=True)
class Part:
    """A chain: a stretch of a protein.

    Attributes:
        protein: whose.
        first: UniProt position of the chain's first residue.
        last: of its last one.
        author: number that the author gives to the first one.
        missing: UniProt positions that the experiment does not show.
        b_factors: Å², of residues that move least and most; for a prediction its pLDDT of them.
        modified: methionines are selenomethionines.
    """

    protein: Protein
    first: int
    last: int
    author: int
    missing: frozenset[int] = frozenset()
    b_factors: tuple[float, float] = (15.0, 70.0)
    modified: bool = False

    @property
    def names(self) -> list[str]:
        """Of its residues, in three letters."""
        letters = self.protein.sequence[self.first - self.protein.first : self.last - self.protein.first + 1]
        names = gemmi.expand_one_letter_sequence(letters, gemmi.ResidueKind.AA)
        return ["MSE" if self.modified and name == "MET" else name for name in names]


def assemble(name: str, parts: Sequence[Part], *, models: int = 1, others: int = 0) -> gemmi.Structure:
    """A structure of these chains, A, B, ..., side by side.

    Args:
        name: of the entry.
        parts: the chains.
        models: how many; they differ where the protein is mobile, and have hydrogens if there are several.
        others: so many water molecules, besides a glycerol and a zinc ion; 0: none of these.
    """
    structure = gemmi.Structure()
    structure.name = name
    polymers = [_entity(number, gemmi.EntityType.Polymer, "ABCD"[number - 1]) for number in range(1, len(parts) + 1)]
    for entity, part in zip(polymers, parts, strict=True):
        entity.full_sequence, entity.polymer_type = part.names, gemmi.PolymerType.PeptideL
    rng = np.random.default_rng(4)
    for number in range(1, models + 1):
        model = gemmi.Model(number)
        placed = np.full((1, 3), np.inf)
        for entity, part in zip(polymers, parts, strict=True):
            residues = _beside(placed, _fold(part, rng if number > 1 else None, hydrogens=models > 1))
            placed = np.concatenate([placed, *(list(residue.values()) for residue in residues)])
            model.add_chain(_chain(part, residues, entity))
        structure.add_model(model)
    if models > 1:
        _superpose(structure, parts[0])
    kinds = [_entity(len(parts) + 1 + number, kind, "EFG"[number]) for number, kind in enumerate(_OTHERS)]
    if others:
        structure[0].add_chain(_others(structure[0][0], kinds, others))
    for entity in [*polymers, *(kinds if others else [])]:
        structure.entities.append(entity)
    structure.assign_serial_numbers()
    return structure


def _fold(part: Part, rng: np.random.Generator | None, *, hydrogens: bool) -> list[Residue]:
    """Atoms of a chain, about its centre; with a generator, its mobile stretches turn at random."""
    chosen = slice(part.first - part.protein.first, part.last - part.protein.first + 1)
    torsions = np.array([TORSIONS[letter] for letter in part.protein.fold[chosen]])
    if rng is not None:
        torsions += rng.normal(0, 0.6 + 40 * part.protein.mobility[chosen, None] ** 3, torsions.shape)
    residues = build([(phi, psi) for phi, psi in torsions], part.names, hydrogens=hydrogens)
    centre = np.mean([residue["CA"] for residue in residues], axis=0)
    return [{name: position - centre for name, position in residue.items()} for residue in residues]


def _beside(placed: Vector, residues: list[Residue]) -> list[Residue]:
    """The same, moved along x until it is clear of other atoms."""
    atoms = np.concatenate([list(residue.values()) for residue in residues])
    step = np.array([1.0, 0.0, 0.0])
    steps = next(n for n in range(1000) if _apart(placed, atoms + n * step) > _CLEAR)
    return [{name: position + steps * step for name, position in residue.items()} for residue in residues]


def _apart(some: Vector, others: Vector) -> float:
    return float(np.linalg.norm(some[:, None] - others[None], axis=-1).min())


def _chain(part: Part, residues: list[Residue], entity: gemmi.Entity) -> gemmi.Chain:
    chain = gemmi.Chain(entity.subchains[0])
    least, most = part.b_factors
    mobility = part.protein.mobility[part.first - part.protein.first :]
    for number, (residue_name, atoms) in enumerate(zip(part.names, residues, strict=True)):
        if part.first + number in part.missing:
            continue
        residue = _residue(residue_name, part.author + number, entity)
        residue.label_seq = number + 1
        b_factor = least + (most - least) * float(mobility[number])
        chain.add_residue(_filled(residue, atoms, b_factor))
    return chain


def _superpose(structure: gemmi.Structure, part: Part) -> None:
    """Put all models onto the first one, by what is not mobile."""
    still = np.flatnonzero(part.protein.mobility[part.first - part.protein.first :][: len(part.names)] < 0.2)
    first, *others = [[model[0][int(i)]["CA"][0].pos for i in still] for model in structure]
    for model, positions in zip(list(structure)[1:], others, strict=True):
        model.transform_pos_and_adp(gemmi.superpose_positions(first, positions).transform)


def _others(chain: gemmi.Chain, entities: Sequence[gemmi.Entity], waters: int) -> gemmi.Chain:
    """A glycerol, a zinc ion and waters around a chain, by its author's name."""
    made = gemmi.Chain(chain.name)
    glycerol, zinc, water = entities
    taken = np.array([atom.pos.tolist() for residue in chain for atom in residue])
    ligand = _glycerol(
        max((_beyond_oxygen(residue) for residue in chain), key=lambda site: float(np.linalg.norm(site)))
    )
    made.add_residue(_filled(_residue("GOL", 201, glycerol), ligand, 45.0))
    taken = np.concatenate([taken, list(ligand.values())])
    for site in map(_beyond_oxygen, chain):
        if len(made) < waters + 2 and _apart(taken, site[None]) > _CLEAR:
            number = len(made) - 2
            residue = _residue("HOH", 301 + number, water) if number >= 0 else _residue("ZN", 202, zinc)
            made.add_residue(_filled(residue, {"O" if number >= 0 else "ZN": site}, 32.0))
            taken = np.concatenate([taken, site[None]])
    return made


def _beyond_oxygen(residue: gemmi.Residue) -> Vector:
    """Where a residue's oxygen has room for a partner."""
    carbon, oxygen = (np.array(residue[name][0].pos.tolist()) for name in ("C", "O"))
    return np.asarray(oxygen + 2.8 * (oxygen - carbon) / np.linalg.norm(oxygen - carbon))


def _glycerol(site: Vector) -> Residue:
    """On the far side of a site, seen from the origin."""
    outward = site / np.linalg.norm(site)
    o1, c1 = site + outward, site + 2.42 * outward
    c2 = place(np.array([9.0, 0.0, 0.0]), o1, c1, 1.52, 110.0, 60.0)
    c3 = place(o1, c1, c2, 1.52, 112.0, 180.0)
    o2, o3 = place(o1, c1, c2, 1.42, 109.0, 60.0), place(c1, c2, c3, 1.42, 110.0, 180.0)
    return {"C1": c1, "O1": o1, "C2": c2, "O2": o2, "C3": c3, "O3": o3}


def _entity(number: int, kind: gemmi.EntityType, subchain: str) -> gemmi.Entity:
    entity = gemmi.Entity(str(number))
    entity.entity_type, entity.subchains = kind, [subchain]
    return entity


def _residue(name: str, number: int, entity: gemmi.Entity) -> gemmi.Residue:
    residue = gemmi.Residue()
    residue.name, residue.seqid, residue.subchain = name, gemmi.SeqId(number, " "), entity.subchains[0]
    residue.entity_id, residue.entity_type = entity.name, entity.entity_type
    residue.het_flag = "A" if entity.entity_type == gemmi.EntityType.Polymer and name != "MSE" else "H"
    return residue


def _filled(residue: gemmi.Residue, atoms: Residue, b_factor: float) -> gemmi.Residue:
    """The residue with these atoms added to it."""
    for name, position in atoms.items():
        atom = gemmi.Atom()
        atom.name, atom.element = name, gemmi.Element(name if name in ("SE", "ZN") else name[0])
        atom.pos = gemmi.Position(*(round(float(x), 3) for x in position))
        atom.b_iso = b_factor
        residue.add_atom(atom)
    return residue
