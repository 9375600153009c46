"""Which block of a STAR file is the table, and what a file is that has none."""

from builders.errors import FormatError
from builders.io.tables.relion.labels import IMAGE, MICROGRAPH
from builders.io.tables.star import Block

OPTICS = "optics"
_NAMES = ("particles", "micrographs")
"""Of blocks that RELION means, where several would do."""
_KINDS = {
    "rlnTomoParticlesFile": "an optimisation set, which names the files of particles and tomograms",
    "rlnTomoTiltSeriesStarFile": "a list of tilt series",
    "rlnTomoName": "a table of tomograms, or of particles in them that have no images yet",
    "rlnExperimentalDataStarFile": "the state of a refinement, which names its file of particles",
    "rlnIs3DSampling": "a sampling of orientations",
    "rlnReferenceImage": "the model of a refinement",
    "rlnFourierShellCorrelationCorrected": "a postprocessing's result",
    "rlnPipeLineJobCounter": "a project's list of jobs",
    "rlnMicrographMovieName": "a list of movies",
    "rlnCoordinateX": "coordinates of a micrograph that only the file's own name tells",
}


def table_of(blocks: list[Block], name: str) -> Block:
    """The table of particles, or else of micrographs.

    Raises:
        FormatError: there is none, or more than one that could be it.
    """
    for label in (IMAGE, MICROGRAPH):
        found = [block for block in blocks if label in block.labels and block.name != OPTICS]
        named = [block for block in found if block.name in _NAMES]
        chosen = named if len(found) > 1 and len(named) == 1 else found
        if len(chosen) > 1:
            where = ", ".join(f"{block.name!r} (line {block.line})" for block in chosen[:10])
            msg = f"{name}: {len(chosen)} blocks have {label}: {where}: expected one"
            raise FormatError(msg)
        if chosen:
            return chosen[0]
    expected = f"a block with {IMAGE} (particles), or {MICROGRAPH} (micrographs, coordinates)"
    msg = f"{name}: {told(blocks)}: expected {expected}"
    raise FormatError(msg)


def optics_of(blocks: list[Block], name: str) -> Block | None:
    """The block of optics groups, which files of RELION 3.0 do not have.

    Raises:
        FormatError: there are two.
    """
    found = [block for block in blocks if block.name == OPTICS]
    if len(found) > 1:
        lines = " and ".join(str(block.line) for block in found[:10])
        msg = f"{name}: {len(found)} blocks are called {OPTICS!r} (lines {lines}): expected one"
        raise FormatError(msg)
    return found[0] if found else None


def told(blocks: list[Block]) -> str:
    """What a file without a table of particles or micrographs is, in words."""
    there = {label for block in blocks for label in block.labels}
    kinds = [said for label, said in _KINDS.items() if label in there]
    if kinds:
        return kinds[0]
    names = ", ".join(repr(block.name) for block in blocks[:10])
    return f"no table of particles or micrographs, but block{'s' if len(blocks) > 1 else ''} {names}"
