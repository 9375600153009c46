"""CryoEM data as Hugging Face datasets. Importing this package registers its builders with `load_dataset`.

Example:
    >>> from builders import load_dataset
    >>> load_dataset is __import__("datasets").load_dataset
    True
"""

from typing import TYPE_CHECKING, Any

from builders import interrupt

interrupt.end_silently()  # before what takes its time

# ruff: noqa: E402
from datasets import load_dataset

from builders import moved
from builders.hf.features import EMImage
from builders.hf.registry import register
from perc_transforms.moved import keep

if TYPE_CHECKING:
    from builders.publishing import as_em_images, publish

__all__ = ["EMImage", "as_em_images", "load_dataset", "publish"]

register()
keep(moved.ROOMS)


def __getattr__(name: str) -> Any:
    """What publishing has is imported when it is asked for."""
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg, name=name)
    from builders import publishing

    return getattr(publishing, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
