"""The `perc` command by itself: what it is, how quiet it can be, and how it ends."""

import argparse
import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from tqdm.auto import tqdm

from builders import cli, interrupt
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
        ("structures clean --remove water x.cif", "FILE (before --remove, which takes"),
        ("structures fetch --remove water 4v1w", "ID (before --remove, which takes"),
        ("publish --to x --classes a b folder", "SOURCE (before --classes, which takes"),
    ],
)
def test_what_stands_behind_an_option_that_takes_it_is_told(command, missing, capsys):
    with pytest.raises(SystemExit) as ended:
        main(command.split())
    assert ended.value.code == 2
    assert f"the following arguments are required: {missing}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("structurs fetch 4v1w", "perc: error: there is no command 'structurs': did you mean structures?"),
        ("structures fetc 4v1w", "perc structures: error: there is no command 'fetc': did you mean fetch?"),
        ("empiar x 10943", "there is no command 'x': expected one of show, search, download"),
        (
            "structures fetch 4v1w --savedir=x",
            "perc structures fetch: error: there is no option --savedir: did you mean",
        ),
        ("structures fetch 4v1w --savedir x", "there is no option --savedir: did you mean --save-dir?"),
        ("empiar show 10943 --zzz", "there is no option --zzz: `perc empiar show --help` lists them"),
        ("empiar show 10943 10944", "perc empiar show: error: one argument too many: '10944'"),
        ("publish", "the following arguments are required: SOURCE, --to\n"),
    ],
)
def test_what_is_misspelt_is_told_with_what_was_meant(command, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(command.split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", "structures"])
def test_without_a_command_they_are_listed(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main(command.split())
    told, error = capsys.readouterr()
    assert (ended.value.code, told) == (2, "")
    assert "expected one of these commands" in error
    for name, below in COMMANDS.items():
        if name.rpartition(" ")[0] == f"perc {command}".strip():
            assert f"\n    {name.split()[-1]}" in error
            assert below.description


COMMANDS = {parser.prog: parser for parser in cli._all(cli._parser())}
OPTIONS = [(name, action) for name, parser in COMMANDS.items() for action in parser._actions]


def test_every_option_is_explained_with_its_default():
    assert len(COMMANDS) > 20
    for command, action in OPTIONS:
        of_commands = isinstance(action, argparse._SubParsersAction)
        assert of_commands or action.help, f"{command} {action.dest}"
        if action.option_strings and action.default not in (None, False, argparse.SUPPRESS, []):
            assert "(default: " in action.help, f"{command} {action.dest}"


def test_commands_may_be_spelt_as_the_builders_are(capsys):
    for name in ("tilt-series", "tilt_series", "local_classes", "local-classes"):
        with pytest.raises(SystemExit) as ended:
            main([name, "inspect", "--help"])
        assert ended.value.code == 0
    assert "usage: perc tilt-series inspect" in capsys.readouterr().out


@pytest.fixture(scope="module")
def scripts():
    said = {}
    for shell in ("bash", "zsh", "fish"):
        with contextlib.redirect_stdout(io.StringIO()) as screen:
            assert main(["completion", shell]) == 0
        said[shell] = screen.getvalue()
    return said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_completes_every_command(shell, scripts):
    begun = {"bash": "complete -o bashdefault -F _shtab_perc perc", "zsh": "#compdef perc", "fish": "complete -c perc"}
    assert begun[shell] in scripts[shell]
    for name in COMMANDS:
        assert name.split()[-1] in scripts[shell]
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=scripts[shell], text=True, check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("str", {"structures"}),
        ("structures ", {"fetch", "where", "clean"}),
        ("structures fetch --rem", {"--remove"}),
        ("structures fetch --format ", {"cif", "pdb"}),
        ("empiar download 10943 --save-dir ", {"a folder"}),
        ("particles inspect ", {"a folder", "a.star"}),
        ("completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_bash_completes_them(words, offered, scripts, tmp_path):
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a.star").touch()
    typed = [*words.split(), *([""] if words.endswith(" ") else [])]
    asks = 'COMP_WORDS=(perc "$@"); COMP_CWORD=$#; _shtab_perc perc "${!#}" "${COMP_WORDS[$#-1]}"; '
    asks += "printf '%s\\n' \"${COMPREPLY[@]}\""
    command = ["bash", "--norc", "-c", f"{scripts['bash']}\n{asks}", "bash", *typed]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert {line.rstrip() for line in told.stdout.splitlines()} == offered


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
