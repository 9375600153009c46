"""Functions of the spectrum.

From outside: by `perc_transforms.functional`.
"""
