"""`perc publish`."""

import argparse
import ast
import dataclasses
import difflib
import importlib
import inspect
import itertools
import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from datasets import load_dataset

from builders.errors import OptionError
from builders.hf.names import MODULES
from builders.options import check_choice, check_named, named_words
from builders.publishing.writing.pixels import LAYOUTS
from builders.terminal import printable

_MAIN = {
    **{"local_classes": "data_dir", "empiar": "entry", "particles": "star", "structures": "ids"},
    **{"synthetic": "structures", "tilt_series": "data_dir", "tomograms": "data_dir"},
}
"""The option of each builder that may stand without its name."""
_SEVERAL = ("ids", "star", "structures")
"""Those of which there may be several."""
_TABLES = (".star", ".cs")
_STREAMED = ("empiar", "particles", "structures", "tilt_series", "tomograms")
_LISTED = (
    *("classes", "columns", "ids", "remove", "star", "picks", "segmentation", "tomograms", "tile", "overlap"),
    *("structures", "defocus", "snr", "particles", "micrograph_shape", "tomogram_shape", "tilts"),
)
"""Options that take several values."""
_SIDES = ("tile", "overlap", "defocus", "snr", "particles")
"""Those of which one value stands for all sides, or for the lowest and the highest."""
_INHERITED = {"name", "version", "data_files", "description"}
_STRETCH = "expected START:STOP, such as 0:10, :-2 or 5:"
_ENTRY = re.compile(r"(EMPIAR-)?\d+", re.IGNORECASE)


_MORE = (
    "The token of the Hub is that of `hf auth login`, or HF_TOKEN. Run the same command again to resume an interrupted "
)
_MORE += "run."
_GROUP = "options of "
_USAGE = "%(prog)s [OPTION ...] --to DIR SOURCE [SOURCE ...]"
_PLACES = {
    **dict.fromkeys(["star", "gain", "quarantine"], "FILE"),
    **dict.fromkeys(["root", "data_dir", "parakeet", "roodmus"], "DIR"),
    **{"copick": "FILE|URL", "portal": "DIR|URL", "archive": "URL|DIR", "api": "URL"},
}
"""What stands for the values of options that are files, folders or addresses."""


def add_commands(commands: Any) -> None:
    """Add `publish` to the parser of `perc`."""
    parser = commands.add_parser(
        "publish",
        help="publish a dataset to a folder or to the Hugging Face Hub",
        description="Publish a dataset to a folder or to the Hugging Face Hub, where plain `datasets` loads it.",
        usage=_USAGE,
        epilog=_MORE,
        add_help=False,
    )
    words = "show this help; after a SOURCE, that of its builder with all options"
    parser.add_argument("-h", "--help", action=_Help, nargs=0, help=words)
    parser.add_argument(
        "source",
        nargs="+",
        metavar="SOURCE",
        help="a folder whose file names tell classes, an entry such as EMPIAR-10943, a particle table (.star, or .cs"
        " with its passthrough files), the config .json of a copick project; or a builder"
        f" ({', '.join(MODULES)}), then its folder, entry, table or ids",
    )
    _add_publishing(parser)
    _add_builders(parser, sorted(MODULES, key="synthetic".__eq__))  # what a name means, the others say
    parser.set_defaults(run=_publish)


