"""Errors: each derives from `PercError` and from the built-in exception a caller would catch.

Every constructor takes one string, because others do not survive the trip out of a DataLoader worker.
"""

from perc_transforms.errors import PercError

__all__ = [
    "AccessError",
    "ChangedError",
    "FormatError",
    "NotFoundError",
    "OptionError",
    "PercError",
    "ReadError",
    "TruncatedError",
    "UnknownOptionError",
]


class FormatError(PercError, ValueError):
    """The bytes are not what their name or their header says."""


class TruncatedError(FormatError, OSError):
    """The bytes end before the header says they do."""


class ChangedError(PercError, OSError):
    """A file changed after the dataset that refers to it was made."""


class NotFoundError(PercError, FileNotFoundError):
    """A folder, a file or a set of files is not there."""


class AccessError(PercError, PermissionError):
    """The caller may not read or write this."""


class ReadError(PercError, OSError):
    """The disk or the network failed while something was read."""


class OptionError(PercError, ValueError):
    """An option has a value that is not allowed."""


class UnknownOptionError(OptionError, TypeError):
    """An option that does not exist: a TypeError, as for any Python call."""
