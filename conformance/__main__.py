"""Compare with the other packages, run the tests beside them, and write docs/conformance.md."""

import argparse
import importlib
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from conformance.aspire_log import in_a_folder_of_its_own
from conformance.document import document, replaced
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the document; 1, and what is wrong, when anything is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument("--out", type=Path, default=DOCUMENT, help="where to write (default: docs/conformance.md)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # sums of other orders have other last digits
    with in_a_folder_of_its_own(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # others' deprecations
        rows = {heading: _rows(module) for heading, module in SUBJECTS.items()}
    wrong = failures([row for of_subject in rows.values() for row in of_subject])
    _say(*wrong)
    tests = subprocess.run([sys.executable, "-m", "pytest", "-c", str(HERE / "pytest.ini"), str(HERE)], check=False)
    if wrong or tests.returncode:
        _say(f"{len(wrong)} values are not as they should be; {options.out} was not written")
        return 1
    options.out.parent.mkdir(parents=True, exist_ok=True)
    before = options.out.read_text("utf-8") if options.out.exists() else ""
    options.out.write_text(replaced(before, document(rows)), "utf-8")
    _say(f"{options.out}: {sum(map(len, rows.values()))} rows")
    return 0


def _rows(module: str) -> list[Row]:
    return list(importlib.import_module(f"conformance.{module}").rows())


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
