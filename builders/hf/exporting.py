"""What `datasets` writes of images for others: who can load it is said at the call."""

import contextvars
import functools
import logging
from collections.abc import Callable
from typing import Any

from builders.hf import nulls

logger = logging.getLogger(__name__)

_told: contextvars.ContextVar[bool] = contextvars.ContextVar("_told", default=False)


def telling_who_can_load(stock: Callable[..., Any]) -> Callable[..., Any]:
    """A method that writes a dataset for others, which says first what of it they could not load.

    It writes as before: whoever has this project reads it.
    """

    @functools.wraps(stock)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        images = [] if _told.get() else _image_columns(self)
        if images:
            logger.warning(
                "%s: only this project can load its images (%s), of which it often writes no more than where they lie;"
                " others get: Feature type 'EMImage' not found. builders.publish(dataset, to) writes what all can load",
                stock.__name__,
                ", ".join(images),
            )
        token = _told.set(True)  # it may write its pieces by one of the others
        try:
            return stock(self, *args, **kwargs)
        finally:
            _told.reset(token)

    return method


def _image_columns(dataset: Any) -> list[str]:
    """The columns of a dataset, or of a dict of them by split, that hold images."""
    parts = dataset.values() if isinstance(dataset, dict) else [dataset]
    found = [name for part in parts for name, f in (part.features or {}).items() if nulls.holds_image(f)]
    return list(dict.fromkeys(found))
