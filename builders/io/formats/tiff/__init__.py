"""TIFF files: the chain of their pages (`ifd.py`), what each holds (`pages.py`), and the image or movie that they make.

From outside: `format.Tiff`, and `ifd.read_chain`, upon which formats stand that keep to TIFF's structure, such as EER.
"""
