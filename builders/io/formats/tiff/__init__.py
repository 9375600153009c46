"""TIFF: `ifd.py` reads the chain of a file's pages and their tags.

From outside: `ifd.read_chain`, upon which formats stand that keep to TIFF's structure, such as EER.
"""
