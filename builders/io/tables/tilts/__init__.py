"""Tables of tilt series, of SerialEM, IMOD, AreTomo, Warp and RELION 5, as images of one vocabulary.

From outside: `Tilt`, `TiltSeries`, and one reader a kind of file. `sections.parse` is for whoever wants what an mdoc
says as it says it.
"""

from builders.io.tables.tilts.aln import Aln, read_aln
from builders.io.tables.tilts.lists import Alignment, read_angles, read_transforms
from builders.io.tables.tilts.mdoc import MontageError, read_mdoc
from builders.io.tables.tilts.relion import read_list, read_series
from builders.io.tables.tilts.series import Tilt, TiltSeries
from builders.io.tables.tilts.warp import read_warp

__all__ = [
    "Alignment",
    "Aln",
    "MontageError",
    "Tilt",
    "TiltSeries",
    "read_aln",
    "read_angles",
    "read_list",
    "read_mdoc",
    "read_series",
    "read_transforms",
    "read_warp",
]
