"""An entry's metadata: what the archive's API and its XML files say, as typed objects. Text in, objects out.

Deposits are uneven: numbers come as strings, anything may be null, categories are free text, two image sets may share
a name, and counts are often wrong. So nothing is required but the entry's number, and a count is only a hint.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any
from xml.etree import ElementTree

from builders.archive.citations import (
    Paper,
    authors,
    bare_doi,
    citation,
    line,
    papers_of_api,
    papers_of_xml,
    xml_authors,
)
from builders.errors import FormatError, OptionError

_ENTRY = re.compile(r"(?:EMPIAR-)?([1-9][0-9]{4,6})", re.IGNORECASE)
_NAMESPACE = "{http://pdbe.org/empiar}"


@dataclass(frozen=True, slots=True)
class ImageSet:
    """A set of images of an entry; what the depositor left out is None or empty.

    Attributes:
        number: its place in the entry, from 0.
        name: its name, which need not be the only one of it.
        directory: its folder inside the entry, without slashes around it; it need not exist.
        category: such as `"picked particles - multiframe - unprocessed"`, or free text.
        format: of the data, such as `"MRCS"`.
        count: images or tilt series, as claimed.
        frames: frames of each image, as claimed.
        pixel_size: Å per pixel along x; None when not positive.
        shape: rows and columns, as claimed.
        details: free text.
        voxel_type: of the pixels, such as `"UNSIGNED BYTE"`.
    """

    number: int
    name: str
    directory: str
    category: str
    format: str
    count: int | None
    frames: int | None
    pixel_size: float | None
    shape: tuple[int, int] | None
    details: str
    voxel_type: str = ""


@dataclass(frozen=True, slots=True)
class EntryInfo:
    """What is known of an entry.

    Attributes:
        entry: such as `"EMPIAR-10934"`.
        title: its title.
        size: of all its data, as text, such as `"1.3 TB"`.
        doi: of the entry.
        citation: of its papers, a line for each, with all authors; of the entry where there are none, and empty where
            its authors are not known either.
        imagesets: its image sets, in the archive's order.
    """

    entry: str
    title: str
    size: str
    doi: str
    citation: str
    imagesets: tuple[ImageSet, ...]

    def imageset(self, wanted: str | int | None) -> ImageSet:
        """The image set of a name or number; None: the only one there is.

        Raises:
            OptionError: there is none, or several; the message lists them. Or `wanted` is neither.
        """
        sets = self.imagesets
        if isinstance(wanted, bool) or not isinstance(wanted, str | Integral | None):
            msg = f"{self.entry}: imageset is {wanted!r}: expected a name or a number, from 0"
            raise OptionError(msg)
        if wanted is None and len(sets) == 1:
            return sets[0]
        found = [s for s in sets if wanted is not None and wanted in (s.number, str(s.number), s.name)]
        by_name = [s for s in found if s.name == wanted]
        if len(by_name or found) == 1:
            return (by_name or found)[0]
        if found:
            numbers = " or ".join(str(s.number) for s in found)
            msg = f"{self.entry}: {len(found)} image sets are called {wanted!r}: choose by number, imageset={numbers}"
            raise OptionError(msg)
        problem = "which image set?" if wanted is None else f"no image set {wanted!r}."
        listed = "\n".join(f"  {describe(s)}" for s in sets) or "  none at all: name a directory"
        msg = f"{self.entry}: {problem} There are:\n{listed}"
        raise OptionError(msg)


def describe(imageset: ImageSet) -> str:
    """An image set in one line: number, name, category, format, count, directory.

    Example:
        >>> describe(ImageSet(0, "Particles", "data/p", "picked particles", "MRCS", 12, None, 1.5, None, ""))
        "0: 'Particles' (picked particles, MRCS, 12 images) in data/p"
    """
    count = "count unknown" if imageset.count is None else f"{imageset.count} images"
    kind = ", ".join(filter(None, (imageset.category, imageset.format, count)))
    return f"{imageset.number}: {imageset.name!r} ({kind}) in {imageset.directory or 'no directory'}"


def entry_number(entry: str | int) -> str:
    """The number of an entry given as 10934, `"10934"` or `"EMPIAR-10934"`.

    Raises:
        OptionError: it is none of these; nothing of it reaches a URL.

    Example:
        >>> entry_number("EMPIAR-10934")
        '10934'
    """
    match = None if isinstance(entry, bool) else _ENTRY.fullmatch(str(entry).strip())
    if match is None:
        msg = f"entry is {entry!r}: expected an EMPIAR entry such as 10934 or 'EMPIAR-10934'"
        raise OptionError(msg)
    return match[1]


def parse_api(body: bytes, entry: str | int) -> EntryInfo:
    """An entry by the API's answer, a JSON object `{"EMPIAR-NNNNN": {...}}`.

    Raises:
        FormatError: it is not such an answer, or of another entry.
    """
    name = f"EMPIAR-{entry_number(entry)}"
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as err:
        msg = f"{name}: the API's answer is not JSON: {body[:60]!r}"
        raise FormatError(msg) from err
    facts = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(facts, dict):
        msg = f"{name}: the API's answer does not hold this entry: {body[:60]!r}"
        raise FormatError(msg)
    imagesets, doi = facts.get("imagesets"), _text(facts.get("entry_doi"))
    itself = Paper(authors(facts.get("authors")), line(facts.get("title")), name, doi=bare_doi(doi))
    return EntryInfo(
        entry=name,
        title=_text(facts.get("title")),
        size=_text(facts.get("dataset_size")),
        doi=doi,
        citation=citation(papers_of_api(facts.get("citation")), itself),
        imagesets=_numbered(imagesets if isinstance(imagesets, list) else []),
    )


def parse_xml(body: bytes, entry: str | int) -> EntryInfo:
    """An entry by its XML file.

    Raises:
        FormatError: it is no XML, declares a document type (whose entities could be a bomb), or is another entry's.
    """
    name = f"EMPIAR-{entry_number(entry)}"
    try:
        root = ElementTree.fromstring(body, ElementTree.XMLParser(target=_NoDocumentType()))
    except FormatError:
        raise
    except (ElementTree.ParseError, LookupError, ValueError) as err:  # the latter two: an encoding that is none
        msg = f"{name}: its XML cannot be read: {err}"
        raise FormatError(msg) from err
    if root.get("accessionCode") != name:
        msg = f"{name}: the XML is of {root.get('accessionCode')!r}"
        raise FormatError(msg)

    def find(path: str) -> str:
        return _text(root.findtext("/".join(_NAMESPACE + step for step in path.split("/"))))

    size = root.find(f"{_NAMESPACE}admin/{_NAMESPACE}datasetSize")
    units = "" if size is None else _text(size.get("units"))
    people = root.findall(f"{_NAMESPACE}admin/{_NAMESPACE}authorsList/{_NAMESPACE}author")
    itself = Paper(xml_authors(people), line(find("admin/title")), name, doi=bare_doi(find("admin/entryDOI")))
    return EntryInfo(
        entry=name,
        title=find("admin/title"),
        size=f"{find('admin/datasetSize')} {units}".strip(),
        doi=find("admin/entryDOI"),
        citation=citation(papers_of_xml(root, _NAMESPACE), itself),
        imagesets=_numbered(_xml_facts(node) for node in root.findall(f"{_NAMESPACE}imageSet")),
    )


class _NoDocumentType(ElementTree.TreeBuilder):
    """Builds the tree of a document that declares no type."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        msg = f"the XML declares a document type ({name}): refused"
        raise FormatError(msg)


