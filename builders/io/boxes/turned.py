"""Cubes of a volume cut upright: what lies turned in a tomogram, as it would stand if it were not.

A reference spells it as that of the volume with the cube behind a `^`, as JSON, such as
`"<f4^{"at":[40.25,31.0,12.5],"turn":[1.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,1.0],"side":48}"`.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.boxes.overhang import FilledBox, box_of
from builders.io.layout import Array, Fetch, Layout, Range

_DIGITS = 6
"""Of a place, behind the point: a millionth of a voxel."""
_TURN_DIGITS = 9
"""Of an entry of a rotation: a volume of 2^14 voxels is turned to a hundred thousandth of a voxel by it."""
_MOST_PLACE = 2.0**31
_MOST_SIDE = 2**12
_SKEW = 1e-3
"""How far from a rotation a matrix may be that was written with few digits."""
_NUMBER = r"-?[0-9]{1,10}(?:\.[0-9]{1,17})?(?:e-?[0-9]{1,3})?"
_SPELLED = re.compile(
    r"(?P<volume>.*)\^(?P<cube>\{"
    rf'"at":\[{_NUMBER}(?:,{_NUMBER}){{2}}\],"turn":\[{_NUMBER}(?:,{_NUMBER}){{8}}\],"side":[0-9]{{1,5}}'
    r'(?:,"nearest":true)?\})',
    re.DOTALL,
)

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Turned(Layout):
    """A cube of a volume, cut upright with one interpolation; `turned` makes it.

    Attributes:
        shape: `(side, side, side)`.
        encoding: float32, or float64 of such a volume; of `nearest`, that of the volume's pixels.
        offset: that of the volume.
        axes: None.
        volume: `(nz, ny, nx)`, in any layout.
        source: the box of it that holds every voxel which the cube is made of.
        bounds: from and to of that box along each axis of the volume.
        centre: voxel (x, y, z) of the volume that comes to lie at pixel `side // 2` of each axis.
        turn: what takes vectors (x, y, z) of the cube into the volume, row by row.
        nearest: whether each voxel is the nearest one of the volume, or 0 where there is none: for masks.
    """

    volume: Layout = field(default_factory=lambda: Layout((), "|u1", 0))
    source: Layout = field(default_factory=lambda: Layout((), "|u1", 0))
    bounds: tuple[Range, ...] = ()
    centre: Vector = (0.0, 0.0, 0.0)
    turn: tuple[float, ...] = ()
    nearest: bool = False

    @property
    def rotation(self) -> NDArray[np.float64]:
        """The matrix `(3, 3)`, cube -> volume."""
        return np.array(self.turn).reshape(3, 3)

    @property
    def ranges(self) -> tuple[Range, ...]:
        """Those of the box that it is made of."""
        return self.source.ranges

    @property
    def nbytes(self) -> int:
        """Bytes that have to be read."""
        return self.source.nbytes

    @property
    def end(self) -> int:
        """The byte after the last one that is needed."""
        return self.source.end

    @property
    def is_plain(self) -> bool:
        """False."""
        return False

    @property
    def comes_in_steps(self) -> bool:
        """True: what is read is not what a row has, and is made into it where it is read."""
        return True

    @property
    def told(self) -> dict[str, Any]:
        """How it is cut, as a reference has it."""
        said = {"at": list(self.centre), "turn": list(self.turn), "side": self.shape[0]}
        return said | ({"nearest": True} if self.nearest else {})

    @property
    def spelling(self) -> str:
        """What stands behind that of the volume."""
        return f"^{json.dumps(self.told, separators=(',', ':'))}"

    def slice(self, index: int, name: str) -> Layout:
        """None: sections of a cube that is turned are no images of the file.

        Raises:
            FormatError: always.
        """
        msg = f"{name}: slice {index} of a cube that is cut upright: expected the cube"
        raise FormatError(msg)

    def between(self, start: int, stop: int, name: str) -> Layout:
        """None, as of slices.

        Raises:
            FormatError: always.
        """
        msg = f"{name}: entries {start} to {stop} of a cube that is cut upright: expected the cube"
        raise FormatError(msg)

    def box(self, bounds: Sequence[Range], name: str = "image") -> Layout:
        """None, as of slices.

        Raises:
            FormatError: always.
        """
        msg = f"{name}: a box of a cube that is cut upright: expected the cube"
        raise FormatError(msg)

    def squeezed(self) -> Layout:
        """The cube itself: one of a single voxel has three axes, too."""
        return self

    def ranges_of(self, bounds: Sequence[Range]) -> tuple[Range, ...]:
        """All, whatever the box."""
        return self.ranges

    def decode_box(self, raw: NDArray[np.uint8], bounds: Sequence[Range]) -> Array:
        """A part of the cube, out of the bytes of all."""
        return self.decode(raw)[tuple(slice(*side) for side in bounds)]

    def decode(self, raw: NDArray[np.uint8]) -> Array:
        """The cube, out of the bytes of the box that it is made of."""
        return self.cut(self.source.decode(raw))

    def develop(self, fetch: Fetch) -> Array:
        """The cube, out of a volume that may come in steps itself."""
        return self.cut(self.source.develop(fetch))

    @property
    def inside(self) -> list[Range]:
        """The part of the volume that it is made of: from and to along each axis."""
        return _clipped(self.bounds, self.volume.shape)

    def cut_inside(self, part: Array) -> Array:
        """The cube out of the pixels of the volume that are `inside`."""
        return self.cut(self.source.filled(part) if isinstance(self.source, FilledBox) else part)

    def cut(self, pixels: Array) -> Array:
        """The cube out of the pixels of its `source`."""
        if self.nearest:
            return self._nearest(pixels)
        corner, side = np.array([start for start, _ in self.bounds[::-1]]), self.shape[0]
        at = np.array(self.centre) - corner
        if self.turn == _UPRIGHT and (at == side // 2).all():
            return np.ascontiguousarray(pixels, self.dtype)
        import torch

        from perc_transforms.functional.spatial.turned_boxes import rotate_volume

        volume = torch.from_numpy(np.require(pixels, self.dtype, ["C", "W"]))
        matrix, centre = torch.from_numpy(self.rotation.T.copy()), torch.from_numpy(at)
        return cast(Array, rotate_volume(volume[None], matrix[None], self.shape, centers=centre[None])[0].numpy())

    def _nearest(self, pixels: Array) -> Array:
        side = self.shape[0]
        places = np.arange(side) - side // 2.0
        inside: Any = np.ones((side, side, side), bool)
        found, boxes = [], _clipped(self.bounds, self.volume.shape)
        for row, at, (start, stop) in zip(self.rotation[::-1], self.centre[::-1], boxes, strict=True):
            x, y, z = (places * weight for weight in row)
            nearest = np.floor(at + z[:, None, None] + y[:, None] + x + 0.5).astype(np.int64) - start
            inside &= (nearest >= 0) & (nearest < stop - start)
            found.append(nearest.clip(0, stop - start - 1))
        return cast(Array, np.where(inside, pixels[tuple(found)], np.zeros(1, pixels.dtype)))


_UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def turned(
    volume: Layout,
    centre: Sequence[float] | NDArray[Any],
    rotation: Sequence[Sequence[float]] | NDArray[Any],
    side: int,
    *,
    nearest: bool = False,
    name: str = "volume",
) -> Turned:
    """The layout of a cube of a volume, turned upright about its centre.

    Voxel q of the cube, counted (x, y, z) from pixel `side // 2`, is the volume at `centre + rotation @ q`, by linear
    interpolation between the eight voxels around it. So what was put into the volume with `rotation` (object ->
    tomogram) at `centre` comes out as it was, with its origin at pixel `side // 2`. A cube in whole voxels that is not
    turned is the plain one, bit for bit.

    The reference that `image_reference.told` makes of it is read as any other: alone, in batches, by streams (as what
    is made, one cube a read), on this machine or a server. Give the pick's own place, not the rounded one: the pick
    then lies at pixel `side // 2` exactly. To drop cubes at the edges, compare `enclosing` with the volume's shape
    first. A mask of the same cube is cut with `nearest=True`.

    Args:
        volume: `(nz, ny, nx)`, in any layout: plain, packed, in chunks, a box of one.
        centre: (x, y, z), voxels of the volume from 0, with their fraction (kept to a millionth).
        rotation: `(3, 3)`, acting on (x, y, z) columns.
        side: voxels of the cube along each axis.
        nearest: takes the nearest voxel instead, 0 where the volume has none: for masks, whose type it keeps.
        name: of the file, for errors.

    Returns:
        A layout of `(side, side, side)`. What of it lies outside of the volume is filled with the mean of the
        background of the box around it, as `box_of` does.

    Raises:
        FormatError: the volume has not three axes or is complex, the cube has no voxel of it, or the matrix is no
            rotation.

    Example:
        >>> volume = Layout((30, 40, 50), "<f4", 1024)
        >>> turned(volume, (20.5, 20, 15), [[0, -1, 0], [1, 0, 0], [0, 0, 1]], 8).bounds
        ((11, 19), (16, 24), (17, 26))
    """
    if len(volume.shape) != 3 or volume.dtype.kind == "c":
        msg = (
            f"{name}: a cube of {volume.dtype} of shape {volume.shape}: expected a volume (nz, ny, nx) of real numbers"
        )
        raise FormatError(msg)
    if not 0 < side <= _MOST_SIDE:
        msg = f"{name}: a cube of {side} voxels a side: expected 1 to {_MOST_SIDE}"
        raise FormatError(msg)
    at, turn = _place(centre, name), _rotation(rotation, name)
    bounds = tuple((int(start), int(stop)) for start, stop in enclosing(at, turn, side))
    box = box_of(volume, bounds, name)
    kind = np.dtype(np.float64 if volume.dtype == np.float64 else np.float32).str
    if nearest:
        box, kind = volume.box(_clipped(bounds, volume.shape), name), volume.dtype.str
    place = cast(Vector, tuple(at.tolist()))
    matrix = tuple(turn.reshape(-1).tolist())
    return Turned((side,) * 3, kind, volume.offset, None, volume, box, bounds, place, matrix, nearest)


def enclosing(centres: NDArray[Any], rotations: NDArray[Any], side: int) -> NDArray[np.int64]:
    """The boxes of a volume that turned cubes are made of; see `turned`.

    Args:
        centres: `(..., 3)`, (x, y, z) voxels.
        rotations: `(..., 3, 3)`, cube -> volume.
        side: voxels of the cubes along each axis.

    Returns:
        `(..., 3, 2)`: from and to along z, y and x, counted in the volume, whose edges they may cross.

    Example:
        >>> enclosing(np.array([4.5, 6, 7]), np.eye(3), 4).tolist()
        [[5, 9], [4, 8], [2, 7]]
    """
    below, above = -(side // 2), side - 1 - side // 2
    matrices = np.asarray(rotations, np.float64)
    ends = matrices * below, matrices * above
    least = np.asarray(centres, np.float64) + np.minimum(*ends).sum(-1)
    most = np.asarray(centres, np.float64) + np.maximum(*ends).sum(-1)
    edges = np.stack([np.floor(least), np.ceil(most) + 1], -1)
    return edges[..., ::-1, :].astype(np.int64)


def turned_of(text: str) -> tuple[str, str] | None:
    """The two parts of what a reference spells, that of the volume and that of a cube; None where it is of no cube.

    Example:
        >>> turned_of("<f4") is None
        True
    """
    if not text.endswith("}") or "^" not in text:
        return None
    found = _SPELLED.fullmatch(text)
    return None if found is None else (found["volume"], found["cube"])


def cube_of(volume: Layout, text: str, name: str) -> Turned:
    """The cube of a volume that a reference spells, of which nothing is believed: anyone may have written it.

    Args:
        volume: what it is cut from.
        text: what stands behind the `^`.
        name: of the file, for errors.

    Raises:
        FormatError: it cannot be.
    """
    try:
        told = json.loads(text)
    except ValueError as err:
        msg = f"{name}: a reference to a cube {text[:200]!r}: expected numbers of JSON: {err}"
        raise FormatError(msg) from err
    matrix = np.array(told["turn"], np.float64).reshape(3, 3)
    return turned(volume, told["at"], matrix, told["side"], nearest=told.get("nearest", False), name=name)


def _clipped(bounds: Sequence[Range], shape: Sequence[int]) -> list[Range]:
    return [(max(start, 0), min(stop, n)) for (start, stop), n in zip(bounds, shape, strict=True)]


def _place(centre: Any, name: str) -> NDArray[np.float64]:
    at = np.asarray(centre, np.float64)
    if at.shape != (3,) or not (np.abs(at) < _MOST_PLACE).all():
        msg = f"{name}: a cube at {at.tolist()!r:.100}: expected voxels (x, y, z)"
        raise FormatError(msg)
    return at.round(_DIGITS) + 0.0


def _rotation(rotation: Any, name: str) -> NDArray[np.float64]:
    turn = np.asarray(rotation, np.float64)
    is_one = turn.shape == (3, 3) and bool(np.isfinite(turn).all())
    if not is_one or np.abs(turn @ turn.T - np.eye(3)).max() > _SKEW or np.linalg.det(turn) < 0:
        msg = f"{name}: a cube turned by {turn.tolist()!r:.200}: expected a rotation (3, 3)"
        raise FormatError(msg)
    return turn.round(_TURN_DIGITS) + 0.0
