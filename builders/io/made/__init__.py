"""Images that are made when they are read: a recipe, a file that says how, takes the place of a file of pixels.

A row is what its index makes of the recipe and its seed, in every process and on every machine: `draws` has the random
numbers, `recipe` what there is to say, and for each unit a `maker.Maker` makes columns and pixels of indices.
"""
