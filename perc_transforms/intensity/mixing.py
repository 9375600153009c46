"""Transforms that mix the images of a batch."""

import logging
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from perc_transforms.core.batch import Batch, Groups, Rows
from perc_transforms.core.forms import LABEL
from perc_transforms.core.random_draws import RandomTransform
from perc_transforms.core.sizing import is_number, is_whole
from perc_transforms.errors import TransformError

logger = logging.getLogger(__name__)
_warned = False


@dataclass(repr=False)
class Mixup(RandomTransform):
    """Mix each image of a batch with another one of it, and their labels likewise.

    Row i becomes `lam * x_i + (1 - lam) * x_j`: `lam` is drawn from Beta(alpha, alpha), the partner j uniformly among
    all rows of the batch (i, too, which changes nothing), both for each row. Its label becomes the same mixture of
    the two, as a soft target: one weight for each class, which sum to 1; the cross entropies of torch take it. All
    other columns stay the row's own, but for `target` and masks of floats, as of `PickMap(channels=True)`, which are
    mixed as the image is; masks of whole numbers cannot be. (Zhang et al. 2018, who draw one `lam` for a batch, as does
    copick-torch's `MixupAugmentation`.) A single image or row, and a batch of one, keep their image.

    What a row gets depends on its batch: a run is repeated with batches of the same rows in the same order. A bare
    tensor with leading axes is a batch. Recorded: `lam`, and `partner`, its place in the batch; so a replay needs the
    whole batch.

    The `label` column may hold integers, as `ClassLabel` does, or soft targets, of an earlier mixing. Soft targets are
    tensors (arrays where the labels were arrays). In `Dataset.with_transform` under a DataLoader the batch is that of
    the loader; in `map(batched=True)` it is that of `map`, and the feature `label`, which can be a `ClassLabel` no
    longer, becomes a list of float32.

    Args:
        alpha: how much is mixed: from 0 (nothing: `lam` is 1) over 1 (`lam` is uniform) to more of the half and half.
            Default: 0.2.
        num_classes: how many weights a soft target has. Default: the largest label of the batch, and one more, which
            may be another number in the next batch; a warning says so, once.
        seed: see `RandomTransform`.
        record: see `RandomTransform`.

    Raises:
        TransformError: an option is none of these, the images do not have one shape, there is a mask of whole numbers,
            a label is null, negative, no class, or not among `num_classes`, or there is a replay without the batch.

    Example:
        >>> batch = {"image": torch.rand(2, 8, 8), "label": torch.tensor([0, 2]), "path": ["a", "b"]}
        >>> mixed = Mixup(0.4, num_classes=3)(batch)
        >>> mixed["image"].shape, mixed["label"].shape, mixed["label"].sum(1)
        (torch.Size([2, 8, 8]), torch.Size([2, 3]), tensor([1., 1.]))
    """

    columns: ClassVar[tuple[str, ...]] = (LABEL,)

    alpha: float = 0.2
    num_classes: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_number(self.alpha) or self.alpha < 0:
            msg = f"Mixup: alpha is {self.alpha!r}: expected a number from 0"
            raise TransformError(msg)
        count = self.num_classes
        if count is not None and not (is_whole(count) and count > 0):
            msg = f"Mixup: num_classes is {count!r}: expected a whole number above 0, or None"
            raise TransformError(msg)

    def groups(self, batch: Batch) -> Groups:
        """The batch as a whole: rows of one shape."""
        groups = super().groups(batch)
        if len(groups) > 1:
            kinds = sorted({f"{tuple(rows.images.shape[1:])} {rows.images.dtype}" for _, rows in groups})
            msg = (
                f"Mixup: images of {', '.join(kinds)}: expected one shape and type in a batch: bring them there first "
            )
            msg += "with Rescale, CenterCrop or Pad, or make several batches"
            raise TransformError(msg)
        if (
            batch.form in ("row", "batch")
            and LABEL in batch.source
            and any(label is None for label in batch.column(LABEL))
        ):
            msg = f"Mixup: a label of the batch is null: {batch.column(LABEL)}: expected a class for every row: "
            msg += "filter the others out first"
            raise TransformError(msg)
        return groups

    def draw(self, rng: np.random.Generator, rows: Rows, place: int) -> dict[str, Any]:
        """Draw the weight of one row and its partner."""
        lam = float(rng.beta(self.alpha, self.alpha)) if self.alpha > 0 else 1.0
        return {"lam": lam, "partner": int(rng.integers(len(rows.images)))}

    def apply_drawn(self, rows: Rows, params: Sequence[dict[str, Any]]) -> Rows:
        """Mix images and labels."""
        partners = [int(drawn["partner"]) for drawn in params]
        if max(partners) >= len(rows.images):
            msg = (
                f"Mixup: a partner at place {max(partners)} in a batch of {len(rows.images)}: expected the batch that "
            )
            msg += "was recorded, whole"
            raise TransformError(msg)
        lam = torch.tensor([float(drawn["lam"]) for drawn in params], dtype=torch.float64)
        images = _mixed(rows.images, partners, lam)
        labels = rows.columns[LABEL]
        beside = {name: self._beside(name, of, partners, lam) for name, of in rows.beside.items()}
        rows = replace(rows, images=images, beside=beside)
        if labels[0] is None:
            return rows
        soft = _mixed(self._soft(labels), partners, lam)
        mixed = [_like(old, new) for old, new in zip(labels, soft, strict=True)]
        return replace(rows, columns={**rows.columns, LABEL: mixed})

    def _beside(self, name: str, of: Tensor, partners: Sequence[int], lam: Tensor) -> Tensor:
        """Targets and heat maps, mixed as their images are."""
        if of.is_floating_point():
            return _mixed(of, partners, lam)
        msg = f"Mixup: the mask {name!r} ({of.dtype}): expected none, for a mixture of two images has no mask of whole "
        msg += "numbers: make it one channel a class, of floats, or leave the column out"
        raise TransformError(msg)

    def _soft(self, labels: Sequence[Any]) -> Tensor:
        """Labels as soft targets, `(rows, classes)`."""
        if all(isinstance(label, numbers.Integral) for label in labels):
            count = self.num_classes or self._count(labels)
            if not 0 <= min(labels) <= max(labels) < count:
                msg = f"Mixup: labels {sorted(set(labels))}: expected classes from 0 to {count - 1} (num_classes is "
                msg += f"{self.num_classes}); -1 stands for an unknown class: filter these rows out first"
                raise TransformError(msg)
            return torch.nn.functional.one_hot(torch.tensor(labels), count).double()
        try:
            soft = torch.stack([torch.as_tensor(label, dtype=torch.float64, device="cpu") for label in labels])
        except (TypeError, ValueError, RuntimeError):
            soft = torch.empty(0)
        if soft.ndim != 2 or self.num_classes not in (None, soft.shape[1]):
            msg = f"Mixup: labels {list(labels)}: expected integers, or a list of {self.num_classes or 'as many'} "
            msg += "weights for each row"
            raise TransformError(msg)
        return soft

    def _count(self, labels: Sequence[int]) -> int:
        """How many classes a batch shows."""
        global _warned
        count = max(0, *labels) + 1
        if not _warned:
            _warned = True
            logger.warning(
                "Mixup: num_classes is not given: %d by the labels of this batch; others may show others. Give it.",
                count,
            )
        return count


def _like(label: Any, soft: Tensor) -> Any:
    """A soft target in the kind that the label had, or as a tensor: torch's default collate turns lists about."""
    if isinstance(label, np.ndarray):
        return soft.numpy().astype(label.dtype)
    return soft.to(label) if isinstance(label, Tensor) else soft.float()


def _mixed(x: Tensor, partners: Sequence[int], lam: Tensor) -> Tensor:
    """`lam * x + (1 - lam) * x[partners]`, exactly `x` where a row is its own partner, or takes nothing of another."""
    pairs = zip(partners, lam.tolist(), strict=True)
    taken = [place if own == 1 else partner for place, (partner, own) in enumerate(pairs)]
    weights = lam.to(x).reshape(-1, *[1] * (x.ndim - 1))
    return torch.lerp(x[torch.tensor(taken, device=x.device)], x, weights)
