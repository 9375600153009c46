"""Gatan's DM3 and DM4 files: a tree of tags, read as it stands, in which an image is one of them.

From outside: `format.Dm`.
"""
