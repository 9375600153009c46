"""MRC files and their kin: the header, what of it to believe, and writing.

From outside: `builders.io.mrc`.
"""
