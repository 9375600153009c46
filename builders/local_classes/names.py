"""File name -> class, suffix, extension. Pure text."""

import re
from dataclasses import dataclass

from builders.errors import OptionError
from builders.io.formats import compression
from builders.io.formats.known import suffixes
from builders.options import check_choice

PLACES = ("name", "folder")
"""Where a class may stand."""
NO_CLASS = "no class before a '_'"
"""Why a file is passed over whose name is made otherwise."""
_SEPARATORS = "_-. "


@dataclass(frozen=True, slots=True)
class ClassName:
    """What a file name says.

    Attributes:
        label: the class: what stands before the first underscore, unless a `Naming` says otherwise.
        suffix: what else there is of the name, without the extension.
        extension: one of `extensions`.
    """

    label: str
    suffix: str
    extension: str


@dataclass(frozen=True, slots=True)
class Naming:
    """Where the class of a file stands.

    Args:
        class_from: in its `"name"`, or in that of the `"folder"` that holds it.
        class_pattern: a regular expression with one group, or one called `class`, which is the class. It is searched
            for in the name without its extension, else in the whole name; of a folder, in its path.

    Example:
        >>> Naming(class_pattern=r"(.+)_")("ribo_open_1.mrc")
        ClassName(label='ribo_open', suffix='1', extension='.mrc')
        >>> Naming("folder")("1.mrc", "session/ribosome")
        ClassName(label='ribosome', suffix='1', extension='.mrc')
    """

    class_from: str = "name"
    class_pattern: str | None = None

    def __call__(self, file_name: str, folder: str = "") -> ClassName | str:
        """What a file's name and its folder's path say, or in a few words why there is no class."""
        if self.class_from == "name" and self.class_pattern is None:
            return parse_name(file_name)
        parted = _parted(file_name)
        if isinstance(parted, str):
            return parted
        stem, extension = parted
        if self.class_from == "folder":
            label = folder.rpartition("/")[2] if self.class_pattern is None else self._found(folder)[0]
            return ClassName(label, stem, extension) if label else "no folder that is its class"
        label, suffix = self._found(stem)
        if not label:
            label, suffix = self._found(file_name)[0], stem
        return ClassName(label, suffix, extension) if label else f"no class by {self.class_pattern!r}"

    def _found(self, text: str) -> tuple[str, str]:
        """The class in a text, and what stands about it; empty where there is none."""
        match = re.search(self.class_pattern or "", text)
        if match is None:
            return "", ""
        group = "class" if "class" in match.re.groupindex else 1
        label, (start, end) = match[group] or "", match.span(group)
        before, after = text[:start], text[end:]
        before = before[:-1] if before.endswith(tuple(_SEPARATORS)) else before
        after = after[1:] if after.startswith(tuple(_SEPARATORS)) else after
        return label if label.strip() else "", "_".join(filter(None, (before, after)))

    @property
    def form(self) -> str:
        """What files are called, for messages."""
        if self.class_pattern is not None:
            return f"with a class by class_pattern={self.class_pattern!r}"
        return "named CLASS_suffix.ext" if self.class_from == "name" else "in a folder named as their class"


def check_naming(class_from: object, class_pattern: object) -> Naming:
    """The options that say where classes stand, checked.

    Raises:
        OptionError: no such place, or no regular expression with one group.
    """
    check_choice("class_from", class_from, PLACES)
    if class_pattern is None:
        return Naming(str(class_from))
    if not isinstance(class_pattern, str):
        msg = f"class_pattern is {class_pattern!r}: expected text, a regular expression such as '(.+)_'"
        raise OptionError(msg)
    try:
        compiled = re.compile(class_pattern)
    except (re.error, OverflowError, RecursionError) as err:
        msg = f"class_pattern is {class_pattern!r}: not a regular expression: {err}"
        raise OptionError(msg) from err
    if compiled.groups != 1 and "class" not in compiled.groupindex:
        msg = f"class_pattern is {class_pattern!r}: {compiled.groups} groups: expected one around the class, as in "
        msg += "'(.+)_', or one called class, as in '(?P<class>[a-z]+)(_|-)'"
        raise OptionError(msg)
    return Naming(str(class_from), class_pattern)


def parse_name(file_name: str) -> ClassName | str:
    """Read a file name `CLASS_suffix.ext`, or say in a few words why it is not one.

    Example:
        >>> parse_name("1b23_12-321-215.mrc.gz")
        ClassName(label='1b23', suffix='12-321-215', extension='.mrc.gz')
        >>> parse_name("README.md")
        "unknown extension '.md'"
        >>> parse_name("particle.mrc")
        "no class before a '_'"
    """
    parted = _parted(file_name)
    if isinstance(parted, str):
        return parted
    label, underscore, suffix = parted[0].partition("_")
    if not underscore or not label:
        return NO_CLASS
    return ClassName(label, suffix, parted[1])


def _parted(file_name: str) -> tuple[str, str] | str:
    """A name and its extension, or why that is none of an image."""
    dot = file_name.rfind(".")
    extension = file_name[dot:].lower() if dot >= 0 else ""
    if extension in compression.SUFFIXES and (inner := file_name.rfind(".", 0, dot)) >= 0:
        extension = file_name[inner:].lower()
    if extension not in extensions():
        return f"unknown extension {file_name[dot:]!r}" if dot > 0 else "no extension"
    return file_name[: -len(extension)], extension


def extensions() -> tuple[str, ...]:
    """Those of files that are taken: of all formats; an aligned tilt series (`.ali`) is no example of a class."""
    return tuple(suffix for suffix in suffixes() if not suffix.startswith(".ali"))


def check_extension(extension: str | None) -> str | None:
    """An extension as `parse_name` spells it: lower case, with its dot.

    Raises:
        OptionError: lists the extensions there are.
    """
    if extension is None:
        return None
    spelled = f".{str(extension).lower().lstrip('.')}"
    if spelled not in extensions():
        msg = f"extension is {extension!r}: expected one of {', '.join(extensions())}"
        raise OptionError(msg)
    return spelled
