"""Tables of RELION: its labels and optics groups -> the vocabulary of `ParticleTable`."""

from builders.io.tables.relion.particles import read

__all__ = ["read"]
