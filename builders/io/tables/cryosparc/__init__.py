"""Tables of CryoSPARC: `.cs` files, alone or with those that tell more of the same particles."""

from builders.io.tables.cryosparc.files import Fields, read_fields
from builders.io.tables.cryosparc.particles import read

__all__ = ["Fields", "read", "read_fields"]
