"""The README.md of a published dataset: of a complete one, and of one that is still being published."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import datasets
from datasets.info import DatasetInfosDict
from datasets.splits import SplitDict, SplitInfo
from datasets.utils.metadata import MetadataConfigs

from builders.publishing.front.columns import classes_of, meaning, other_readers, told
from builders.publishing.front.markdown import code, escaped, fenced, table
from builders.publishing.front.provenance import Provenance
from builders.publishing.parts import MARKER, SHEET
from builders.publishing.writing.pixels import is_bytes
from builders.terminal import printable

UNFINISHED = "NOT-COMPLETE-YET/publishing-goes-on-when-the-same-command-is-run-again.parquet"
"""Names no file, and stands in the error of whoever loads a dataset that is still being published."""

_TAGS = {"empiar": ["cryo-em", "empiar"], "local_classes": ["cryo-em"], "structures": ["protein-structure"]}
_READ = {"empiar": "Movies", "local_classes": "Movies", "tilt_series": "Tilt series", "tomograms": "Tomograms"}
"""What options tell of, by builder: those of archives and folders of classes only how movies were read."""
_SIZES = ["1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T"]
_MOST_SHOWN = 50
"""Entries, classes and other names that are listed; what is left out is counted."""


def complete_card(
    provenance: Provenance,
    features: datasets.Features,
    splits: Mapping[str, tuple[int, int]],
    shards: Mapping[str, int],
    download_size: int,
    *,
    address: str,
    images: Sequence[str] = (),
    has_sheet: bool = False,
    tags: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    """The front page of a dataset that is complete.

    Args:
        provenance: where it is from.
        features: of its rows.
        splits: rows, and bytes of them in memory, by split.
        shards: number of files, by split.
        download_size: bytes of all files.
        address: what `load_dataset` takes: `OWNER/NAME`, or the folder.
        images: columns with images.
        has_sheet: whether there is a sheet of thumbnails beside it.
        tags: more of them, for the Hub.
        notes: sentences that readers should know.
    """
    rows = sum(count for count, _ in splits.values())
    parts = [
        f"# {escaped(provenance.title)}",
        f"![Some of the images]({SHEET})" if has_sheet else "",
        _summary(provenance, rows, features),
        _splits(splits, shards, download_size),
        "\n".join(f"- {escaped(note)}" for note in notes if note.strip()),
        "## Loading it",
        _loading(address, next(iter(splits)), images, [name for name, one in features.items() if is_bytes(one)]),
        other_readers(features),
        "## Columns",
        _columns(features),
        *_options(provenance),
        *_transforms(provenance),
        *_origin(provenance),
        "## Licence",
        f"`{provenance.license}`" if provenance.license else "Not known: whoever published this did not say.",
        "## Made with",
        _made_with(provenance),
    ]
    info = datasets.DatasetInfo(
        features=features,
        splits=_split_dict(splits),
        download_size=download_size,
        dataset_size=sum(size for _, size in splits.values()),
    )
    data = _data(provenance, rows, tags)
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits]
    MetadataConfigs({"default": {"data_files": files}}).to_dataset_card_data(data)
    DatasetInfosDict({"default": info}).to_dataset_card_data(data)
    if not _survives(data, features):  # the files themselves tell their features, too
        del data["dataset_info"]["features"]
    return _page(data, parts)


def unfinished_card(title: str, done: int, total: int) -> str:
    """The front page of a dataset that is being published: whoever loads it gets an error that says so.

    Args:
        title: of the dataset.
        done: files that are there.
        total: files that there will be, as far as it is known.

    Example:
        >>> print(unfinished_card("A deposit", 3, 12).partition("# A deposit")[2].split(chr(10))[2])
        **This dataset is not complete yet and cannot be loaded: 3 of 12 files are there.**
    """
    from huggingface_hub import DatasetCardData

    data = DatasetCardData(pretty_name=title, viewer=False)
    MetadataConfigs({"default": {"data_files": UNFINISHED}}).to_dataset_card_data(data)
    said = f"**This dataset is not complete yet and cannot be loaded: {done} of {total} files are there.**"
    rest = "Publishing goes on when the same command is run again; files that are there are not made again."
    return _page(data, [f"# {escaped(title)}", said, rest])


def size_category(rows: int) -> str:
    """The Hub's name for a number of rows.

    Example:
        >>> size_category(12), size_category(1000), size_category(5 * 10**12)
        ('n<1K', '1K<n<10K', 'n>1T')
    """
    place = max(0, len(str(rows)) - 3)
    if place == 0:
        return "n<1K"
    return "n>1T" if place >= len(_SIZES) else f"{_SIZES[place - 1]}<n<{_SIZES[place]}"


def _page(data: Any, parts: Sequence[str]) -> str:
    return f"---\n{data.to_yaml(line_break=chr(10))}\n---\n\n" + "\n\n".join(filter(None, parts)) + "\n"


def _data(provenance: Provenance, rows: int, tags: Sequence[str]) -> Any:
    from huggingface_hub import DatasetCardData

    known = _TAGS.get(provenance.builder, ["cryo-em"])
    more = [re.sub(r"[^a-z0-9:._-]+", "-", tag.lower()).strip("-") for tag in tags]
    return DatasetCardData(
        license=provenance.license or "unknown",
        pretty_name=provenance.title,
        size_categories=[size_category(rows)],
        tags=list(dict.fromkeys(filter(None, [*known, *more]))),
    )


def _split_dict(splits: Mapping[str, tuple[int, int]]) -> SplitDict:
    made = SplitDict()
    for name, (rows, size) in splits.items():
        made.add(SplitInfo(name, num_bytes=size, num_examples=rows))
    return made


def _survives(data: Any, features: datasets.Features) -> bool:
    """Whether features can stand in a card: `datasets` reads them there as they were, and no text in them misleads."""
    from huggingface_hub import DatasetCard

    page = _page(data, [])
    if page != printable(page):
        return False
    try:
        read = DatasetInfosDict.from_dataset_card_data(DatasetCard(page).data)
    except (ValueError, TypeError, KeyError):
        return False
    return bool(read["default"].features == features)


def _summary(provenance: Provenance, rows: int, features: datasets.Features) -> str:
    names = [f"[{escaped(entry.name)}]({entry.url})" for entry in provenance.entries]
    origin = f" of {names[0]}" if len(names) == 1 else f" of {len(names)} entries" if names else ""
    pictures = [code(name) for name, feature in features.items() if isinstance(feature, datasets.Image)]
    by = f"`datasets` loads them, with Pillow for {', '.join(pictures)}" if pictures else "`datasets` alone loads them"
    return f"{_counted(rows, 'row')}{origin}, as Parquet files with standard features: {by}."


def _splits(splits: Mapping[str, tuple[int, int]], shards: Mapping[str, int], download_size: int) -> str:
    rows = [
        [code(name), f"{count:,}", f"{shards.get(name, 0):,}", _size(size)] for name, (count, size) in splits.items()
    ]
    listed = table(["split", "rows", "files", "in memory"], rows)
    return f"{listed}\n\nThe files are {_size(download_size)} together."


def _loading(address: str, split: str, images: Sequence[str], as_bytes: Sequence[str]) -> str:
    """Code that loads it, which runs as it stands."""
    call = f"load_dataset({_literal(address)}, split={_literal(split)}"
    where = "" if "/" in address else "  # the path of this folder"
    arrays = [name for name in images if name not in as_bytes]
    numpy = '.with_format("numpy")' if arrays else ""
    whole = ["from datasets import load_dataset", "", f"ds = {call}){where}"]
    if arrays:
        whole += [f'ds = ds{numpy}  # or "torch"', f"image = ds[0][{_literal(arrays[0])}]"]
    else:
        whole += ["row = ds[0]"]
    stream = [f"stream = {call}, streaming=True){numpy}", "row = next(iter(stream))  # fetches the first rows, no more"]
    text = ["As a whole, and as a stream:", *(fenced("\n".join(lines), "python") for lines in (whole, stream))]
    if as_bytes:
        text += _of_bytes(as_bytes)
    if images:
        named = "" if list(images) == ["image"] else f", columns=[{', '.join(map(_literal, images))}]"
        ours = ["from builders import as_em_images", "", f"ds = as_em_images({call}){named})"]
        ours += [f"image = ds[0][{_literal(images[0])}]"]
        text += ["With the project that published it, images are arrays in every format, ready for its transforms:"]
        text += [fenced("\n".join(ours), "python")]
    return "\n\n".join(text)


def _of_bytes(columns: Sequence[str]) -> list[str]:
    """How arrays are made of images that are stored as bytes, with NumPy alone."""
    lines = [f"stored = row[{_literal(columns[0])}]"]
    lines += ['image = np.frombuffer(stored["bytes"], stored["dtype"]).reshape(stored["shape"])']
    names = ", ".join(map(code, columns))
    said = f"Pixels of {names} are bytes, in C order, with their shape and their type. An array is made of a row by two"
    said += " lines; it cannot be written to, and `.copy()` of it can:"
    return [said, fenced("\n".join(["import numpy as np", "", *lines]), "python")]


def _literal(text: str) -> str:
    """Text as Python spells it."""
    return f'"{text}"' if text.isprintable() and not set(text) & set('"\\') else repr(text)


def _columns(features: datasets.Features) -> str:
    rows = [[code(name), escaped(told(feature)), meaning(name, feature)] for name, feature in features.items()]
    parts = [table(["column", "type", "meaning"], rows)]
    for column, names in classes_of(features).items():
        listed = ", ".join(f"{number}: {escaped(name)}" for number, name in enumerate(names[:_MOST_SHOWN]))
        parts.append(f"Classes of {code(column)}: {listed}{_more(len(names))}.")
    return "\n\n".join(parts)


def _options(provenance: Provenance) -> list[str]:
    if not provenance.options:
        return []
    what = _READ.get(provenance.builder, "Files")
    return ["## Reading", f"{what} became rows by these options:", fenced("\n".join(provenance.options), "python")]


def _transforms(provenance: Provenance) -> list[str]:
    if not provenance.transforms:
        return []
    return ["## Transforms", "Done to the rows, in this order:", fenced("\n".join(provenance.transforms), "python")]


def _origin(provenance: Provenance) -> list[str]:
    """Entries, and how to cite them."""
    parts = []
    lines = [f"- {escaped(e.archive)} {_link(e.name, e.doi, e.url)}" for e in provenance.entries[:_MOST_SHOWN]]
    if len(provenance.entries) > _MOST_SHOWN:
        lines.append(f"- {len(provenance.entries) - _MOST_SHOWN} more, which `{MARKER}` lists")
    for column, values in provenance.sources.items():
        listed = ", ".join(map(escaped, values[:_MOST_SHOWN]))
        lines.append(f"- {code(column)}: {listed}{_more(len(values))}")
    if provenance.doi is not None and provenance.doi not in {entry.doi for entry in provenance.entries}:
        lines.append(f"- DOI {_link(provenance.doi, provenance.doi, '')}")
    if provenance.homepage and provenance.homepage not in {entry.url for entry in provenance.entries}:
        lines.append(f"- {_link('Home page', None, provenance.homepage)}")
    if lines:
        parts += ["## Source", "\n".join(lines)]
    if provenance.citation:
        parts += ["## Citation", fenced(provenance.citation)]
    return parts


def _link(text: str, doi: str | None, url: str) -> str:
    return f"[{escaped(text)}]({url if doi is None else 'https://doi.org/' + quote(doi, safe='/:;')})"


def _made_with(provenance: Provenance) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions.items())
    return f"{escaped(versions)}; on {provenance.date}. `{MARKER}` says the same to programs."


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"


def _more(count: int) -> str:
    return f" and {count - _MOST_SHOWN} more" if count > _MOST_SHOWN else ""
