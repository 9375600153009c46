"""Formats of image files, each behind one protocol: how bytes say what a file holds, and where its pixels lie.

From outside: `builders.io.image_file`, which asks the one that recognises a file, and `known`, their names.
"""
