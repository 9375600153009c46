"""File name -> class, suffix, extension. Pure text."""

from dataclasses import dataclass

from builders.errors import OptionError

EXTENSIONS = (
    *(".mrc", ".mrcs", ".map", ".rec", ".st", ".npy"),
    *(f"{image}{packed}" for image in (".mrc", ".mrcs", ".map", ".rec", ".st") for packed in (".gz", ".bz2")),
)


@dataclass(frozen=True, slots=True)
class ClassName:
    """What a file name says.

    Attributes:
        label: what stands before the first underscore: the class.
        suffix: what stands between it and the extension.
        extension: one of `EXTENSIONS`.
    """

    label: str
    suffix: str
    extension: str


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
    lowered = file_name.lower()
    extension = max((e for e in EXTENSIONS if lowered.endswith(e)), key=len, default=None)
    if extension is None:
        dot = file_name.rfind(".")
        return f"unknown extension {file_name[dot:]!r}" if dot > 0 else "no extension"
    label, underscore, suffix = file_name[: -len(extension)].partition("_")
    if not underscore or not label:
        return "no class before a '_'"
    return ClassName(label, suffix, extension)


def check_extension(extension: str | None) -> str | None:
    """An extension as `parse_name` spells it: lower case, with its dot.

    Raises:
        OptionError: lists the extensions there are.
    """
    if extension is None:
        return None
    spelled = f".{str(extension).lower().lstrip('.')}"
    if spelled not in EXTENSIONS:
        msg = f"extension is {extension!r}: expected one of {', '.join(EXTENSIONS)}"
        raise OptionError(msg)
    return spelled
