"""Images stacked into a batch, and changed in one, without asking the kernel for fresh memory each time."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from perc_transforms.core import buffers

_PART = 2 * 1024 * 1024
"""Bytes of images that are changed at once by a thread, about: what is made on the way stays in its cache."""


def alike(images: Sequence[Tensor]) -> bool:
    """Whether images can be stacked: one shape, one dtype, one device."""
    first = images[0]
    return all(i.shape == first.shape and i.dtype == first.dtype and i.device == first.device for i in images)


def stack(images: Sequence[Tensor]) -> Tensor:
    """`torch.stack`, into memory from stock where the images are large and plain.

    Example:
        >>> stack([torch.zeros(2, 3), torch.ones(2, 3)]).shape
        torch.Size([2, 2, 3])
    """
    first = images[0]
    plain = first.dtype == torch.float32 and first.device.type == "cpu" and not any(i.requires_grad for i in images)
    if not plain or first.nbytes * len(images) < buffers.SMALLEST:
        return torch.stack(list(images))
    return torch.stack(list(images), out=_memory((len(images), *first.shape)))


def by_parts(change: Callable[..., Tensor], *images: Tensor, axes: int) -> Tensor:
    """What becomes of images that are changed each by itself: a few at a time where they are many, large and plain.

    A change of several steps takes several times the memory of the images that it is given, and those of a batch would
    be fresh memory every time.

    Args:
        change: gives images of the shape and type of the first ones that it gets; in `out=`, where it is given that.
        images: arguments of it, of the same leading axes.
        axes: how many axes an image has, the last ones.

    Example:
        >>> by_parts(torch.add, torch.ones(2, 3), torch.ones(2, 3), axes=1)
        tensor([[2., 2., 2.],
                [2., 2., 2.]])
    """
    first = images[0]
    if not all(map(is_plain, images)) or first.nbytes <= max(_PART, buffers.SMALLEST):
        return change(*images)
    stacks = [each.reshape(-1, *each.shape[each.ndim - axes :]) for each in images]
    out = _memory(tuple(stacks[0].shape))
    step = max(1, _PART * torch.get_num_threads() // out[:1].nbytes)
    for start in range(0, len(out), step):
        change(*(stack[start : start + step] for stack in stacks), out=out[start : start + step])
    return out.reshape(first.shape)


def is_plain(x: Tensor) -> bool:
    """Whether a tensor is single precision in this machine's memory that nobody follows or compiles.

    What is made of it may lie in other memory than what torch takes, and its values may be looked at on the way.
    """
    if (
        torch.compiler.is_compiling()
        or x.dtype != torch.float32
        or x.device.type != "cpu"
        or x.requires_grad
        or not x.is_contiguous()
    ):
        return False
    try:
        return type(x) is Tensor and x.data_ptr() != 0
    except RuntimeError:  # it has no memory: it stands for one in a graph, or in what torch.func makes of a function
        return False


def _memory(shape: tuple[int, ...]) -> Tensor:
    """A tensor with anything in it, from stock."""
    memory = buffers.take(math.prod(shape) * 4).view(np.float32).view(np.ndarray)
    return torch.from_numpy(memory.reshape(shape))
