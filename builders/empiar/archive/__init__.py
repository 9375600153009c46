"""An entry in the archive: its metadata and which files it has, on a server, in a mirror, or as remembered.

From outside: `archive.Archive`, `catalogue` (what metadata says), `patterns`, `remembered`.
"""
