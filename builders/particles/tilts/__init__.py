"""Particles whose images are stacks of tilts, RELION 5's pseudo-subtomograms: their tilt series, and their columns.

From outside: `TiltTables` and `settled`; `picking.TiltStacks`, which stands on `particles.source`.
"""

from builders.particles.tilts.tables import TiltTables, settled

__all__ = ["TiltTables", "settled"]