class _Help(argparse.Action):
    """Shows the help of a builder, where the words before tell which one is meant; else what all have in common."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        try:
            builder, rest = _builder(namespace.source or [])
        except OptionError:
            _common(parser).print_help()
            parser.exit()
        own = argparse.ArgumentParser(prog=f"{parser.prog} {builder}", usage=_USAGE, epilog=_MORE)
        main = _main(builder, rest)
        own.add_argument("source", nargs="*", metavar="SOURCE", help=_explanations(builder)[main])
        _add_publishing(own)
        _add_builders(own, [builder])
        own.print_help()
        parser.exit()


def _common(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """What a parser takes but for the options of builders, where these are only named."""
    common = argparse.ArgumentParser(parser.prog, _USAGE, parser.description, _MORE, add_help=False)
    of_builders = [group for group in parser._action_groups if str(group.title).startswith(_GROUP)]
    hidden = [action for group in of_builders for action in group._group_actions]
    for action in parser._actions:
        if action not in hidden:
            common._add_action(action)
    told = f"`{parser.prog} BUILDER --help` lists them for {', '.join(MODULES)}"
    common.add_argument_group(f"{_GROUP}builders", told)
    return common


def _add_builders(parser: argparse.ArgumentParser, builders: Sequence[str]) -> None:
    """Add the options of some builders, of which one that several have is added once."""
    fields: dict[str, Any] = {}
    for builder in builders:
        group = parser.add_argument_group(f"{_GROUP}{builder}")
        explanations = _explanations(builder)
        for field in _options(builder):
            explanation = explanations.get(field.name, "")
            if field.name not in fields:
                fields[field.name] = field.default, _add_option(group, field, explanation)
                continue
            default, action = fields[field.name]  # said of an earlier builder: mostly, it means the same
            if isinstance(default, bool) and default is not field.default:
                action.help += f"; of {builder}: {explanation}"
            if isinstance(field.default, bool) and not isinstance(default, bool):
                several = action.nargs == "+"
                action.nargs, action.const = "*" if several else "?", None if several else True  # a flag of this one
                action.help += f"; of {builder}, alone: {explanation}"


def _add_publishing(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--to", required=True, metavar="DIR", help="a folder, or hf://datasets/OWNER/NAME on the Hub")
    add(
        "--transform",
        action="append",
        default=[],
        metavar="T",
        help="apply a transform, such as 'Rescale(64)'; may be repeated, and is done in order",
    )
    add("--crop", type=int, nargs="+", metavar="N", help="crop images to N pixels a side, or to NY NX")
    add("--pad", type=int, nargs="+", metavar="N", help="pad images to N pixels a side, or to NY NX")
    add(
        "--layout",
        default=LAYOUTS[0],
        metavar="X",
        help="how images are stored: lists, or bytes, which read faster (default: lists)",
    )
    add("--preview", action="store_true", help="add a column of 8-bit pictures for the viewer of the Hub")
    add("--title", metavar="TEXT", help="title of the dataset (default: that of the entry)")
    add("--license", metavar="ID", help="licence, such as cc-by-4.0 (default: that of the archive)")
    add("--doi", help="DOI of the data (default: that of the entry)")
    add("--citation", metavar="TEXT", help="paper to cite (default: that of the entry)")
    add("--max-shard-size", default="500MB", metavar="SIZE", help="largest size of a file (default: 500MB)")
    add("--num-proc", type=int, metavar="N", help="number of processes that write files (default: 1)")
    add("--dask", metavar="tcp://...", help="address of a dask scheduler whose workers write files")
    add("--work-dir", metavar="DIR", help="folder for files until they are on the Hub (default: in the cache)")
    add("--private", action="store_true", help="make a new repository on the Hub private")
    add("--overwrite", action="store_true", help="replace another dataset, or write among other files")


def _config(builder: str) -> Any:
    """The dataclass of a builder's options."""
    module = importlib.import_module(MODULES[builder])
    own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    return next(kind for value in own if dataclasses.is_dataclass(kind := getattr(value, "BUILDER_CONFIG_CLASS", None)))


def _options(builder: str) -> list[Any]:
    """The options of a builder: the fields of its config."""
    named = [field for field in dataclasses.fields(_config(builder)) if field.name not in _INHERITED]
    return [field for field in named if field.name != "data_dir" or builder == "local_classes"]


