"""Functions of pixel values where they are, and of an image's statistics.

From outside: by `perc_transforms.functional`.
"""
