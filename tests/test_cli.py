"""The `perc` command by itself: what it is, how quiet it can be, and how it ends."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from tqdm.auto import tqdm

from builders import interrupt
from builders.cli import main
from builders.release import VERSION
from builders.terminal import no_bars
from tests.empiar import deposit

ROOT = Path(__file__).resolve().parents[1]


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr()) == (0, (f"perc {VERSION} (perc-cryoem)\n", ""))


@pytest.mark.parametrize("place", ["first", "between", "last"])
def test_quiet_is_quiet_wherever_it_is_typed(tmp_path, capsys, place):
    deposit.make(tmp_path / "mirror")
    command = ["empiar", "download", "10943", "--dir", "data/particles", "--archive", str(tmp_path / "mirror")]
    command += ["--save-dir", str(tmp_path / place)]
    command.insert({"first": 0, "between": 1, "last": len(command)}[place], "--quiet" if place == "last" else "-q")
    assert main(command) == 0
    assert capsys.readouterr() == ("", "")
    assert main([*command, "--select", "*.none"]) == 1
    assert capsys.readouterr().err.startswith("perc: error: ")


@pytest.mark.parametrize(
    "command",
    [
        "structures fetch 4v1w --save-dir",
        "structures fetch 4v1w --endpoints",
        "structures clean --save-dir x",
        "structures clean x.cif --save-dir",
        "empiar download 10943 --save-dir",
        "transforms gallery --out",
    ],
)
def test_an_unset_variable_of_the_shell_is_not_the_working_directory(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), ""])
    assert ended.value.code == 2
    assert "it is '': expected a path ('.' is the working directory)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("structures clean --remove water x.cif", "FILE (before --remove:"),
        ("structures fetch --remove water 4v1w", "ID (before --remove:"),
        ("publish --to x --classes a b folder", "SOURCE (before --crop, --pad, --classes,"),
    ],
)
def test_what_stands_behind_an_option_that_takes_it_is_told(command, missing, capsys):
    with pytest.raises(SystemExit) as ended:
        main(command.split())
    assert ended.value.code == 2
    assert f"the following arguments are required: {missing}" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_no_bars_are_drawn_where_none_are_wanted():
    with contextlib.redirect_stderr(Terminal()) as screen:
        with no_bars():
            assert list(tqdm(range(3), disable=None)) == [0, 1, 2]
            assert datasets.are_progress_bars_disabled()
            sys.stderr.write("an error\n")
        assert screen.getvalue() == "an error\n"
        assert not tqdm(range(3), disable=None).disable


# a signal that comes just before a sleep begins does not end that one, but the next
MEETS = {
    "it": "for _ in range(600): time.sleep(0.1)",
    "what makes another error of it": "try:\n for _ in range(600): time.sleep(0.1)\nexcept BaseException: import x",
}


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
@pytest.mark.parametrize("meets", MEETS)
@pytest.mark.parametrize("way", ["perc", "-m builders", "-c"])
def test_ctrl_c_while_it_is_imported_is_silent(tmp_path, way, meets):
    (tmp_path / "datasets.py").write_text(f"import time\nprint('importing', flush=True)\n{MEETS[meets]}")
    (tmp_path / "perc").write_text("from builders.cli import main")
    line = {"perc": [str(tmp_path / "perc")], "-c": ["-c", "import builders"]}.get(way, way.split())
    process = subprocess.Popen(
        [sys.executable, *line],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # it is ignored by jobs of a script
    )
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    if way == "-c":  # a program of somebody else's keeps what it does
        assert "Traceback" in said
    else:
        assert (process.returncode, said) == (130, "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["python3", "-u", "-X", "utf8", "/venv/bin/perc", "show"], True),
        (["python", "-Wignore", "-m", "builders", "show"], True),
        (["python", "-m", "pytest", "builders"], False),
        (
            ["python", "-c", "from multiprocessing.spawn import spawn_main; spawn_main()", "--multiprocessing-fork"],
            False,
        ),
        (["python", "-Bc", "pass", "perc"], False),
        (["python"], False),
        ([], False),
    ],
)
def test_only_the_command_ends_at_once(line, expected):
    assert interrupt.is_command(line) == expected


@pytest.mark.parametrize("name", ["tilt-series", "tilt_series", "local_classes", "local-classes"])
@pytest.mark.parametrize("before", [[], ["-q"]])
def test_commands_may_have_either_mark_between_words(name, before, tmp_path, capsys):
    assert main([*before, name, "inspect", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err


def test_advice_is_in_the_words_of_the_command(tmp_path, capsys):
    (tmp_path / "TS_1.mrc").write_bytes(b"short")
    (tmp_path / "TS_1.rawtlt").write_text("0\n3\n")
    assert main(["tilt_series", "inspect", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "on_error" not in error
    assert "--skip" in error