def _explanations(builder: str) -> dict[str, str]:
    """What docstrings say of each option of a builder, in short: its own, and that of options it shares."""
    said: dict[str, str] = {}
    for kind in reversed(_config(builder).__mro__):
        if kind.__module__.startswith("builders."):
            told = inspect.cleandoc(str(kind.__doc__))  # which Python takes the indentation from, from 3.13 on
            pieces = re.split(r"^ {4}(\w+): ", told, flags=re.MULTILINE)
            said |= {name: " ".join(text.split()) for name, text in zip(pieces[1::2], pieces[2::2], strict=True)}
    shown = {name: re.split(r"[;.]( |$)", text)[0].replace("%", "%%") for name, text in said.items()}
    return {name: re.sub(r'`("?)([^`]*)\1`', r"\2", text) for name, text in shown.items()}  # no Python in a shell


def _add_option(group: Any, field: Any, explanation: str) -> argparse.Action:
    flag = f"--{field.name.replace('_', '-')}"
    place = _PLACES.get(field.name, "X")
    if isinstance(field.default, str | int | float) and not isinstance(field.default, bool) and field.default != "":
        explanation += f" (default: {field.default})"
    if field.name == "endpoints":
        words = "use this URL or folder for a service; may be repeated"
        options = {"dest": field.name, "metavar": "NAME=BASE", "type": _pair, "help": words}
        return cast(argparse.Action, group.add_argument("--endpoint", action="append", **options))
    if field.name == "frames" and _is_stretch(field):
        words = f"{explanation}, written --frames=START:STOP, such as --frames=-3: for the last three"
        return cast(argparse.Action, group.add_argument(flag, type=_frames, metavar="START:STOP", help=words))
    named = typing.get_args(field.type) or (field.type,)
    kinds = {*named, *itertools.chain(*map(typing.get_args, named))}
    if bool in kinds:
        default = field.default is True
        action: Any = argparse.BooleanOptionalAction if default else "store_true"
        return cast(argparse.Action, group.add_argument(flag, default=None, action=action, help=explanation))
    kind: Any = float if float in kinds else int if int in kinds and str not in kinds else str
    several = "+" if field.name in _LISTED else None
    return cast(argparse.Action, group.add_argument(flag, type=kind, nargs=several, metavar=place, help=explanation))


def _is_stretch(field: Any) -> bool:
    """Whether frames are those from one to another, and not how many there are."""
    return int not in typing.get_args(field.type)


def _frames(text: str) -> int | tuple[int | None, int | None]:
    """The first frame and the one after the last, either of which may be left open; or how many there are."""
    if text.isdecimal():
        return int(text)
    match = re.fullmatch(r"(-?\d+)?:(-?\d+)?", text)
    if match is None:
        msg = f"{text!r}: {_STRETCH}"
        raise argparse.ArgumentTypeError(msg)
    start, stop = (None if end is None else int(end) for end in match.groups())
    return start, stop


def _pair(text: str) -> tuple[str, str]:
    name, separator, base = text.partition("=")
    if not separator or not name or not base:
        msg = f"{text!r}: expected NAME=BASE"
        raise argparse.ArgumentTypeError(msg)
    return name, base


def _publish(arguments: argparse.Namespace) -> int:
    """Publish, and say how to load what was published."""
    from builders.publishing.front.front_page import Told
    from builders.publishing.publish import publish
    from builders.publishing.targets import address_of

    builder, options = _source(arguments)
    # what is wrong is said before anything is read, or fetched
    transforms = [_transform(text) for text in arguments.transform]
    Told(license=arguments.license, doi=arguments.doi)
    check_choice("layout", arguments.layout, LAYOUTS)
    address_of(arguments.to)
    loaded = load_dataset(builder, streaming=builder in _STREAMED and not arguments.download, **options)
    done = publish(
        _transformed(loaded, transforms) if transforms else loaded,
        arguments.to,
        crop=_size(arguments.crop),
        pad=_size(arguments.pad),
        **{name: getattr(arguments, name) for name in ("layout", "preview", "title", "license", "doi", "citation")},
        **{name: getattr(arguments, name) for name in ("max_shard_size", "num_proc", "dask", "work_dir", "private")},
        overwrite=arguments.overwrite,
    )
    rows = ", ".join(f"{count} rows of {split}" for split, count in done.rows.items())
    files = f"{done.shards} file{'s' * (done.shards != 1)}, {done.file_bytes / 1e6:.1f} MB"
    print(printable(f"{done.where}: {rows} in {files}"))
    print(printable(f"load it with: datasets.load_dataset({done.where.removeprefix('hf://datasets/')!r})"))
    return 0


