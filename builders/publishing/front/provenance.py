"""Where a dataset is from and what was done to it. What servers and files say of it is read as hostile text."""

import datetime
import difflib
import importlib.metadata
import logging
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import datasets

from builders.archive_licences import ARCHIVES, LICENSES, Entry, entry_of, license_of
from builders.errors import OptionError
from builders.options import READ_WITH
from builders.release import NAME, VERSION
from builders.terminal import printable

logger = logging.getLogger(__name__)

_DOI = re.compile(r"10\.[0-9]{4,9}(?:\.[0-9]+)*/[!-~]{1,200}", re.ASCII)
_RESOLVER = re.compile(r"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)", re.IGNORECASE)
_URL = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]+)?(?:/[a-z0-9._~/%?=&+-]*)?", re.ASCII | re.IGNORECASE)
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_QUOTED_PATH = re.compile(r"""(?P<quote>['"])(?P<path>(?:/|~|[A-Za-z]:[\\/]|\\\\|file://)[^'"]*)(?P=quote)""")
_BARE_PATH = re.compile(r"""(?<![^\s=(,\[{:])(?:~|[A-Za-z]:)?(?:/[^\s/'",)\]}]+){2,}""")
_LONGEST = {"title": 300, "citation": 10_000, "value": 1_000}
_PACKAGES = ("datasets", "pyarrow", "numpy")


@dataclass(frozen=True)
class Provenance:
    """What is known of a dataset's origin. No text in it holds control characters, and none a path of this machine.

    Attributes:
        title: of one line.
        builder: name of the `datasets` builder that made the rows; empty where they were made in another way.
        entries: of archives.
        sources: what else the rows say of where they are from: distinct values of columns, such as `imageset`.
        doi: of the data; None where there is none, or several.
        license: identifier of the Hub; None where it is not known.
        citation: plain text or BibTeX, of any number of lines.
        homepage: URL; empty where there is none.
        options: by which files became rows, as a call of the builder; several where datasets were joined.
        transforms: what was done to the rows, first to last, with parameters.
        versions: of what it was made with, by package.
        date: of publishing, such as `2026-11-25`.
    """

    title: str
    builder: str
    entries: tuple[Entry, ...]
    sources: Mapping[str, tuple[str, ...]]
    doi: str | None
    license: str | None
    citation: str
    homepage: str
    options: tuple[str, ...]
    transforms: tuple[str, ...]
    versions: Mapping[str, str]
    date: str

    def as_dict(self) -> dict[str, Any]:
        """As what JSON can hold."""
        return asdict(self)


def provenance_of(
    info: datasets.DatasetInfo,
    sources: Mapping[str, Sequence[str]],
    transforms: Sequence[str],
    *,
    title: str | None = None,
    license: str | None = None,
    doi: str | None = None,
    citation: str | None = None,
) -> Provenance:
    """What is known of a dataset's origin.

    Args:
        info: of the dataset.
        sources: by column, the distinct values in its rows: `entry`, or `source` and `entry_id`, name entries.
        transforms: what was done to the rows, as `repr` shows it.
        title: of the dataset; None: the first line of its description, or its entry, or its name.
        license: identifier of the Hub; None: the archives' own, where all rows are from archives that are known.
        doi: of the data; None: the entry's, where there is one.
        citation: None: that of `info`.

    Raises:
        OptionError: `license` or `doi` cannot be one.

    Example:
        >>> known = provenance_of(datasets.DatasetInfo(), {"entry": ["EMPIAR-10943"]}, ["Normalize()"])
        >>> known.title, known.doi, known.license
        ('EMPIAR-10943', '10.6019/EMPIAR-10943', 'cc0-1.0')
    """
    entries, archives = _entries(sources)
    if license is not None:
        license = check_license(license)
    else:
        license = license_of(archives) if archives else _license_told(info.license)
    if license is None:
        logger.warning(
            "the licence of this dataset is not known: it is published as 'unknown'; license='cc-by-4.0'"
            " (--license), or another identifier of the Hub, says it"
        )
    if doi is not None:
        doi = check_doi(doi)
    elif len(entries) == 1:
        doi = entries[0].doi
    name = info.dataset_name or info.builder_name  # a folder's, where `datasets` itself has loaded it
    described = title or info.description or ", ".join(entry.name for entry in entries[:3]) or name
    homepage = info.homepage if _URL.fullmatch(info.homepage or "") else ""
    return Provenance(
        title=one_line(described or "A dataset"),
        builder=one_line(info.builder_name or ""),
        entries=entries,
        sources=_others(sources, {entry.name for entry in entries}),
        doi=doi,
        license=license,
        citation=_lines(citation or info.citation or ""),
        homepage=homepage or (entries[0].url if len(entries) == 1 else ""),
        options=tuple(shown(f"{one_line(info.builder_name or 'load_dataset')}({line})") for line in _read_with(info)),
        transforms=tuple(shown(transform) for transform in transforms),
        versions=_versions(),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )


