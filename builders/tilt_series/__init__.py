"""Tilt series: images and the tables that tell of them, joined, as rows of images or of whole series.

`tilt_series.py` is the builder, `config.py` its options; `files` says which files there are and which belong together,
`relion.py` the same of RELION's tables, `assembling.py` what is known of each image, `columns.py` makes rows of it.
"""
