"""Transforms of the spectrum: filters, blur, CTF, dose.

From outside: the classes, by `perc_transforms`.
"""
