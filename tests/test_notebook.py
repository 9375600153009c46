"""The notebook of the examples: what is committed is whole, ran from top to bottom, and runs as plain Python."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[1] / "examples" / "workflow.ipynb"
FIELDS = {"markdown": {"cell_type", "id", "metadata", "source"}}
FIELDS["code"] = FIELDS["markdown"] | {"execution_count", "outputs"}
OF_OUTPUTS = {"stream": {"name", "text"}, "display_data": {"data", "metadata"}}
OF_OUTPUTS["execute_result"] = OF_OUTPUTS["display_data"] | {"execution_count"}
OF_A_MACHINE = re.compile(r"(?<![\w.:/])/(home|root|tmp|work|usr|opt|var|mnt|content|Users)/|[A-Z]:\\\\|0x[0-9a-f]{8}")


@pytest.fixture(scope="module")
def notebook():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def outputs(cells):
    return [output for cell in cells for output in cell["outputs"]]


def test_it_is_of_nbformat_4(notebook):
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    for cell in notebook["cells"]:
        assert set(cell) == FIELDS[cell["cell_type"]]
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell["id"])
        assert all(isinstance(line, str) for line in cell["source"])
        for output in cell.get("outputs", []):
            assert set(output) == OF_OUTPUTS[output["output_type"]] | {"output_type"}
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(ids) == len(set(ids))


def test_it_ran_from_top_to_bottom_without_a_complaint(code):
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    streams = {output["name"] for output in outputs(code) if output["output_type"] == "stream"}
    assert streams == {"stdout"}, "make notebook"


def test_each_picture_is_there_and_the_file_is_small(code):
    for cell in code:
        drawn = [output for output in cell["outputs"] if "image/png" in output.get("data", {})]
        assert len(drawn) == cell["source"][-1].startswith("grid("), cell["id"]
    assert NOTEBOOK.stat().st_size < 600_000


def test_nothing_tells_whose_machine_it_was(notebook):
    for cell in notebook["cells"]:
        texts = [*cell["source"], *(json.dumps(output.get("text")) for output in cell.get("outputs", []))]
        texts += [
            json.dumps(output["data"].get("text/plain"))
            for output in outputs([cell] * ("outputs" in cell))
            if "data" in output
        ]
        assert not [text for text in texts if OF_A_MACHINE.search(text)]
    assert OF_A_MACHINE.search("saved /home/me/x.cif")


def test_every_step_is_explained(notebook):
    kinds = [cell["cell_type"] for cell in notebook["cells"]]
    assert kinds[0] == "markdown"
    assert all(kinds[place - 1] == "markdown" for place, kind in enumerate(kinds[:-1]) if kind == "code")


def test_the_first_cell_installs_on_colab_alone(code, monkeypatch):
    import subprocess
    import sys

    ran = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: ran.append(command[1:]))
    for on_colab in (False, True):
        if on_colab:
            monkeypatch.setitem(sys.modules, "google.colab", sys)
        names = {}
        exec("".join(code[0]["source"]), names)
        assert names["REAL"] == on_colab
    assert ran == [["-m", "pip", "install", "-q", "perc-cryoem"]]


def test_its_cells_run_as_plain_python(code, tmp_path, monkeypatch, capsys):
    """In small: `make notebook` runs them as they are."""
    small = {
        "SIDE, BATCH, STEPS, HELD_OUT = 64, 32, 160, 256": "SIDE, BATCH, STEPS, HELD_OUT = 64, 16, 4, 16",
        "MICROGRAPHS = 4 ": "MICROGRAPHS = 1 ",
        'Path("workflow-output")': f"Path({str(tmp_path / 'out')!r})",
    }
    monkeypatch.chdir(NOTEBOOK.parent)
    text = "\n\n".join("".join(cell["source"]) for cell in code)
    for whole, part in small.items():
        assert whole in text
        text = text.replace(whole, part)
    names = {"__name__": "workflow"}
    try:
        exec(compile(text, NOTEBOOK.name, "exec"), names)
    finally:
        names["running"].close()
    told = capsys.readouterr().out
    assert "af-z9dem1-f1_nosignal1to24.cif" in told
    assert "'entry': 'EMPIAR-10999'" in told
    assert "batch 4: loss" in told
    assert "16 rows" in told
    assert "the pixels are the same: True" in told
    assert names["denoised"].shape == (16, 64, 64)
