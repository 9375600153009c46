"""Transforms that move pixels, and what becomes of a row's other columns then.

From outside: the classes, by `perc_transforms`; `motion` and `euler` for transforms of your own.
"""
