"""The remote images of a batch: all are on their way before the first is waited for."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import ChangedError
from builders.hf.image_storage import Fetched, layout_in, outdated
from builders.io.files import location
from builders.io.formats.compression import is_packed
from builders.io.layout import Array, InterleavedSlice, Layout
from builders.io.net import remote, stretches
from builders.io.pixels import read_layout


def begin(values: Sequence[Any], reads: remote.Reads) -> list[Any]:
    """Begin to read the remote ones of a batch's stored values, where there are several.

    Args:
        values: as an EMImage stores them.
        reads: what the reads belong to.

    Returns:
        The values, in their order, those that were begun as `Fetched`.
    """
    begun = list(values)
    layouts = {place: layout for place, value in enumerate(values) if (layout := _layout(value)) is not None}
    if len(layouts) < 2:
        return begun
    wanted: list[stretches.Wanted] = []
    for place, layout in layouts.items():
        value = values[place]
        if layout.comes_in_steps:
            made = reads.submit(read_layout, value["path"], layout, value.get("etag"), pool="developed")
            begun[place] = _held(value, made.result)
        elif len(layout.ranges) == 1:
            wanted.append((value["path"], value.get("etag") or "", *layout.ranges[0], place))
        else:
            future = reads.submit(location.read_ranges, value["path"], layout.ranges, value.get("etag"))
            begun[place] = _fetched(value, layout, future)
    for run, future in stretches.fetch(wanted, reads):
        for _, _, start, _, place in run:
            begun[place] = _fetched(values[place], layouts[place], future, start - run[0][2], len(run) > 1)
    return begun


def gather(groups: Iterable[stretches.Group], out: NDArray[np.uint8], floats: np.dtype[Any] | None = None) -> bool:
    """Read remote images of one layout, each into a row of `out`; see `stretches.gather`.

    Raises:
        ChangedError: a file is not the one that the dataset was made of.
        PercError: as `stretches.gather`.
    """
    try:
        return stretches.gather(groups, out, floats)
    except ChangedError as err:
        raise outdated(err) from err


def _layout(value: Any) -> Layout | None:
    """Where the pixels of a remote value lie, if it says so."""
    if not isinstance(value, dict) or isinstance(value, Fetched) or value.get("bytes") is not None:
        return None
    path = value.get("path")
    if path is None or not location.is_remote(path) or is_packed(path):
        return None
    layout = layout_in(value, path)
    if isinstance(layout, InterleavedSlice) or (layout is not None and not layout.ranges and not layout.comes_in_steps):
        return None  # one at a time: each is all of its file; or there is nothing to read
    return layout


def _fetched(
    value: dict[str, Any], layout: Layout, future: "Future[NDArray[np.uint8]]", start: int = 0, shared: bool = False
) -> Fetched:
    def pixels() -> Array:
        raw = future.result()[start : start + layout.nbytes]
        return layout.decode(raw.copy() if shared else raw)

    return _held(value, pixels)


def _held(value: dict[str, Any], pixels: Callable[[], Array]) -> Fetched:
    fetched = Fetched(value)
    fetched.held, fetched.finite = pixels, False
    return fetched
