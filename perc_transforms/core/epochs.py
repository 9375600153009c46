"""The epoch that transforms draw for: told by a loop or a trainer, known to workers, missed where nobody tells it."""

import contextlib
import logging
import zlib
from collections.abc import Callable, Sequence
from multiprocessing import context
from typing import Any, Protocol

import torch
from torch import Tensor

from perc_transforms.core.sizing import is_number
from perc_transforms.errors import EpochError, TransformError

logger = logging.getLogger(__name__)

_MOST = 2**63
"""Epochs are kept in 64 bits."""
_KEPT = 64
"""Places for rows that are remembered: each row has one of its own, which the first that comes for it takes, so that
processes that write at once need not agree on an order."""
_ENOUGH = 8
"""So many of them come again in a second pass, or all where there are fewer."""
_DONE, _ROWS, _AGAIN = 0, 1, 1 + _KEPT
"""Where in the memory that processes share: nothing more to watch; which rows; whether they came again."""


class Epoch:
    """A number that a transform, its copies and the processes they were sent to have in common.

    Until it is told, it remembers some rows, so that a second pass over them is noticed: also one of DataLoader workers
    that are started anew for each pass, of which none sees a row twice.
    """

    def __init__(self) -> None:
        self._value = _shared(())
        self._watch = _shared((1 + 2 * _KEPT,))

    def __deepcopy__(self, memo: dict[int, Any]) -> "Epoch":
        return self  # `datasets` copies a dataset with its transform: told once, all know

    def __getstate__(self) -> dict[str, Any]:
        """The epoch; what was watched goes to workers only, since a digest of a transform is not to change with it."""
        state = {"_value": self._value}
        return state if context.get_spawning_popen() is None else state | {"_watch": self._watch}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({"_watch": _shared((1 + 2 * _KEPT,))} | state)

    def set(self, epoch: int) -> None:
        """Tell all."""
        self._value.fill_(epoch)
        self.watch_no_more()

    def get(self) -> int:
        """What was told last."""
        return int(self._value)

    def watch_no_more(self) -> None:
        """Rows may come again from now on."""
        self._watch[_DONE] = 1

    def comes_again(self, keys: Sequence[bytes]) -> bool:
        """Whether these rows show, for the first time, that a second pass is made though no epoch was told.

        A single row that is looked at over and over is no pass.
        """
        watch = self._watch.numpy()
        if watch[_DONE] or int(self._value):
            return False
        came = False
        for key in keys:
            row = 1 + zlib.crc32(key)
            place = row % _KEPT
            known = watch[_ROWS + place]
            if known == row:
                watch[_AGAIN + place], came = 1, True
            elif not known:
                watch[_ROWS + place] = row
        if not came:
            return False
        count = int((watch[_ROWS:_AGAIN] != 0).sum())
        if count < 2 or int(watch[_AGAIN:].sum()) < min(count, _ENOUGH):
            return False
        watch[_DONE] = 1
        return True


def _shared(shape: tuple[int, ...]) -> Tensor:
    """Zeros that forked and spawned processes have in common."""
    with torch.inference_mode(False):
        value = torch.zeros(shape, dtype=torch.int64)
    try:
        value.share_memory_()  # type: ignore[no-untyped-call]
    except (RuntimeError, OSError) as err:  # no /dev/shm, or no file descriptor left: workers have a copy
        logger.debug("The epoch is not shared: workers that persist will not be told another (%s)", err)
    return value


def whole_epoch(epoch: Any) -> int:
    """An epoch's number: an integer of Python, NumPy or torch, or a float that is a whole number, as trainers count.

    Raises:
        EpochError: it is something else, which would leave the draws of one epoch to another, or negative, as no
            stream of `datasets` takes it.

    Example:
        >>> whole_epoch(2), whole_epoch(torch.tensor(2)), whole_epoch(2.0)
        (2, 2, 2)
    """
    value = epoch
    if hasattr(epoch, "item"):
        with contextlib.suppress(TypeError, ValueError, RuntimeError):  # of an array of several
            value = epoch.item()
    if not is_number(value) or not 0 <= value < _MOST or value != int(value):
        msg = f"set_epoch: the epoch is {repr(epoch)[:80]}: expected an integer: 0, 1, 2, ... of a loop over epochs"
        raise EpochError(msg)
    return int(value)


def expect_rereads(transform: Any) -> None:
    """Have a transform, and those in it, not mind rows that come again: they are read more than once on purpose."""
    for inner in getattr(transform, "transforms", ()):
        expect_rereads(inner)
    epoch = getattr(transform, "_epoch", None)
    if isinstance(epoch, Epoch):
        epoch.watch_no_more()


class HasEpoch(Protocol):
    """A transform, a `Compose`, a stream of `datasets`, a sampler."""

    def set_epoch(self, epoch: int) -> None:
        """Take over the epoch's number."""
        ...


class EpochCallback:
    """A callback for the Trainer of transformers, or of Lightning, that tells its epoch to transforms.

    It fits both by the names of its methods, and needs neither to be installed.

    Args:
        targets: what has `set_epoch`: transforms, a `Compose`, also a stream of `datasets`, which is shuffled by it.

    Raises:
        TransformError: there are none, or one has no `set_epoch`.

    Example:
        >>> from perc_transforms import RandomRotate
        >>> augment = RandomRotate()
        >>> callback = EpochCallback(augment)  # Trainer(..., callbacks=[callback])
    """

    state_key = "perc_transforms.EpochCallback"
    _legacy_state_key = state_key  # Lightning asks for both, when it loads a checkpoint

    def __init__(self, *targets: HasEpoch) -> None:
        if not targets:
            msg = "EpochCallback: nothing to tell the epoch to: expected transforms that draw, a Compose or a stream"
            raise TransformError(msg)
        for target in targets:
            if not callable(getattr(target, "set_epoch", None)):
                msg = f"EpochCallback: {type(target).__name__} has no set_epoch: expected a transform that draws, "
                msg += "a Compose or a stream"
                raise TransformError(msg)
        self.targets = targets

    def set_epoch(self, epoch: int) -> None:
        """Tell all."""
        number = whole_epoch(epoch)
        for target in self.targets:
            target.set_epoch(number)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Transformers': `state.epoch` is the share of the training that is done, in epochs."""
        self.set_epoch(int((state.epoch or 0) + 0.001))

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's, of which a run that goes on within an epoch calls only this one."""
        self.set_epoch(int(trainer.current_epoch))

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's."""
        self.set_epoch(int(trainer.current_epoch))

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Nothing to do at all the other events."""
        if name.startswith("on_") or name in ("setup", "teardown", "state_dict", "load_state_dict"):
            return _nothing
        msg = f"{type(self).__name__!r} object has no attribute {name!r}"
        raise AttributeError(msg)


def _nothing(*args: Any, **kwargs: Any) -> None:
    """At an event that tells no epoch."""
