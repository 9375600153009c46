"""EMPIAR's archive: what its servers answer, read."""
