"""Options of the builders: what is wrong with one is said in the same words everywhere."""

import argparse
import dataclasses
import difflib
import inspect
import numbers
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import ArrowBasedBuilder, DatasetBuilder
from datasets.exceptions import DatasetGenerationError
from datasets.naming import camelcase_to_snakecase
from datasets.utils.py_utils import convert_file_size_to_int

from builders.errors import FormatError, OptionError, PercError, UnknownOptionError

ON_ERROR = ("raise", "skip")
EDGES = ("fill", "drop")
"""What a box that reaches beyond its image does."""
_BOX_ANGSTROM = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(?:Å|A|angstrom)")
_LEAST, _MOST = 1e-37, 1e38
"""What a float32 holds without loss."""


class OptionedTableBuilder(ArrowBasedBuilder):  # type: ignore[misc]
    """A builder of Arrow tables that knows its options, and whose errors come out as they are.

    An option that it does not have is refused, with the closest ones named.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        inherited = inspect.signature(DatasetBuilder.__init__).parameters
        options = [f.name for f in dataclasses.fields(self.BUILDER_CONFIG_CLASS)]
        reject_unknown(set(kwargs) - set(inherited), options, camelcase_to_snakecase(type(self).__name__))
        super().__init__(*args, **kwargs)

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Build the dataset, or take it from the cache.

        Raises:
            PercError: what went wrong, which `datasets` wraps into an error that says only that something did.
        """
        try:
            super().download_and_prepare(*args, **kwargs)
        except DatasetGenerationError as err:
            if isinstance(err.__cause__, PercError):
                raise err.__cause__ from None
            raise

    def columns_asked_for(self, table: pa.Table) -> pa.Table:
        """A table without the columns that are not among the features, which `load_dataset(features=...)` names."""
        return table.select([name for name in table.column_names if name in self.info.features])


def reject_unknown(given: Iterable[str], known: list[str], owner: str) -> None:
    """Refuse options that do not exist.

    Raises:
        UnknownOptionError: names the closest valid options, or all of them when none is close.
    """
    for name in sorted(set(given) - set(known)):
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"expected one of {', '.join(known)}"
        msg = f"{owner} has no option {name!r}: {hint}"
        raise UnknownOptionError(msg)


def check_choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Refuse a value that is not one of `allowed`.

    Raises:
        OptionError: lists what is allowed.
    """
    if value not in allowed:
        msg = f"{name} is {value!r}: expected {' or '.join(map(repr, allowed))}"
        raise OptionError(msg)


def check_integer(name: str, value: Any, least: int) -> None:
    """Refuse what is not an integer of at least `least`.

    Raises:
        OptionError: says what was expected.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < least:
        msg = f"{name} is {value!r}: expected an integer of at least {least}"
        raise OptionError(msg)


def check_fraction(name: str, value: Any) -> None:
    """Refuse what is not a number above 0 and below 1.

    Raises:
        OptionError: says what was expected.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 < float(value) < 1:
        msg = f"{name} is {value!r}: expected a number above 0 and below 1"
        raise OptionError(msg)


def check_pixel_size(value: Any) -> float | None:
    """A pixel size in Å; None stays None.

    Raises:
        OptionError: not a number above 0 that a float32, of which the column is, can hold.
    """
    return check_positive("pixel_size", value, "Å")


def check_positive(name: str, value: Any, unit: str) -> float | None:
    """A number above 0 that a float32 can hold; None stays None.

    Args:
        name: of the option.
        value: of it.
        unit: in which it is.

    Raises:
        OptionError: it is none.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not _LEAST <= float(value) <= _MOST:
        msg = f"{name} is {value!r}: expected a number above 0, in {unit}"
        raise OptionError(msg)
    return float(value)


def check_named(name: str, value: object) -> None:
    """Refuse an empty path: `Path` makes the working directory of it, and it is an unset variable of the shell.

    Raises:
        OptionError: says how to name the working directory.
    """
    if isinstance(value, str) and not value:
        msg = f"{name} is '': expected a path ('.' is the working directory)"
        raise OptionError(msg)


