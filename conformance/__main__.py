"""Compare with the other packages, run the tests beside them, and write docs/conformance.md."""

import argparse
import contextlib
import importlib
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from conformance.document import document, halves
from conformance.table import Row, failures

HERE = Path(__file__).parent
DOCUMENT = HERE.parent / "docs" / "conformance.md"
SUBJECTS = {
    "Contrast transfer": "contrast",
    "Dose": "dose",
    "Filters": "frequencies",
    "Number of pixels": "rescaling",
    "Crop and pad": "cropping",
    "Flips, turns and shifts": "movement",
    "Projections": "projections",
    "Blur": "blurring",
    "Pixel values and masks": "intensities",
    "Particles that were written": "particles",
}
ASPIRE_OPTIONS = "logging:\n  log_dir: {0}\n  log_exceptions: 0\n  console_level: ERROR\ncache:\n  cache_dir: {0}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the document; 1, and what is wrong, when anything is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument("--out", type=Path, default=DOCUMENT, help="where to write (default: docs/conformance.md)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # sums of other orders have other last digits
    with _aspire_in_a_folder_of_its_own(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # others' deprecations
        rows = {heading: _rows(module) for heading, module in SUBJECTS.items()}
    wrong = failures([row for of_subject in rows.values() for row in of_subject])
    _say(*wrong)
    tests = subprocess.run([sys.executable, "-m", "pytest", "-c", str(HERE / "pytest.ini"), str(HERE)], check=False)
    if wrong or tests.returncode:
        _say(f"{len(wrong)} values are not as they should be; {options.out} was not written")
        return 1
    options.out.parent.mkdir(parents=True, exist_ok=True)
    _, tomography = halves(options.out.read_text("utf-8") if options.out.exists() else "")
    options.out.write_text(document(rows) + tomography, "utf-8")
    _say(f"{options.out}: {sum(map(len, rows.values()))} rows")
    return 0


def _rows(module: str) -> list[Row]:
    return list(importlib.import_module(f"conformance.{module}").rows())


@contextlib.contextmanager
def _aspire_in_a_folder_of_its_own() -> Iterator[None]:
    """Have ASPIRE, which opens a log where it is imported, do so elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.yaml").write_text(ASPIRE_OPTIONS.format(folder), "utf-8")
        os.environ["ASPIREDIR"] = folder
        yield


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