_XML_NAMES = {
    "name": "name",
    "directory": "directory",
    "category": "category",
    "data_format": "dataFormat",
    "num_images_or_tilt_series": "numImagesOrTiltSeries",
    "frames_per_image": "framesPerImage",
    "pixel_width": "dimensions/pixelWidth",
    "image_width": "dimensions/imageWidth",
    "image_height": "dimensions/imageHeight",
    "details": "details",
    "voxel_type": "voxelType",
}


def _xml_facts(node: ElementTree.Element) -> dict[str, str | None]:
    """An image set of the XML under the API's names."""
    return {
        name: node.findtext("/".join(_NAMESPACE + step for step in path.split("/")))
        for name, path in _XML_NAMES.items()
    }


def _numbered(imagesets: Iterable[Any]) -> tuple[ImageSet, ...]:
    return tuple(
        _imageset(number, facts if isinstance(facts, Mapping) else {}) for number, facts in enumerate(imagesets)
    )


def _imageset(number: int, facts: Mapping[str, Any]) -> ImageSet:
    rows, columns = _integer(facts.get("image_height")), _integer(facts.get("image_width"))
    pixel_size = _number(facts.get("pixel_width"))
    return ImageSet(
        number=number,
        name=_text(facts.get("name")),
        directory=_text(facts.get("directory")).strip("/"),
        category=_text(facts.get("category")),
        format=_text(facts.get("data_format")),
        count=_integer(facts.get("num_images_or_tilt_series")),
        frames=_integer(facts.get("frames_per_image")),
        pixel_size=pixel_size if pixel_size is not None and pixel_size > 0 else None,
        shape=None if rows is None or columns is None else (rows, columns),
        details=_text(facts.get("details")),
        voxel_type=_text(facts.get("voxel_type")),
    )


def _text(value: Any) -> str:
    """Remote text without control characters; nothing for null, digits for numbers."""
    if value is None or isinstance(value, list | dict):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())


def _number(value: Any) -> float | None:
    """A finite number, whether it came as one or as text."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) < float("inf") else None


def _integer(value: Any) -> int | None:
    number = None if isinstance(value, bool) else _number(value)
    return int(number) if number is not None and number >= 0 else None
