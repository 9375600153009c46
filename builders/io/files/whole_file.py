"""Files that are there whole or not at all."""

import contextlib
import os
import threading
from pathlib import Path

from builders.io.files.cache import disk_error


def write_whole(target: Path, data: bytes) -> Path:
    """Write a file that is there whole or not at all.

    Raises:
        PercError: the disk fails, or has no room.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid():x}-{threading.get_ident():x}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(target)
    except OSError as err:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise disk_error(err, target.parent, target.name) from err
    return target
