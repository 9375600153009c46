"""CryoEM data as Hugging Face datasets. Importing this package registers its builders with `load_dataset`.

Example:
    >>> from builders import load_dataset
    >>> load_dataset is __import__("datasets").load_dataset
    True
"""

from builders import interrupt

interrupt.end_silently()  # before what takes its time

# ruff: noqa: E402
from datasets import load_dataset

from builders import moved
from builders.hf.features import EMImage
from builders.hf.registry import register
from builders.publishing import as_em_images, publish
from perc_transforms.moved import keep

__all__ = ["EMImage", "as_em_images", "load_dataset", "publish"]

register()
keep(moved.ROOMS)
