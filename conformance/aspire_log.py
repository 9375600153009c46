"""Where ASPIRE, which opens a log where it is imported, is to do so."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

_OPTIONS = "logging:\n  log_dir: {0}\n  log_exceptions: 0\n  console_level: ERROR\ncache:\n  cache_dir: {0}\n"


@contextlib.contextmanager
def in_a_folder_of_its_own() -> Iterator[None]:
    """Have it do so elsewhere than in the working directory; to be entered before it is imported."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.yaml").write_text(_OPTIONS.format(folder), "utf-8")
        os.environ["ASPIREDIR"] = folder
        yield
