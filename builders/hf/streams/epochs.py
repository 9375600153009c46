"""Streams that begin anew where their state is one of a later epoch, and say so: `datasets` does it in silence."""

import functools
import logging
from collections.abc import Callable
from typing import Any

from builders.hf.stream_layers import layers_of
from builders.hf.streaming import is_ours

logger = logging.getLogger(__name__)


def telling_of_epochs(stock: Callable[..., Any]) -> Callable[..., Any]:
    """What a stream does as it begins to be read; one of ours says so if it leaves out the state that it was given.

    An epoch after that of the state is one that somebody went on to: there is nothing to say then.
    """

    @functools.wraps(stock)
    def begin(self: Any, *args: Any, **kwargs: Any) -> Any:
        state = self._starting_state_dict
        saved = state["epoch"] if state else 0
        if self.epoch < saved and self._is_main_process() and is_ours(layers_of(self._ex_iterable)[-1]):
            logger.warning(
                "The stream is read from the beginning of epoch %d, and not from the state that was loaded, which is "
                "one of epoch %d: call set_epoch(%d) of the stream before it is read to go on from there",
                *(self.epoch, saved, saved),
            )
        return stock(self, *args, **kwargs)

    return begin
