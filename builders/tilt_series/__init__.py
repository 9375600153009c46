"""Tilt series: images and the tables that tell of them, joined, as rows of images or of whole series.

`tilt_series.py` is the builder; `names.py` says what files are called, `listing.py` which there are, `matching.py` and
`relion.py` which belong together, `assembling.py` what is known of each image, `columns.py` makes rows of it.
"""