def _read_with(info: datasets.DatasetInfo) -> list[str]:
    """The options that the description tells below its first line."""
    below = (info.description or "").splitlines()[1:]
    return list(dict.fromkeys(line.removeprefix(READ_WITH) for line in below if line.startswith(READ_WITH)))


def check_license(license: str) -> str:
    """An identifier of a licence that the Hub has: it takes no card with another one.

    Raises:
        OptionError: it is none; names those that are close.

    Example:
        >>> check_license("cc-by-4.0")
        'cc-by-4.0'
    """
    if isinstance(license, str) and license in LICENSES:
        return license
    spelt = re.sub(r"[\s_-]+", "-", str(license).strip().lower())
    close = difflib.get_close_matches(spelt, LICENSES, n=3)
    hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    msg = f"license is {license!r}: {hint}expected an identifier of the Hub, such as 'cc0-1.0', 'cc-by-4.0' or 'mit';"
    msg += " 'other' for a licence that it does not list"
    raise OptionError(msg)


def check_doi(doi: str) -> str:
    """A DOI without what may stand before it.

    Raises:
        OptionError: it is none.

    Example:
        >>> check_doi("https://doi.org/10.6019/EMPIAR-10943")
        '10.6019/EMPIAR-10943'
    """
    bare = _RESOLVER.sub("", doi.strip(), count=1) if isinstance(doi, str) else ""
    if _DOI.fullmatch(bare):
        return bare
    msg = f"doi is {doi!r}: expected one such as '10.6019/EMPIAR-10943'"
    raise OptionError(msg)


def one_line(text: str) -> str:
    r"""Text of others in one line of at most 300 characters, the first that is not empty.

    Example:
        >>> one_line("  a\tb\x1b[31m  \nc")
        'a b?[31m'
    """
    lines = [" ".join(printable(line.replace("\t", " ")).split()) for line in text[:10_000].splitlines()]
    line = next(filter(None, lines), "")
    most = _LONGEST["title"]
    return line if len(line) <= most else f"{line[: most - 3]}..."


def shown(transform: str) -> str:
    """What `repr` shows of a transform, in one line, without addresses in memory and folders of this machine.

    Example:
        >>> shown("Subtract(image='/home/me/data/gain.mrc', by=<function f at 0x7f01>)")
        "Subtract(image='gain.mrc', by=<function f>)"
    """

    def name_alone(match: re.Match[str]) -> str:
        quote = match["quote"]
        return f"{quote}{_without_folder(match['path'])}{quote}"

    text = _QUOTED_PATH.sub(name_alone, _ADDRESS.sub("", transform))
    line = " ".join(printable(_BARE_PATH.sub(lambda match: PurePosixPath(match[0]).name, text)).split())
    most = _LONGEST["value"]
    return line if len(line) <= most else f"{line[: most - 3]}..."


def _entries(sources: Mapping[str, Sequence[str]]) -> tuple[tuple[Entry, ...], set[str]]:
    """The entries that rows name, and the archives that they are from, `""` for what is from none that is known."""
    databases = set(sources.get("source", ())) if "entry_id" in sources else set()
    named = {name: {"empiar"} for name in sources.get("entry", ())}
    named |= dict.fromkeys(sources.get("entry_id", ()), databases)
    found = {
        name: [entry for archive in ARCHIVES if archive in archives and (entry := entry_of(archive, name))]
        for name, archives in named.items()
    }
    archives = databases | ({"empiar"} if sources.get("entry") else set())
    archives |= {""} if [] in found.values() else set()
    return tuple(entries[0] for entries in found.values() if entries), archives


def _others(sources: Mapping[str, Sequence[str]], entries: set[str]) -> dict[str, tuple[str, ...]]:
    """What rows say of where they are from, beside the entries."""
    left = {column: [value for value in values if value not in entries] for column, values in sources.items()}
    return {
        one_line(column): tuple(one_line(_without_folder(value)) for value in values)
        for column, values in left.items()
        if values
    }


def _license_told(text: str | None) -> str | None:
    """The identifier that `datasets` keeps; of several, where datasets were joined, the strictest that is known."""
    told = set((text or "").split())
    if len(told) == 1:
        (license,) = told
        return license if license in LICENSES else None
    known = {archive.license for archive in ARCHIVES.values()}
    return max(told, key=lambda license: license != "cc0-1.0") if told and told <= known else None


def _without_folder(path: str) -> str:
    """Of a path that says where on this machine something lies, the name alone; other text as it is."""
    bare = path.removeprefix("file://")
    if bare.startswith(("/", "~")):
        return PurePosixPath(bare).name
    if re.match(r"[A-Za-z]:[\\/]|\\\\", bare):
        return PureWindowsPath(bare).name
    return path


def _lines(text: str) -> str:
    """Text of others, of any number of lines."""
    lines = [printable(line.expandtabs(4)).rstrip() for line in text[: _LONGEST["citation"]].splitlines()]
    return "\n".join(lines).strip("\n")


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), NAME: VERSION}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:  # put together by hand
            versions[package] = "unknown"
    return versions
