"""Functions that move pixels.

From outside: by `perc_transforms.functional`.
"""
