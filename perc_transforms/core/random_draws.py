"""The base of transforms that draw: from the seed, the epoch and the row, and from nothing else."""

import hashlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perc_transforms.core.base import Transform
from perc_transforms.core.batch import Batch, Rows
from perc_transforms.core.epochs import Epoch, whole_epoch
from perc_transforms.core.sizing import is_whole
from perc_transforms.errors import TransformError

logger = logging.getLogger(__name__)


@dataclass(repr=False)
class RandomTransform(Transform):
    """A transform that draws its parameters for each row: `draw` says which, `apply_drawn` does what they say.

    What is drawn depends on the seed, the epoch and the row alone: on its `path` and `index` (of tiles, on their
    `origin`, too), else on its `id`, else on its pixels. So a row gets the same in every run, whoever reads it and in
    whatever order: one process or four workers. The leading axes of a bare tensor are images of their own, and each
    gets its own; in a row (a movie) and in a list, an image gets one. Two transforms of one class in a `Compose` draw
    differently.

    Args:
        seed: another one, other draws. Default: 0.
        record: True: write what was drawn into the column `transforms`, a list of one dict a transform, for `replay`.
        spatial_dims: see `Transform`.
    """

    seed: int = field(default=0, kw_only=True)
    record: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_whole(self.seed):
            msg = f"{type(self).__name__}: seed is {self.seed!r}: expected an integer"
            raise TransformError(msg)
        self._epoch: Epoch = Epoch()

    def set_epoch(self, epoch: int) -> None:
        """Draw anew: call it before each epoch, with its number.

        Workers of a DataLoader see it too, also those that persist, and so do the copies that `datasets` made. A
        trainer calls it by way of `EpochCallback`. Where nobody does, a second pass over the same rows is warned of.

        Args:
            epoch: from 0, which it is before the first call.

        Raises:
            EpochError: it is no whole number, or negative.
        """
        self._epoch.set(whole_epoch(epoch))

    def draw(self, rng: np.random.Generator, rows: Rows, place: int) -> dict[str, Any]:
        """Draw the parameters of one row: numbers, texts and lists of them, for `apply_drawn`."""
        raise NotImplementedError

    def apply_drawn(self, rows: Rows, params: Sequence[dict[str, Any]]) -> Rows:
        """Transform rows of one shape, each with its parameters."""
        raise NotImplementedError

    def transform(self, batch: Batch) -> None:
        """Draw for each row, or take what was recorded, and apply: shape by shape."""
        name = type(self).__name__
        turn = batch.turn(name)
        recorded = batch.recorded(name, turn)
        drawn: list[Any] = [None] * len(batch)
        results = []
        for places, rows in self.groups(batch):
            apart, leading = _images_apart(rows) if batch.form == "tensor" else (rows, ())
            if recorded is not None:
                params = [recorded[place] for place in places] * math.prod(leading)
            else:
                keys = batch.keys(math.prod(leading))
                keys = keys if leading else [keys[place] for place in places]
                self._notice(batch, keys, turn)
                generators = [self._generator(key, turn) for key in keys]
                params = [_single(self.draw(rng, apart, place)) for place, rng in enumerate(generators)]
            result = self.apply_drawn(apart, params)
            if leading:
                images = result.images.reshape(1, *leading, *result.images.shape[1:])
                result = replace(result, images=images, columns={})
            for place, values in zip(places, params, strict=False):
                drawn[place] = values
            results.append((places, result))
        batch.replace(results)
        if self.record or batch.recording:
            batch.record(name, drawn)

    def _notice(self, batch: Batch, keys: Sequence[bytes], turn: int) -> None:
        """Say once that a second pass is made without an epoch; those in one `Compose` notice it at the same batch."""
        if turn == 0 and self._epoch.comes_again(keys) and not batch.told:
            batch.told = True
            logger.warning(
                "%s: the same rows come a second time, and no epoch was ever set, so the same is drawn for them. Call "
                "set_epoch(epoch) of the transform, or of the Compose it is in, before each epoch; a trainer does with "
                "callbacks=[perc_transforms.EpochCallback(transform)]",
                type(self).__name__,
            )

    def _generator(self, key: bytes, turn: int) -> np.random.Generator:
        """A generator of numbers for one row, this transform's turn, and the epoch."""
        text = repr((int(self.seed), self._epoch.get(), type(self).__name__, turn)).encode() + key
        digest = hashlib.blake2b(text, digest_size=16).digest()
        return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def noise(seeds: Sequence[int], like: Tensor) -> Tensor:
    """Gaussian noise of variance 1 in the shape of `like`, `(rows, ...)`, each row from its own seed.

    It is made on the CPU and in single precision, so that every device and precision gets the same.

    Example:
        >>> noise([1, 1], torch.zeros(2, 3)).unique(dim=0).shape
        torch.Size([1, 3])
    """
    made = torch.empty(like.shape, dtype=torch.float32)
    for row, seed in zip(made, seeds, strict=True):
        torch.randn(row.shape, generator=torch.Generator().manual_seed(seed), out=row)
    return made.to(like)


def draw_seed(rng: np.random.Generator) -> int:
    """A seed for `noise`: a parameter that can be recorded, where the noise itself is too much."""
    return int(rng.integers(2**62))


def _single(value: Any) -> Any:
    """A parameter in single precision, in which the formats of `datasets` give it back: a replay has the same one.

    Example:
        >>> _single({"seed": 3, "shift": [0.5, 0.1]})
        {'seed': 3, 'shift': [0.5, 0.10000000149011612]}
    """
    if isinstance(value, dict):
        return {name: _single(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_single(inner) for inner in value]
    return float(np.float32(value)) if isinstance(value, float) else value


def _images_apart(rows: Rows) -> tuple[Rows, tuple[int, ...]]:
    """A bare tensor's images as rows of their own, and the leading axes that they came from, if there are any."""
    leading = tuple(rows.images.shape[1 : -rows.spatial_dims])
    if not leading:
        return rows, ()
    images = rows.images.flatten(0, -rows.spatial_dims - 1)
    return replace(rows, images=images, columns={name: [None] * len(images) for name in rows.columns}), leading
