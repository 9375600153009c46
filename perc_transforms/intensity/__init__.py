"""Transforms of pixel values where they are.

From outside: the classes, by `perc_transforms`.
"""
