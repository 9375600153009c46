"""EMPIAR's entries: metadata and which files there are, on a server, in a mirror, or as remembered.

From outside: `archive.Archive`, `catalogue` (what metadata says), `patterns`, `remembered`, and `caching`, which brings
whole files. Several builders read the archive, so that it stands beneath them.
"""
