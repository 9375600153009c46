"""TIFF files: the chain of pages (`chain.py`), their tags (`ifd.py`), what each holds, the image or movie they make.

From outside: `format.Tiff`, and `chain.read_chain`, upon which formats stand that keep to TIFF's structure: EER, say.
"""
