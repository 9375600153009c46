"""Micrographs that are made: many particles in one field of ice, as images or as movies.

`scene` has what there is to say of them beyond the recipe, `placing` where particles lie, `backdrop` the ice and the
carbon about them, `motion` how the frames of a movie drift, and `maker` makes rows.
"""

from builders.io.made.micrographs.maker import MicrographMaker

__all__ = ["MicrographMaker"]
