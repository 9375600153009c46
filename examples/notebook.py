"""Runs examples/workflow.ipynb from top to bottom, and writes what came out into it: `make notebook`."""

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("workflow.ipynb")
MOST_SECONDS, MOST_BYTES = 300, 600_000
"""Of a cell, and of the file with its pictures."""


def main() -> int:
    """Run all cells in one fresh kernel, in the folder of the notebook, as Jupyter does; 1 where something is wrong."""
    start = time.perf_counter()
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"  # tqdm would like to have ipywidgets
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    metadata = notebook.metadata.copy()
    client = NotebookClient(
        notebook,
        timeout=MOST_SECONDS,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,  # what a cell prints is one output, however it came
        startup_timeout=MOST_SECONDS,
        extra_arguments=["--log-level=ERROR"],  # it warns of sockets, which are of 127.0.0.1
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    )
    client.execute()
    notebook.metadata = metadata  # which kernel ran it is no matter
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                print(f"failed: cell {number} warns:\n{output['text']}")
                return 1
            if "image/png" in output.get("data", {}):
                output["data"].pop("text/plain", None)  # where the picture lies in memory
    text = nbformat.writes(notebook) + "\n"
    if len(text) > MOST_BYTES:
        print(f"failed: {len(text)} bytes with its outputs, expected at most {MOST_BYTES}: make pictures smaller")
        return 1
    NOTEBOOK.write_text(text, encoding="utf-8")
    print(
        f"{NOTEBOOK.name}: {len(notebook.cells)} cells, {len(text) / 1e3:.0f} kB, {time.perf_counter() - start:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
