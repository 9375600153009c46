"""Compare with the other packages, and print the table of what they give; 1 where anything is not as it should be."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import datasets

from conformance.document import section
from conformance.table import Row, failures
from conformance.tomography import projects, tables, tilts

SUBJECTS = {"Projects of copick": projects.rows, "Files of picks": tables.rows, "Tilt series": tilts.rows}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m conformance.tomography", description=__doc__)
    parser.parse_args(arguments)
    datasets.disable_progress_bars()
    found: dict[str, list[Row]] = {}
    for heading, rows in SUBJECTS.items():
        with tempfile.TemporaryDirectory() as folder:
            found[heading] = list(rows(Path(folder)))
    for heading, of_subject in found.items():
        sys.stdout.write(f"{section(heading, of_subject)}\n")
    wrong = failures([row for of_subject in found.values() for row in of_subject])
    sys.stderr.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
