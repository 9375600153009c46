"""Compare with the other packages, and write their part of docs/conformance.md."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import datasets

from conformance.document import OF_TOMOGRAPHY, TOMOGRAPHY, further, replaced
from conformance.table import Row, failures
from conformance.tomography import projects, tables, tilts

DOCUMENT = Path(__file__).parents[2] / "docs" / "conformance.md"
SUBJECTS = {"Projects of copick": projects.rows, "Files of picks": tables.rows, "Tilt series": tilts.rows}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write that part of the document; 1, and what is wrong, when anything is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m conformance.tomography", description=__doc__)
    parser.add_argument("--out", type=Path, default=DOCUMENT, help="the document (default: docs/conformance.md)")
    options = parser.parse_args(arguments)
    datasets.disable_progress_bars()
    found: dict[str, list[Row]] = {}
    for heading, rows in SUBJECTS.items():
        with tempfile.TemporaryDirectory() as folder:
            found[heading] = list(rows(Path(folder)))
    wrong = failures([row for of_subject in found.values() for row in of_subject])
    if wrong:
        sys.stderr.write("".join(f"{line}\n" for line in wrong))
        return 1
    before = options.out.read_text("utf-8") if options.out.exists() else ""
    options.out.write_text(replaced(before, further(TOMOGRAPHY, OF_TOMOGRAPHY, found)), "utf-8")
    sys.stdout.write(f"{options.out}: {sum(map(len, found.values()))} rows\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
