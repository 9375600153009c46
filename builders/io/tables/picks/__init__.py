"""Files of picks, of copick, the CryoET Data Portal, RELION, Dynamo, IMOD or plain tables, as `Picks`.

From outside: `read`, which takes the bytes of any of them, `tomograms_named` of a damaged one, `Picks` and `SUFFIXES`.
"""

from builders.io.tables.picks.picks import Picks, Unit
from builders.io.tables.picks.reading import SUFFIXES, read, tomograms_named

__all__ = ["SUFFIXES", "Picks", "Unit", "read", "tomograms_named"]
