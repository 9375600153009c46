"""Structures of the PDB, AlphaFold DB and other databases: fetched, cleaned, and read into arrays.

Example:
    >>> from builders.structures import available
    >>> available(["P45523"])  # doctest: +SKIP
    {'P45523': ['pdb', 'alphafold']}
"""

# importing a database's module makes it known; they are asked in this order
from builders.structures.databases import rcsb, alphafold, cath  # noqa: F401, I001
from builders.structures.fetching import available, clean, fetch
from builders.structures.saving import Fetched
from builders.structures.databases.services import Services
from builders.structures.databases.sources import Candidate, Source, register

__all__ = ["Candidate", "Fetched", "Services", "Source", "available", "clean", "fetch", "register"]
