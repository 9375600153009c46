"""Rows that are made of micrographs: each with its picks (`picks`), or boxes cut out of them (`extraction`).

`coordinates` says where particles are in the micrographs that are there.
"""
