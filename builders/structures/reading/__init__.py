"""Bytes of a structure file -> a structure: read around damage, chosen from, with what is doubtful told.

From outside: `parse` (`load`, `select`), `content` (what bytes are), `flat` and `kinds` (atoms as columns, residues).
"""