def _source(arguments: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The builder that is meant, and its options.

    Raises:
        OptionError: it cannot be told which one, or it takes one value and several are given, or another kind of it.
    """
    builder, rest = _builder(arguments.source)
    names = {field.name for other in MODULES for field in _options(other)}
    given = {name: value for name in sorted(names) if (value := getattr(arguments, name, None)) is not None}
    if "endpoints" in given:
        given["endpoints"] = dict(given["endpoints"])
    if given.get("dtype", "").lower() == "none":
        given["dtype"] = None
    if "picks" in given:
        given["picks"] = named_words(given["picks"])
    stretched = [field.name for field in _options(builder) if field.name == "frames" and _is_stretch(field)]
    if stretched and isinstance(given.get("frames"), int):
        msg = f"--frames={given['frames']}: {_STRETCH}"
        raise OptionError(msg)
    given |= {name: given[name][0] for name in _SIDES if len(given.get(name, ())) == 1}
    given |= {name: _flag(name, given[name]) for name in _flags(builder) & given.keys()}
    numbers = {field.name for field in _options(builder) if type(field.default) is int}
    given |= {name: int(value) for name, value in given.items() if name in numbers and str(value).isdecimal()}
    main = _main(builder, rest)
    if rest and main not in _SEVERAL and len(rest) > 1:
        msg = f"{builder} reads one {main}: not {' and '.join(map(repr, rest))}"
        raise OptionError(msg)
    if rest and main in given:
        msg = f"{main} is given twice: {' '.join(rest)} and --{main.replace('_', '-')}"
        raise OptionError(msg)
    if rest:
        given[main] = rest if main in _SEVERAL else rest[0]
    if main == "ids" and len(given.get(main, ())) == 1 and Path(given[main][0]).is_file():
        given[main] = given[main][0]
    return builder, given


def _builder(source: Sequence[str]) -> tuple[str, list[str]]:
    """The builder that the words of a source mean, and what it is to read.

    Raises:
        OptionError: they tell none.
    """
    first = source[0] if source else ""
    if source:
        check_named("SOURCE", first)
    builder = first.replace("-", "_").lower()
    if builder in MODULES:
        return builder, list(source[1:])
    if first and Path(first).expanduser().is_dir():
        return "local_classes", list(source)
    if _ENTRY.fullmatch(first):
        return "empiar", list(source)
    if first.lower().endswith(_TABLES):
        return "particles", list(source)
    if _is_project(first):
        return "tomograms", list(source)
    msg = f"{first!r} is neither a folder nor an entry such as EMPIAR-10943, a particle table or a copick project: "
    msg += f"expected one of these, or a builder ({', '.join(MODULES)}) and what it is to read"
    raise OptionError(msg)


def _main(builder: str, rest: Sequence[str]) -> str:
    """The option that what a builder is to read stands for."""
    return "copick" if builder == "tomograms" and rest and _is_project(rest[0]) else _MAIN[builder]


def _is_project(word: str) -> bool:
    return word.partition("?")[0].lower().endswith(".json")


def _flags(builder: str) -> set[str]:
    """The options of a builder that are on or off."""
    return {field.name for field in _options(builder) if isinstance(field.default, bool)}


def _flag(name: str, value: Any) -> bool:
    """Whether an option is on, which is a text where an earlier builder has one of its name.

    Raises:
        OptionError: it is neither.
    """
    if isinstance(value, list):
        value = " ".join(value) or True
    if isinstance(value, bool):
        return value
    if value.lower() not in ("true", "false"):
        msg = f"--{name} {value}: expected true or false"
        raise OptionError(msg)
    return bool(value.lower() == "true")


def _size(sides: Sequence[int] | None) -> int | tuple[int, ...] | None:
    if sides is None:
        return None
    return sides[0] if len(sides) == 1 else tuple(sides)


def _transform(text: str) -> Any:
    """The transform that a text such as `Rescale(64)` spells; nothing in it is run.

    Raises:
        OptionError: it spells none; says what is wrong.
        TransformError: an option of it cannot be.

    Example:
        >>> _transform("Lowpass(20.0, width=4)")
        Lowpass(resolution=20.0, width=4)
    """
    import perc_transforms

    try:
        called = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError) as err:
        raise _misspelt(text, f"{getattr(err, 'msg', err)}: expected a call such as 'Rescale(64)'") from err
    if not isinstance(called, ast.Call):
        raise _misspelt(text, _no_call(called))
    kind = getattr(perc_transforms, _known(text, called.func))
    try:
        values = [ast.literal_eval(value) for value in called.args]
        named = {str(word.arg or "**"): ast.literal_eval(word.value) for word in called.keywords}
    except (ValueError, TypeError) as err:
        raise _misspelt(text, "options are numbers, texts in quotes, True, False, None, and lists of these") from err
    parameters = inspect.signature(kind).parameters.values()
    signature = inspect.Signature([parameter.replace(annotation=parameter.empty) for parameter in parameters])
    try:
        signature.bind(*values, **named)
    except TypeError as err:
        raise _misspelt(text, f"{err}: expected {kind.__name__}{signature}") from err
    return kind(*values, **named)


def _misspelt(text: str, what: str) -> OptionError:
    return OptionError(f"--transform {text!r}: {what}")


def _no_call(found: ast.expr) -> str:
    """What is wrong with an expression that is no call."""
    if isinstance(found, ast.Name | ast.Attribute):
        name = found.id if isinstance(found, ast.Name) else found.attr
        return f"expected its options in brackets, such as '{name}()' or 'Rescale(64)'"
    if isinstance(found, ast.Tuple | ast.List):
        return "expected one transform: each has a --transform of its own, in order"
    return "expected a call such as 'Rescale(64)'"


def _known(text: str, function: ast.expr) -> str:
    """The name of the transform that is called, alone or as Python has it: `T.Rescale`.

    Raises:
        OptionError: there is none of that name; names those that are close.
    """
    import perc_transforms

    known = sorted(
        name
        for name in perc_transforms.__all__
        if isinstance(kind := getattr(perc_transforms, name), type)
        and issubclass(kind, perc_transforms.Transform)
        and name not in ("Compose", "RandomTransform", "Transform")
    )
    name = ast.unparse(function).removeprefix("T.").removeprefix("perc_transforms.")
    if name == "Compose":
        raise _misspelt(text, "each transform has a --transform of its own, in order")
    if name not in known:
        spelt = {one.lower(): one for one in known}
        close = [repr(spelt[one]) for one in difflib.get_close_matches(name.lower(), spelt, n=3)]
        hint = f"did you mean {' or '.join(close)}?" if close else f"expected one of {', '.join(known)}"
        raise _misspelt(text, f"there is no transform {name!r}: {hint}")
    return name


def _transformed(loaded: Any, transforms: list[Any]) -> Any:
    """Every split with the transforms, in the way that its kind asks for."""
    from datasets import DatasetDict

    from perc_transforms import Compose

    chain = Compose(transforms)
    if isinstance(loaded, DatasetDict):
        return DatasetDict({split: rows.with_transform(chain) for split, rows in loaded.items()})
    return loaded.map(chain, batched=True, batch_size=16)
