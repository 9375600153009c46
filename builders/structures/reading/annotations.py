"""What a structure says of residues and atoms, kept true after some of them were removed.

Bonds, cis peptides, modified residues, helices, strands, assemblies, entities and the remarks of PDB files name
residues; none may name one that is gone.
"""

from collections.abc import Iterator

import gemmi

# Remarks of PDB files that list residues or atoms one by one: missing ones, close contacts, metal coordination, sites.
# gemmi keeps them as text, and of a part that remains they would be wrong.
_LISTS = {"465", "470", "475", "480", "500", "525", "610", "615", "620", "630", "800"}

_Place = tuple[str, str]  # author chain; author number with insertion code


class Places:
    """The residues of a structure by chain and author number, in order: taken before anything is removed.

    Args:
        structure: whose residues these are.
    """

    def __init__(self, structure: gemmi.Structure) -> None:
        self.order: dict[str, list[str]] = {}
        for model in structure:
            # An author chain may be in several pieces, its water after all polymers.
            found: dict[str, list[str]] = {}
            for chain in model:
                found.setdefault(chain.name, []).extend(str(residue.seqid) for residue in chain)
            self.order = found | self.order

    def between(self, start: gemmi.AtomAddress, end: gemmi.AtomAddress) -> list[str] | None:
        """The author numbers from one residue to another; None when either is not there."""
        numbers = self.order.get(start.chain_name, [])
        first, last = str(start.res_id.seqid), str(end.res_id.seqid)
        if start.chain_name != end.chain_name or first not in numbers or last not in numbers:
            return None
        return numbers[numbers.index(first) : len(numbers) - numbers[::-1].index(last)]


def prune(structure: gemmi.Structure, before: Places) -> None:
    """Drops what names residues or atoms that are gone.

    Args:
        structure: edited in place; its empty residues, chains and models are gone.
        before: its residues as they were.
    """
    # Of the first model: it is the one that gemmi's writers look these up in.
    names = {(chain.name, str(residue.seqid), residue.name) for chain in structure[0] for residue in chain}
    places = {(chain, number) for chain, number, _ in names}
    if structure.input_format == gemmi.CoorFormat.Pdb:
        _name_alternatives(structure)
    structure.connections = gemmi.ConnectionList(
        connection
        for connection in structure.connections
        if all(_is_there(structure[0], partner) for partner in (connection.partner1, connection.partner2))
    )
    structure.cispeps = [
        cispep for cispep in structure.cispeps if {_place(cispep.partner_c), _place(cispep.partner_n)} <= places
    ]
    structure.mod_residues = [
        modified
        for modified in structure.mod_residues
        if (modified.chain_name, str(modified.res_id.seqid), modified.res_id.name) in names
    ]
    structure.helices = gemmi.HelixList(_helices(structure, before, places))
    structure.sheets = gemmi.SheetList(_sheets(structure, before, places))
    _name_residues(structure, names)
    _prune_conect(structure)
    _prune_entities(structure)
    _prune_assemblies(structure)
    structure.raw_remarks = [line for line in structure.raw_remarks if line[7:10] not in _LISTS]


def serials(model: gemmi.Model) -> list[int]:
    """The serial numbers of a model's atoms. gemmi's table of atoms has them, but takes no long names.

    Example:
        >>> serials(gemmi.Model(1))
        []
    """
    return [atom.serial for chain in model for residue in chain for atom in residue]


def _place(address: gemmi.AtomAddress) -> _Place:
    return address.chain_name, str(address.res_id.seqid)


def _is_there(model: gemmi.Model, address: gemmi.AtomAddress) -> bool:
    return model.find_cra(address, ignore_segment=True).atom is not None


def _name_alternatives(structure: gemmi.Structure) -> None:
    """SSBOND records name no alternative, and gemmi takes the first: of atoms that were left with another, that one."""
    for bond in structure.connections:
        for end in (bond.partner1, bond.partner2) if bond.type == gemmi.ConnectionType.Disulf else ():
            if not _is_there(structure[0], end):
                whatever = gemmi.AtomAddress(end.chain_name, end.res_id.seqid, end.res_id.name, end.atom_name, "*")
                atom = structure[0].find_cra(whatever, ignore_segment=True).atom
                end.altloc = end.altloc if atom is None else atom.altloc


def _trim(item: gemmi.Helix | gemmi.Sheet.Strand, before: Places, places: set[_Place]) -> int | None:
    """Moves the ends of a helix or strand to what is left of it, and tells how many residues; None: as they were."""
    numbers = before.between(item.start, item.end)
    chain = item.start.chain_name
    if numbers is None:
        return None if any(chain == name for name, _ in places) else 0
    left = list(dict.fromkeys(number for number in numbers if (chain, number) in places))
    if len(left) == len(set(numbers)):
        return None
    if left:
        item.start, item.end = (_moved(end, left[at]) for end, at in ((item.start, 0), (item.end, -1)))
    return len(left)


