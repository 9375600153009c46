"""Entries of EMPIAR, the public archive of raw cryoEM images."""

from builders.empiar.entry import Entry

__all__ = ["Entry"]
