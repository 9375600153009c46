"""A directory page of the archive's web server -> names. Text in, names out; nothing is fetched.

Servers write these pages as tables or as preformatted text, and anyone can deposit a file of any name. So only links
to direct children count: each is decoded once, and refused when it could lead anywhere else.
"""

import logging
import math
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes, urlsplit

from builders.errors import FormatError
from builders.io.order import natural_key

logger = logging.getLogger(__name__)

LONGEST_NAME = 255
"""Bytes of a file name, as on the file systems that hold the archive."""
_LONGEST_FACTS = 200
_FACTS = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d|\d\d-[A-Z][a-z]{2}-\d{4}) \d\d:\d\d(?::\d\d)?"
    r" (?:-|(?P<number>\d{1,15}(?:\.\d{1,3})?)(?P<unit>[KMGTP]?))(?= |$)"
)
_MARKS = ("<html", "<!doctype html", "<table", "<pre")


@dataclass(frozen=True, slots=True)
class Child:
    """A file or folder that a directory page names.

    Attributes:
        name: decoded, without a slash.
        is_folder: whether its link ends in one.
        most: a bound on its bytes, by the rounded size on the page; None when that does not say.
        stamp: date and size as on the page, which change when the file does; empty when the page has none.
    """

    name: str
    is_folder: bool
    most: int | None = None
    stamp: str = ""


def parse_listing(page: bytes, url: str = "listing") -> list[Child]:
    """The direct children that a directory page links to, in natural order, folders and files together.

    Args:
        page: the page's bytes.
        url: where it came from, for messages.

    Raises:
        FormatError: this is no HTML page.

    Example:
        >>> page = b'<pre><a href="../">Up</a> <a href="b_10.mrc">b</a> <a href="b_9.mrc">b</a> <a href="a%20b/">a</a>'
        >>> [child.name for child in parse_listing(page)]
        ['a b', 'b_9.mrc', 'b_10.mrc']
    """
    text = page.decode("utf-8", "surrogateescape")
    if not any(mark in text[:2000].lower() for mark in _MARKS):
        msg = f"{url}: expected a directory page, got {page[:60]!r}"
        raise FormatError(msg)
    links = _Links()
    links.feed(text)
    links.close()
    children: dict[str, Child] = {}
    refused = 0
    for link, facts in links.found:
        child = _child(link, " ".join(facts.split()))
        if child is None:
            refused += not _is_expected(link)
        elif child.name not in children or child.is_folder:
            children[child.name] = child
    if refused:
        logger.warning("%s: passing over %d links that do not name a file or folder in it", url, refused)
    return sorted(children.values(), key=lambda child: natural_key(child.name))


class _Links(HTMLParser):
    """Collects where anchors point, and the text that stands between each one and the next."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.extend((value, "") for name, value in attrs if name == "href" and value is not None)
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self.found and not self._inside and len(self.found[-1][1]) < _LONGEST_FACTS:
            self.found[-1] = self.found[-1][0], f"{self.found[-1][1]} {data[:_LONGEST_FACTS]}"


def _is_expected(link: str) -> bool:
    """Whether directory pages have such a link anyway: to sort them by a column, or to a folder above."""
    return link.startswith(("?", "#")) or link in ("../", "..", "./", ".") or _is_above(link)


def _is_above(link: str) -> bool:
    return link.startswith("/") and not link.startswith("//") and link.endswith("/")


def _child(link: str, facts: str = "") -> Child | None:
    """The direct child that a link names; None when it names anything else."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    if parts.scheme or parts.netloc or parts.query or parts.fragment or link.startswith(("/", "?", "#")):
        return None
    path = parts.path.removeprefix("./")  # so Apache writes a name with a colon in it
    name = unquote_to_bytes(path.removesuffix("/")).decode("utf-8", "surrogateescape")
    if not is_one_segment(name):
        return None
    match = _FACTS.search(facts)
    if match is None or path.endswith("/"):
        return Child(name, path.endswith("/"), stamp=match[0] if match else "")
    return Child(name, False, _most(match["number"], match["unit"]), match[0])


def _most(number: str | None, unit: str) -> int | None:
    """The most bytes that a rounded size such as `543M` or `1.2G` can stand for."""
    if number is None:
        return None
    last_digit = 0.0 if not unit else 10.0 ** -len(number.partition(".")[2])
    return math.ceil((float(number) + last_digit) * 1024.0 ** " KMGTP".index(unit or " "))


def is_one_segment(name: str) -> bool:
    r"""Whether a name is just one segment of a path.

    Example:
        >>> is_one_segment("x_1.mrc"), is_one_segment(".."), is_one_segment("a/b"), is_one_segment("a\nb")
        (True, False, False, False)
    """
    return (
        name not in ("", ".", "..")
        and len(name.encode("utf-8", "surrogateescape")) <= LONGEST_NAME
        and not any(c in "/\\" or ord(c) < 32 or ord(c) == 127 for c in name)
    )
