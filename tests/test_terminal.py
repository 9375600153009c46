import io
import sys

import numpy as np
import pytest

from builders.cli import main
from builders.io import mrc
from tests.empiar import deposit


@pytest.fixture
def terminal(monkeypatch):
    """Standard output and error in an encoding; what was written to them, as text."""

    def made(encoding):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding, write_through=True) for _ in range(2)]
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        return lambda: [stream.buffer.getvalue().decode(encoding) for stream in streams]

    return made


@pytest.mark.parametrize(
    ("encoding", "angstrom", "other"),
    [("ascii", "A", "\\u03c0"), ("latin-1", "Å", "\\u03c0"), ("cp437", "Å", "π"), ("utf-8", "Å", "π")],
)
def test_any_terminal_gets_what_it_can_print(tmp_path, terminal, encoding, angstrom, other):
    mrc.write(tmp_path / "a_1.mrc", np.zeros((2, 3), np.float32), 2.5)
    (tmp_path / "π_1.mrc").write_bytes(b"")
    shown = terminal(encoding)
    assert main(["local-classes", "inspect", str(tmp_path)]) == 0
    out, _ = shown()
    assert f"pixel size ({angstrom})" in out
    assert f"{other}_1.mrc: an empty file" in out


def test_so_do_errors_helps_and_metadata_of_an_entry(tmp_path, terminal):
    shown = terminal("ascii")
    assert main(["local-classes", "inspect", f"{tmp_path}/2 Å µ"]) == 1
    assert "2 A u: no such folder" in shown()[1]
    for command in ("publish", "empiar search", "local-classes inspect", "structures fetch"):
        with pytest.raises(SystemExit, match="0"):
            main([*command.split(), "--help"])
    deposit.write_xml(tmp_path, [("3.2 Å, e/Å², Müller", "data/p", "other")])
    assert main(["empiar", "show", "10943", "--archive", str(tmp_path)]) == 0
    assert "3.2 A, e/A2, M\\xfcller" in shown()[0]
