"""The table of particles that were written, in the format of either program."""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash
from datasets import Dataset, IterableDataset

from builders.errors import OptionError
from builders.hf import stream_layers
from builders.io.files.cache import disk_error
from builders.options import check_choice, check_integer
from builders.particles.writing.cryosparc import write_cs
from builders.particles.writing.optics import survey
from builders.particles.writing.pieces import Piece
from builders.particles.writing.star import write_star
from builders.publishing.writing.schema import Row
from builders.publishing.writing.values import plain

NAMES = {"star": "particles.star", "cs": "particles.cs"}
"""Of the tables, by format."""
_PIECE = 8 * 1024 * 1024


@dataclass(frozen=True)
class Form:
    """How a table is written.

    Attributes:
        format: a key of `NAMES`.
        prefix: what paths in it begin with: `""`, or the folder relative to where a program runs, and `/`.
        micrograph_shape: `(ny, nx)` of the micrographs, where somebody tells it.
    """

    format: str
    prefix: str
    micrograph_shape: tuple[int, int] | None

    @classmethod
    def of(cls, format: str, folder: Path, root: str | os.PathLike[str] | None, shape: Any) -> "Form":
        """It out of options.

        Raises:
            OptionError: one cannot be.
        """
        check_choice("format", format, tuple(NAMES))
        if shape is not None:
            if format != "cs":
                msg = f"micrograph_shape is for format='cs', whose locations are fractions of it: not for {format!r}"
                raise OptionError(msg)
            if not isinstance(shape, tuple | list) or len(shape) != 2:
                msg = f"micrograph_shape is {shape!r}: expected (ny, nx), in pixels"
                raise OptionError(msg)
            for side in shape:
                check_integer("micrograph_shape", side, 1)
            shape = int(shape[0]), int(shape[1])
        return cls(format, "" if root is None else _prefix(folder, Path(root)), shape)


def _prefix(folder: Path, root: Path) -> str:
    base = Path(os.path.abspath(root.expanduser()))  # noqa: PTH100
    if not folder.is_relative_to(base):
        msg = f"root is {str(root)!r}: expected a folder that {str(folder)!r} lies in, since paths in the table begin"
        msg += " there"
        raise OptionError(msg)
    inner = folder.relative_to(base).as_posix()
    return "" if inner == "." else f"{inner}/"


def write_table(path: Path, pieces: Callable[[], Iterator[Piece]], form: Form, is_scaled: bool, seed: str) -> None:
    """Write a table, which is there whole or not at all.

    Args:
        path: its place.
        pieces: gives all of them, in order; called twice.
        form: how.
        is_scaled: rows' coordinates are in pixels of their images, no longer of their micrographs.
        seed: what is made up for rows is made of.

    Raises:
        FormatError: STAR has no way to write a name.
        MixedError: CryoSPARC has no way to say that some rows lack a value.
        PercError: the disk fails.
    """
    found = survey(pieces())
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        if form.format == "star":
            with temporary.open("x", encoding="utf-8", newline="\n") as text:
                write_star(text, pieces(), found, form.prefix, is_scaled)
        else:
            with temporary.open("xb") as file:
                write_cs(file, pieces(), found, form.prefix, form.micrograph_shape, seed)
        temporary.replace(path)
    except OSError as err:
        raise disk_error(err, path.parent, path.name) from err
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def digest_of(path: Path) -> str | None:
    """The digest of a table; None where there is none."""
    digest = xxhash.xxh3_128()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError:
        return None
    return digest.hexdigest()


def is_scaled(dataset: Dataset | IterableDataset, first: Row) -> bool:
    """Whether transforms have changed the size of a dataset's pixels: coordinates, too, are in the new ones then."""
    if first.get("micrograph") is None or first.get("coordinate_x") is None:
        return False
    names = ("path", "index", "pixel_size")
    if isinstance(dataset, IterableDataset):
        before = stream_layers.first_as_read(dataset)
    else:
        there = [name for name in names if name in dataset.column_names]
        before = dataset.select(range(1)).with_format("arrow", columns=there)[:].to_pylist()[0] if there else {}
    same = all(plain(before.get(name)) == plain(first.get(name)) for name in names[:2])
    size, now = plain(before.get("pixel_size")), plain(first.get("pixel_size"))
    return same and size is not None and now is not None and abs(now - size) > 1e-4 * size
