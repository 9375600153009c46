"""Files of picks, of copick, the CryoET Data Portal, RELION, Dynamo, IMOD or plain tables, as `Picks`.

From outside: `read`, which takes the bytes of any of them, `Picks` and `SUFFIXES`.
"""

from builders.io.tables.picks.picks import Picks, Unit
from builders.io.tables.picks.reading import SUFFIXES, read

__all__ = ["SUFFIXES", "Picks", "Unit", "read"]