def _moved(address: gemmi.AtomAddress, number: str) -> gemmi.AtomAddress:
    """The address of another residue of the chain. Its name is filled in later: it may have several."""
    moved = gemmi.AtomAddress()
    moved.chain_name = address.chain_name
    moved.res_id.seqid = gemmi.SeqId(number)
    return moved


def _helices(structure: gemmi.Structure, before: Places, places: set[_Place]) -> Iterator[gemmi.Helix]:
    for helix in structure.helices:
        left = _trim(helix, before, places)
        if left is None:
            yield helix
        elif left > 1:  # a single residue is no helix
            _name_ends(structure[0], helix)
            helix.length = left
            yield helix


def _sheets(structure: gemmi.Structure, before: Places, places: set[_Place]) -> Iterator[gemmi.Sheet]:
    for sheet in structure.sheets:
        kept = gemmi.Sheet.StrandList()
        direction = 1  # of the strand that was dropped, against the last one kept
        for strand in sheet.strands:
            left = _trim(strand, before, places)
            if left is not None and left < 2:
                direction *= strand.sense
                continue
            if left is not None:
                _name_ends(structure[0], strand)
            strand.sense = strand.sense * direction if kept else 0
            bonded = (strand.hbond_atom1, strand.hbond_atom2)
            if not kept or direction != 1 or any(_place(atom) not in places for atom in bonded if atom.chain_name):
                strand.hbond_atom1, strand.hbond_atom2 = gemmi.AtomAddress(), gemmi.AtomAddress()
            kept.append(strand)
            direction = 1
        if kept:
            sheet.strands = kept
            yield sheet


def _name_ends(model: gemmi.Model, item: gemmi.Helix | gemmi.Sheet.Strand) -> None:
    names: dict[_Place, str] = {}
    for chain in model:
        if chain.name == item.start.chain_name:
            for residue in chain:
                names.setdefault((chain.name, str(residue.seqid)), residue.name)
    for address in (item.start, item.end):
        address.res_id.name = names.get(_place(address), "")


def _name_residues(structure: gemmi.Structure, names: set[tuple[str, str, str]]) -> None:
    """Names the residues that are left where several shared a place, and what speaks of them named another one."""
    left = {(chain, number): name for chain, number, name in names}
    items = [*structure.helices, *(strand for sheet in structure.sheets for strand in sheet.strands)]
    ends = [end for item in items for end in (item.start, item.end)]
    cispeps = structure.cispeps
    for address in [*ends, *(end for cispep in cispeps for end in (cispep.partner_c, cispep.partner_n))]:
        place = _place(address)
        if (*place, address.res_id.name) not in names and place in left:
            address.res_id.name = left[place]
    structure.cispeps = cispeps


def _prune_conect(structure: gemmi.Structure) -> None:
    bonds = structure.conect_map
    if not bonds:
        return
    known = set(serials(structure[0]))
    structure.clear_conect()
    for one, others in bonds.items():
        for other in sorted(set(others)):
            if one < other and {one, other} <= known:
                structure.add_conect(one, other, others.count(other))


def _prune_entities(structure: gemmi.Structure) -> None:
    there = {residue.subchain for model in structure for chain in model for residue in chain}
    for entity in structure.entities:
        entity.subchains = [subchain for subchain in entity.subchains if subchain in there]
    structure.entities = gemmi.EntityList(entity for entity in structure.entities if entity.subchains)


def _prune_assemblies(structure: gemmi.Structure) -> None:
    """Leaves the chains that remain in each assembly, and rewrites the remark that a PDB file gives of them."""
    chains = {chain.name for model in structure for chain in model}
    subchains = {residue.subchain for model in structure for chain in model for residue in chain}
    changed = False
    for assembly in structure.assemblies:
        for generator in assembly.generators:
            kept = [name for name in generator.chains if name in chains]
            kept_subchains = [name for name in generator.subchains if name in subchains]
            changed |= kept != generator.chains or kept_subchains != generator.subchains
            generator.chains, generator.subchains = kept, kept_subchains
        for index in reversed(range(len(assembly.generators))):
            if not assembly.generators[index].chains and not assembly.generators[index].subchains:
                del assembly.generators[index]
    structure.assemblies = gemmi.AssemblyList(assembly for assembly in structure.assemblies if assembly.generators)
    remarks = structure.raw_remarks
    if changed and any(line[7:10] == "350" for line in remarks):
        structure.raw_remarks = []  # otherwise gemmi repeats the text as it was
        written = [line for line in structure.make_pdb_headers().splitlines() if line.startswith("REMARK 350")]
        kept_remarks = [line for line in remarks if line[7:10] != "350"]
        after = next((i for i, line in enumerate(kept_remarks) if line[7:10].strip() > "350"), len(kept_remarks))
        structure.raw_remarks = kept_remarks[:after] + written + kept_remarks[after:]
