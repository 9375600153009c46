"""Particles: the rows of a table, joined to their images."""
