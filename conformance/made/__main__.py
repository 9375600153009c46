"""Compare with the other packages, and write their part of docs/conformance.md."""

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from conformance.aspire_log import in_a_folder_of_its_own
from conformance.document import MADE, OF_MADE, further, replaced
from conformance.table import failures

DOCUMENT = Path(__file__).parents[2] / "docs" / "conformance.md"
SUBJECTS = {"Projections, transfer, noise": "images", "Rows of a dataset": "dataset"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write that part of the document; 1, and what is wrong, when anything is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m conformance.made", description=__doc__)
    parser.add_argument("--out", type=Path, default=DOCUMENT, help="the document (default: docs/conformance.md)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # sums of other orders have other last digits
    os.environ.update(JAX_ENABLE_X64="1", JAX_PLATFORMS="cpu")
    with in_a_folder_of_its_own(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # others' deprecations
        found = {name: list(importlib.import_module(f"{__package__}.{room}").rows()) for name, room in SUBJECTS.items()}
    wrong = failures([row for of_subject in found.values() for row in of_subject])
    if wrong:
        sys.stderr.write("".join(f"{line}\n" for line in wrong))
        return 1
    before = options.out.read_text("utf-8") if options.out.exists() else ""
    options.out.write_text(replaced(before, further(MADE, OF_MADE, found)), "utf-8")
    sys.stdout.write(f"{options.out}: {sum(map(len, found.values()))} rows\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
