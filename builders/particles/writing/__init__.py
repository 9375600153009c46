"""Writing particles back: stacks, and a table of them that RELION or CryoSPARC reads."""

from builders.particles.writing.write import Written, write

__all__ = ["Written", "write"]