def path_argument(text: str) -> Path:
    """A path on a command line, as argparse's `type`: not an empty one, see `check_named`."""
    if not text:
        msg = "it is '': expected a path ('.' is the working directory)"
        raise argparse.ArgumentTypeError(msg)
    return Path(text)


READ_WITH = "Read with "
"""What begins the line of a dataset's description that tells options by which files became rows."""
_ADVICE = " (on_error='skip' leaves such files out)"


def with_advice(error: PercError) -> PercError:
    """An error that stops a builder; of a damaged file, with what would not let it.

    Example:
        >>> from builders.errors import FormatError
        >>> print(with_advice(FormatError("a.mrc: 22 bytes: expected 1024 or more")))
        a.mrc: 22 bytes: expected 1024 or more (on_error='skip' leaves such files out)
    """
    if not isinstance(error, FormatError):
        return error
    advised = type(error)(f"{str(error).removesuffix(_ADVICE)}{_ADVICE}")  # a new one: it is raised while that is held
    vars(advised).update(vars(error))  # its notes
    advised.__cause__ = error.__cause__
    return advised


def named_words(words: Sequence[str]) -> list[str] | dict[str, list[str]]:
    """Words of a command line, or where all of them are `NAME=WORD`, those of each name.

    Example:
        >>> named_words(["rod=a.star", "rod=b.star"]), named_words(["a.star"])
        ({'rod': ['a.star', 'b.star']}, ['a.star'])
    """
    pairs = [word.partition("=") for word in words]
    if not all(name and sign and word and "/" not in name for name, sign, word in pairs):
        return list(words)
    named: dict[str, list[str]] = {}
    for name, _, word in pairs:
        named.setdefault(name, []).append(word)
    return named


def check_flag(name: str, value: Any) -> None:
    """Refuse what is not a bool.

    Raises:
        OptionError: says what was expected.
    """
    if not isinstance(value, bool):
        msg = f"{name} is {value!r}: expected True or False"
        raise OptionError(msg)


def check_bytes(name: str, value: Any) -> int:
    """A number of bytes, also of one that is written as `"500MB"`.

    Raises:
        OptionError: it is neither.

    Example:
        >>> check_bytes("max_shard_size", "500MB")
        500000000
    """
    try:
        is_number = isinstance(value, str) and value.isdecimal()  # as the command line gives it
        count = int(value) if is_number else int(convert_file_size_to_int(value))
    except (TypeError, ValueError, AttributeError) as err:
        msg = f"{name} is {value!r}: expected a number of bytes, or a text such as '500MB'"
        raise OptionError(msg) from err
    if count < 1:
        msg = f"{name} is {value!r}: expected at least 1 byte"
        raise OptionError(msg)
    return count


@dataclasses.dataclass(frozen=True, slots=True)
class BoxSize:
    """How large boxes are.

    Attributes:
        pixels: of a side; None where it was said in Å.
        angstrom: of a side; None where it was said in pixels.
    """

    pixels: int | None = None
    angstrom: float | None = None

    def at(self, pixel_size: float) -> int:
        """Pixels of a side, an even number of what was said in Å.

        Args:
            pixel_size: of the boxes, in Å.

        Example:
            >>> BoxSize(angstrom=200.0).at(1.5), BoxSize(pixels=96).at(1.5)
            (134, 96)
        """
        if self.pixels is not None:
            return self.pixels
        assert self.angstrom is not None
        return max(2, 2 * round(self.angstrom / pixel_size / 2))


def check_box_size(value: Any) -> BoxSize | None:
    """How large boxes are: pixels, or Å as a text; None stays None.

    Raises:
        OptionError: it is neither.

    Example:
        >>> check_box_size(256), check_box_size("200 Å")
        (BoxSize(pixels=256, angstrom=None), BoxSize(pixels=None, angstrom=200.0))
    """
    if value is None:
        return None
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, str):
        match = _BOX_ANGSTROM.fullmatch(value.strip())
        if match is None or not float(match[1]) > 0:
            msg = f"box_size is {value!r}: expected pixels, such as 256, or Å, such as '200 Å'"
            raise OptionError(msg)
        return BoxSize(angstrom=float(match[1]))
    check_integer("box_size", value, least=2)
    return BoxSize(pixels=int(value))
