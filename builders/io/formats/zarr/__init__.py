"""Arrays of Zarr 2 and 3: the metadata file, `.zarray` or `zarr.json`, is the file; chunks lie beside and below it.

`format.py` is the format, `v2.py` and `v3.py` read the metadata, `fields.py` is what both are made of.
"""
