"""`perc local-classes ...`."""

import argparse
import json
from collections import Counter, defaultdict
from typing import Any

from builders.local_classes.inspect import Report, inspect_folder
from builders.local_classes.names import PLACES
from builders.terminal import printable

_SHOWN = 20
_EXAMPLES = 3

_INSPECT = "list classes, shapes, pixel sizes in Å, duplicates and unusable files"
_PLACE = "class is the file name up to the first `_`, or the folder's name (default: name)"


def add_commands(commands: Any) -> None:
    """Add this builder's commands to the parser of `perc`."""
    parser = commands.add_parser("local-classes", help="check a folder of images whose names tell their class")
    actions = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    look = actions.add_parser("inspect", help=_INSPECT)
    look.add_argument("folder", metavar="DIR", help="folder with files such as CLASS_suffix.mrc")
    look.add_argument("--recursive", action="store_true", help="look into subfolders, too")
    look.add_argument(
        "--extension", metavar="EXT", help="take only these files, such as mrc or npy (default: all formats)"
    )
    look.add_argument("--class-from", choices=PLACES, default="name", help=_PLACE)
    look.add_argument(
        "--class-pattern", metavar="RE", help="regular expression for the name, with a group around the class"
    )
    look.add_argument("--json", action="store_true", help="print everything as JSON")
    look.set_defaults(run=_inspect)


def _inspect(arguments: argparse.Namespace) -> int:
    """Print the report; 1 when no file of the folder is usable."""
    where = arguments.class_from, arguments.class_pattern
    report = inspect_folder(arguments.folder, arguments.recursive, arguments.extension, *where)
    print(json.dumps(report.as_dict(), indent=2) if arguments.json else describe(report))
    return 0 if report.classes else 1


def describe(report: Report) -> str:
    """The report as a table and lists for people; long lists are cut."""
    total = sum(summary.files for summary in report.classes.values())
    lines = [f"{report.folder}: {total} usable files in {len(report.classes)} classes"]
    rows: list[tuple[str, ...]] = [("class", "files", "distinct", "shape", "type", "pixel size (Å)")]
    for label, summary in report.classes.items():
        kinds = (summary.shapes, summary.dtypes, summary.pixel_sizes)
        rows.append((label, str(summary.files), str(summary.distinct), *map(_kinds, kinds)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if report.classes:
        lines += ["", *("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)]
    lines += _listed("groups of files with the same pixels", [" = ".join(group) for group in report.duplicates])
    lines += _listed(
        'unusable files (on_error="skip" leaves them out)',
        [f"{path}: {reason}" for path, reason in report.unusable.items()],
    )
    lines += _listed("files with NaN or infinite pixels", [f"{p}: {n} pixels" for p, n in report.non_finite.items()])
    lines += _listed("files whose headers say another size", [f"{p}: {how}" for p, how in report.contradicted.items()])
    title = "stacks of images, each of them one row that is read as a volume"
    lines += _listed(title, [f"{path}: {count} images" for path, count in report.stacks.items()])
    orders = Counter(report.axis_orders.values()).most_common()
    title = "files in another order of axes (MAPC, MAPR, MAPS), read as z, y, x"
    lines += _listed(title, [f"{n} with {_order(order)}" for order, n in orders], len(report.axis_orders))
    lines += _listed("doubts about the classes", report.doubts)
    lines += _some("classes of one image alone, which stays in train", _alone(report))
    shapes = {shape for summary in report.classes.values() for shape in summary.shapes}
    if len(shapes) > 1:
        advice = "Pad, CenterCrop or Rescale brings them to one, else they do not stack into batches"
        lines += ["", f"different shapes: {len(shapes)} ({advice})"]
    lines += _some("files without a pixel size (pixel_size=... gives one)", report.without_pixel_size)
    lines += _passed_over(report.skipped)
    lines += _listed("hidden names passed over", report.hidden)
    advice = "--recursive looks into them, --class-from folder makes classes of them"
    lines += _some(f"folders not looked into ({advice})", report.folders)
    return printable("\n".join(line.replace("\n", "?") for line in lines))


def _alone(report: Report) -> list[str]:
    """The classes that a split for validation would have nothing of, where there are others."""
    alone = [label for label, summary in report.classes.items() if summary.distinct == 1]
    return alone if len(report.classes) > 1 else []


def _order(mapcrs: tuple[int, int, int]) -> str:
    shown = ", ".join(map(str, mapcrs))
    return shown if sorted(mapcrs) == [1, 2, 3] else f"{shown}, which is none: taken for 1, 2, 3"


def _kinds(counts: dict[str, int]) -> str:
    """One kind alone, or several with their numbers."""
    if len(counts) == 1:
        return next(iter(counts))
    shown = [f"{kind} ({count})" for kind, count in list(counts.items())[:3]]
    return ", ".join(shown) + (f" and {len(counts) - 3} more" if len(counts) > 3 else "")


def _passed_over(skipped: dict[str, str]) -> list[str]:
    """How many files, and of each reason how many, and such as which."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for path, reason in skipped.items():
        by_reason[reason].append(path)
    kinds = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    lines = [f"{len(paths)} with {reason} ({_few(paths)})" for reason, paths in kinds]
    return _listed("files passed over", lines, len(skipped))


def _some(title: str, paths: list[str]) -> list[str]:
    return _listed(title, [_few(paths)] if paths else [], len(paths))


def _few(paths: list[str]) -> str:
    more = f" and {len(paths) - _EXAMPLES} more" if len(paths) > _EXAMPLES else ""
    return f"{', '.join(paths[:_EXAMPLES])}{more}"


def _listed(title: str, items: list[str], total: int | None = None) -> list[str]:
    if not items:
        return []
    more = [f"  ... and {len(items) - _SHOWN} more (--json lists all)"] if len(items) > _SHOWN else []
    return ["", f"{title}: {len(items) if total is None else total}", *(f"  {item}" for item in items[:_SHOWN]), *more]
