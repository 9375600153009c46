"""EMImage, the feature that holds images: a face of `builders.hf.features`."""

from builders.hf.features import DTYPES, EMImage, check_dtype
from builders.hf.image_storage import FIELDS, STORAGE, reference

__all__ = ["DTYPES", "FIELDS", "STORAGE", "EMImage", "check_dtype", "reference"]
