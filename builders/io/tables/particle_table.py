"""What a table of particles says, whichever program wrote it: the same columns in the same units."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

CTF = pa.struct(
    {
        **dict.fromkeys(("defocus_u", "defocus_v", "defocus_angle", "voltage"), pa.float32()),
        **dict.fromkeys(("spherical_aberration", "amplitude_contrast", "phase_shift"), pa.float32()),
    }
)
"""Å (underfocus positive), degrees from x, kV, mm, 0 to 1, degrees."""
POSE = pa.struct(dict.fromkeys(("rot", "tilt", "psi", "shift_x", "shift_y"), pa.float32()))
"""Degrees (RELION's zyz); Å (RELION's origin: the image's content lies at minus that)."""
NAME = pa.dictionary(pa.int32(), pa.string())

SCHEMA = pa.schema(
    {
        "image": NAME,  # the stack's name as the table spells it, without the slice's number; null: no image
        "slice": pa.int64(),  # from 0; 0 where there is no image: never null
        "pixel_size": pa.float32(),  # Å, of the image
        "image_size": pa.int64(),  # pixels of a side, as the table says
        "micrograph": NAME,  # as the table spells it
        "coordinate_x": pa.float32(),  # pixels of the micrograph, from 0; RELION: as stored, y as in its rows
        "coordinate_y": pa.float32(),  # CryoSPARC: fraction times height, not flipped
        "micrograph_pixel_size": pa.float32(),  # Å, of the micrograph that coordinates are of
        "micrograph_height": pa.int64(),  # pixels; CryoSPARC only: what a flip of y needs
        "ctf": CTF,
        "pose": POSE,
        "optics_group": pa.int64(),
        "half_set": pa.int64(),  # 1 or 2, as RELION has it
        "class_number": pa.int64(),  # from 1
    }
)
"""Columns of `ParticleTable.rows`, all there, those that a table does not have null in every row."""

_VECTOR = pa.list_(pa.float64(), 3)
STACKS = pa.schema(
    {
        "visible": pa.list_(pa.bool_()),  # of each tilt of its series, whether the particle is seen in it
        "centre": _VECTOR,  # x, y, z in Å from the tomogram's centre; NaN: not told
        "origin": _VECTOR,  # Å, in the frame that `turn` turns into the tomogram's; RELION's rlnOriginXAngst, ...
        "turn": _VECTOR,  # degrees, RELION's angles: a point p of that frame lies at A p in the tomogram
        "is_ctf_premultiplied": pa.bool_(),
    }
)
"""Columns of `ParticleTable.stacks`."""


@dataclass(frozen=True, slots=True)
class ParticleTable:
    """A table of particles.

    Attributes:
        name: of its file or files, for messages.
        program: `"relion"` or `"cryosparc"`.
        rows: one for each particle, in the table's order, of `SCHEMA`.
        extra: as many rows of the columns that were asked for besides, by their own names (RELION's without the `_`).
        has_poses: whether the table has orientations; without, every `pose` is null. The same of the CTF is `has_ctf`.
        has_ctf: whether it has defocus values.
        stacks: of particles whose images are stacks of tilts (RELION 5), as many rows of `STACKS`; their `micrograph`
            is the tomogram. None of others.
        chosen: of rows that are some of a file's, which ones, from 0; None: they are all of them.
    """

    name: str
    program: str
    rows: pa.Table
    extra: pa.Table
    has_poses: bool
    has_ctf: bool
    stacks: pa.Table | None = None
    chosen: NDArray[np.int64] | None = None

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Of each row, which one of the file's it is, from 0."""
        return np.arange(len(self.rows)) if self.chosen is None else self.chosen
