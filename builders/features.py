"""EMImage, the feature that holds images: a face of `builders.hf.features`."""

from builders.hf.features import DTYPES, EMImage, reference

__all__ = ["DTYPES", "EMImage", "reference"]
