"""UniProt: what an entry says, and which residues of a structure are which of its sequence.

From outside: `entries` (signal peptides, successors), `references` (segments of chains).
"""
