"""EMImage, the feature that holds images: a face of `builders.hf.features`."""

from builders.hf.features import DTYPES, FIELDS, STORAGE, EMImage, check_dtype, reference

__all__ = ["DTYPES", "FIELDS", "STORAGE", "EMImage", "check_dtype", "reference"]
