"""The package of the extra `[movies]`, where it is installed."""

from typing import Any

from builders.errors import MissingPackageError


def imagecodecs(what: str) -> Any:
    """The package imagecodecs.

    Args:
        what: needs it, for the error.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import imagecodecs as package
    except ImportError as err:
        msg = f"{what} is decoded by the package imagecodecs, which is not installed: pip install 'perc-cryoem[movies]'"
        raise MissingPackageError(msg) from err
    return package
