"""Boxes of volumes, many at once: `reading` reads them from wherever they lie, `bands` cuts those of plain pixels.

A band is the rows of pixels that boxes beside each other have in common: of each section that they cross the same rows,
whole ones. All that is in memory at once is a few sections of one, never a slab of the volume.
"""
