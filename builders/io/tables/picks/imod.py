"""Models of IMOD: points of contours of objects, in a binary file of chunks, read no further than it goes."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, TruncatedError
from builders.io.tables.opening import HEAD, refuse_others
from builders.io.tables.picks.checking import XYZ, check_finite, check_names, shown
from builders.io.tables.picks.picks import Picks

ID = b"IMODV1.2"
_EXPECTED = "a model of IMOD"
# Of the model, behind its id: name, maxima of x, y, z, number of objects, flags, and 21 more numbers of 4 bytes.
_MODEL = struct.Struct(">128s3iiI84x")
_OBJECT = struct.Struct(">64s64xi44x")  # name, extras, number of contours, and 44 bytes of how it is drawn
_CONTOUR = struct.Struct(">i12x")  # number of points, flags, time, surface
_MESH = struct.Struct(">ii8x")  # numbers of vertices and of indices, flags, time, surface
_SIZE = struct.Struct(">i")
_MINX = struct.Struct(">18f")  # scale, translation, rotation: the old ones, then the current ones
_POINT, _INDEX, _WORD = 12, 4, 4
_MAX_OBJECTS = 100_000
_HAS_ORIGIN, _Y_IS_Z, _IS_TURNED = 1 << 14, 1 << 16, 1 << 17
_CENTRE = (0.5, 0.5, 0.0)
"""Of voxel 0: x and y count from its corner, z from its middle."""


def read(data: bytes, name: str, pixel_size: float | None = None, label: str | None = None) -> Picks:
    """Read a model of IMOD (`.mod`, binary).

    Every point of every contour is a pick; meshes and what else a model holds are passed over. Coordinates are voxels
    of the image that the model was last shown on: x and y from the corner of voxel 0, whose centre is at 0.5, z from
    its centre (IMOD's binspec.html, "Model Coordinate Conventions": 0 to NX, 0 to NY, -0.5 to NZ - 0.5). Where that was
    a part of an image, what `MINX` tells of its origin is added: (otrans - ctrans) / cscale. A model shown with Y and Z
    exchanged, or turned about X, is turned back (`imodFlipYZ`, `imodRot90X`). `MINX` tells the voxels' size, too; of 1
    Å, which images without a size have, nothing is believed.

    Labels are the names of objects; those that have none, among others, are called `object 1`, `object 2`, ...

    Args:
        data: the file's bytes.
        name: of the file, for errors.
        pixel_size: Å, of its voxels, in place of the model's own.
        label: of its points, where no object has a name.

    Raises:
        FormatError: it is something else, or damaged: with the byte.
        TruncatedError: it ends too early.
    """
    if not data.startswith(ID[:4]):
        refuse_others(data[:HEAD], name, _EXPECTED)
    if not data.startswith(ID):
        begins = shown(data[: len(ID)].decode("latin-1"))
        msg = f"{name}: begins with {begins}: expected {_EXPECTED}, which begins with {ID.decode()!r}"
        raise FormatError(msg)
    model = _Model(data, name)
    model.read()
    points = model.points()
    return Picks(
        name=name,
        points=points,
        unit="voxel",
        labels=model.labels(label),
        pixel_size=model.pixel_size() if pixel_size is None else pixel_size,
    )


@dataclass(slots=True)
class _Object:
    name: str
    contours: int
    points: list[NDArray[np.float32]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    """Bytes at which the points of each contour begin."""


class _Model:
    """A model while it is read: `at` is the byte that comes next."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data, self._name, self._at = data, name, len(ID)
        _, _, _, self._zmax, self._count, self._flags = self._unpack(_MODEL, "the model's header")
        if not 0 <= self._count <= _MAX_OBJECTS:
            raise self._error(self._at, f"{self._count} objects: expected 0 to {_MAX_OBJECTS}")
        self._objects: list[_Object] = []
        self._minx: tuple[float, ...] | None = None

    def read(self) -> None:
        """Go through all chunks.

        Raises:
            FormatError: one is none, or counts are not those that were told.
        """
        while (word := self._word()) != b"IEOF":
            if word == b"OBJT":
                self._object()
            elif word == b"CONT":
                self._contour()
            elif word == b"MESH":
                vertices, indices = self._unpack(_MESH, "a mesh")
                self._skip(self._bytes(vertices, _POINT, "vertices"), "a mesh")
                self._skip(self._bytes(indices, _INDEX, "indices"), "a mesh")
            else:
                self._chunk(word)
        if len(self._objects) != self._count:
            raise self._error(self._at, f"{len(self._objects)} objects: expected {self._count}, as the header tells")
        for number, found in enumerate(self._objects, 1):
            if len(found.points) != found.contours:
                said = f"object {number} has {len(found.points)} contours: expected {found.contours}, as it tells"
                raise self._error(self._at, said)

    def points(self) -> NDArray[np.float64]:
        """`(n, 3)`, voxels from the centre of voxel 0 of the whole image."""
        parts = list(chain.from_iterable(found.points for found in self._objects))
        points = np.concatenate([np.zeros((0, 3), np.float32), *parts]).astype(np.float64)
        check_finite(points, XYZ, self._where)
        if self._flags & _IS_TURNED:
            points[:, 1:] = np.stack([self._zmax - 0.5 - points[:, 2], points[:, 1] - 0.5], axis=1)
        elif self._flags & _Y_IS_Z:
            points = points[:, [0, 2, 1]]
        return points - _CENTRE + self._origin()

    def labels(self, label: str | None) -> tuple[str, ...] | None:
        """The name of each point's object."""
        if not any(found.name for found in self._objects):
            if label is None and len(self._objects) < 2:
                return None
            names = [label or f"object {number}" for number in range(1, len(self._objects) + 1)]
        else:
            names = [found.name or f"object {number}" for number, found in enumerate(self._objects, 1)]
            check_names(names, "the name of an object", lambda _: self._name)
        counts = [sum(map(len, found.points)) for found in self._objects]
        return tuple(chain.from_iterable((name,) * count for name, count in zip(names, counts, strict=True)))

    def pixel_size(self) -> float | None:
        """Å, of the image that the model was shown on; None where it does not tell."""
        if self._minx is None:
            return None
        sizes = self._minx[9:12]
        is_told = min(sizes) > 0 and max(sizes) - min(sizes) < 1e-3 * max(sizes) and max(sizes) != 1
        return sizes[0] if is_told else None

    def _origin(self) -> NDArray[np.float64]:
        """Voxels by which the part of the image that was shown lies within the image."""
        if self._minx is None or not self._flags & _HAS_ORIGIN:
            return np.zeros(3)
        old, scale, current = (np.array(self._minx[start : start + 3]) for start in (3, 9, 12))
        if not (np.isfinite([old, scale, current]).all() and (scale > 0).all()):
            raise self._error(self._at, f"MINX tells a scale of {scale.tolist()}: expected Å a voxel")
        return np.asarray((old - current) / scale)

    def _object(self) -> None:
        if len(self._objects) == self._count:
            raise self._error(self._at, f"one more object: expected {self._count}, as the header tells")
        raw, contours = self._unpack(_OBJECT, "an object")
        bare = raw.split(b"\0")[0].strip()
        try:
            name = bare.decode()
        except UnicodeDecodeError:
            name = bare.decode("latin-1")
        self._objects.append(_Object(name, contours))

    def _contour(self) -> None:
        if not self._objects:
            raise self._error(self._at, "a contour before the first object: expected an object")
        (count,) = self._unpack(_CONTOUR, "a contour")
        size = self._bytes(count, _POINT, "points")
        start = self._at
        self._skip(size, "a contour")
        found = np.frombuffer(self._data, ">f4", 3 * count, start).reshape(-1, 3)
        self._objects[-1].points.append(found)
        self._objects[-1].starts.append(start)

    def _chunk(self, word: bytes) -> None:
        if not word.isalnum():
            raise self._error(
                self._at - _WORD, f"{shown(word.decode('latin-1'))}: expected the name of a chunk, such as OBJT or IEOF"
            )
        (size,) = self._unpack(_SIZE, "a chunk")
        start = self._at
        self._skip(self._bytes(size, 1, "bytes"), f"chunk {word.decode()}")
        if word == b"MINX":
            if size < _MINX.size:
                raise self._error(self._at, f"chunk MINX of {size} bytes: expected {_MINX.size}")
            self._minx = _MINX.unpack_from(self._data, start)

    def _word(self) -> bytes:
        if len(self._data) - self._at < _WORD:
            msg = f"{self._name}: ends at byte {len(self._data)} without IEOF: it is truncated"
            raise TruncatedError(msg)
        self._at += _WORD
        return self._data[self._at - _WORD : self._at]

    def _unpack(self, what: struct.Struct, named: str) -> tuple[Any, ...]:
        start = self._at
        self._skip(what.size, named)
        return what.unpack_from(self._data, start)

    def _bytes(self, count: int, each: int, named: str) -> int:
        if count < 0:
            raise self._error(self._at, f"{count} {named}: expected 0 or more")
        return count * each

    def _skip(self, size: int, named: str) -> None:
        left = len(self._data) - self._at
        if size > left:
            msg = f"{self._name}: byte {self._at}: {named} of {size} bytes, and {left} are left: it is truncated"
            raise TruncatedError(msg)
        self._at += size

    def _where(self, row: int) -> str:
        for start, part in self._parts():
            if row < len(part):
                return f"{self._name}: byte {start + _POINT * row}"
            row -= len(part)
        return self._name

    def _parts(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        for found in self._objects:
            yield from zip(found.starts, found.points, strict=True)

    def _error(self, at: int, said: str) -> FormatError:
        return FormatError(f"{self._name}: byte {at}: {said}")
