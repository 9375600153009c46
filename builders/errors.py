"""Errors: each derives from `PercError` and from the built-in exception a caller would catch.

Every constructor takes one string, because others do not survive the trip out of a DataLoader worker.
"""

from perc_transforms.errors import PercError

__all__ = [
    "AccessError",
    "ChangedError",
    "DiskFullError",
    "FolderError",
    "FormatError",
    "HttpError",
    "MissingPackageError",
    "MixedError",
    "NotEmptyError",
    "NotFoundError",
    "OptionError",
    "PercError",
    "ReadError",
    "StalledError",
    "TruncatedError",
    "UnknownOptionError",
    "UnreachableError",
    "UnsafeAddressError",
    "UnsafePathError",
    "WorkerDiedError",
]


class FormatError(PercError, ValueError):
    """The bytes are not what their name or their header says."""


class FolderError(FormatError, IsADirectoryError):
    """A path leads to a folder, where a file is needed."""


class TruncatedError(FormatError, OSError):
    """The bytes end before the header says they do."""


class ChangedError(PercError, OSError):
    """A file changed after the dataset that refers to it was made."""


class MissingPackageError(PercError, ImportError):
    """An optional package is needed that is not installed."""


class NotFoundError(PercError, FileNotFoundError):
    """A folder, a file or a set of files is not there."""


class NotEmptyError(PercError, FileExistsError):
    """Something else is where this was to be written."""


class MixedError(PercError, ValueError):
    """Rows differ where all of them have to be alike."""


class AccessError(PercError, PermissionError):
    """The caller may not read or write this."""


class DiskFullError(PercError, OSError):
    """There is no room for what is to be written."""


class HttpError(PercError, OSError):
    """A server answers, but not with what was asked for."""


class UnreachableError(HttpError, ConnectionError):
    """No connection to a server: it is down, or this machine is offline."""


class StalledError(PercError, TimeoutError):
    """Nothing, or next to nothing, comes from a server."""


class UnsafeAddressError(PercError, PermissionError):
    """A URL leads to a host that the caller did not name, or is none that may be followed."""


class UnsafePathError(PercError, PermissionError):
    """A path that a file of somebody else names leads out of the folders that the caller named."""


class WorkerDiedError(PercError, RuntimeError):
    """A process that did part of the work is gone: killed, or its machine lost."""


class ReadError(PercError, OSError):
    """The disk or the network failed while something was read."""


class OptionError(PercError, ValueError):
    """An option has a value that is not allowed."""


class UnknownOptionError(OptionError, TypeError):
    """An option that does not exist: a TypeError, as for any Python call."""
