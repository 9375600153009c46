"""A directory page of the archive's web server -> names. Text in, names out; nothing is fetched.

Servers write these pages as tables or as preformatted text, and anyone can deposit a file of any name. So only links
to direct children count, whether they are spelled from the page, from the root or from the scheme on: each is decoded
once, and refused when it could lead anywhere else. Only the name is taken of it, never where it points.
"""

import html
import logging
import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from builders.errors import FormatError
from builders.io.files.natural_order import natural_key

logger = logging.getLogger(__name__)

LONGEST_NAME = 255
"""Bytes of a file name, as on the file systems that hold the archive."""
_LONGEST_LINK = 2048
"""Characters of a link to a name of that length, each of its bytes escaped, and entities besides."""
_LONGEST_FACTS = 200
_PORTS = {"http": 80, "https": 443}
_FACTS = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d|\d\d-[A-Z][a-z]{2}-\d{4}) \d\d:\d\d(?::\d\d)?"
    r" (?:-|(?P<number>\d{1,15}(?:\.\d{1,3})?)(?P<unit>[KMGTP]?))(?= |$)"
)
_MARKS = ("<html", "<!doctype html", "<table", "<pre")
# Quotation marks hide `<` and `>`. Nothing is given back once it has matched (`*+`), and a stretch without an end is
# taken whole or not at all: so no page, however it is made, is read more than a few times over.
_QUOTED = r""" "[^"]*" | '[^']*' """
_MARKUP = re.compile(
    rf"""
      <!--(?: -?> | .*?--!?> | .* )
    | <(?:script|style)\b(?: .*?</(?:script|style)\s*+>? | .* )
    | <[!?][^<>]*>
    | <(?P<ends>/?)(?P<tag>[a-z][^\s/<>"']*+)(?P<attributes>(?: [^<>"'] | {_QUOTED} )*+)>
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_ATTRIBUTE = re.compile(
    rf"""{_QUOTED} | (?P<name>[^\s/="']++)(?: \s*+=\s*+(?P<value>{_QUOTED} | [^\s"']++) )?""", re.VERBOSE
)


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
        url: where it came from: for messages, and to know links from the root that lead into it.

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
    children: dict[str, Child] = {}
    refused = 0
    for link, facts in _links(text):
        below = _below(link, url)
        child = None if below is None else _child(below, facts)
        if child is None:
            refused += below != "" and not _is_expected(link)
        elif child.name not in children or child.is_folder:
            children[child.name] = child
    if refused:
        logger.warning("%s: passing over %d links that do not name a file or folder in it", url, refused)
    return sorted(children.values(), key=lambda child: natural_key(child.name))


def _links(page: str) -> Iterator[tuple[str, str]]:
    """Where anchors point, and the text that stands between each one and the next, whatever the page holds."""
    link, facts, inside, place = "", "", False, 0
    for markup in _MARKUP.finditer(page):
        if link and not inside and len(facts) < _LONGEST_FACTS:
            facts += f" {_text(page[place : markup.start()])}"
        place = markup.end()
        if (markup["tag"] or "").lower() != "a":
            continue
        inside = not markup["ends"]
        for target in _targets(markup["attributes"]) if inside else ():
            if link:
                yield link, " ".join(facts.split())
            link, facts = target, ""
    if link:
        yield link, " ".join((facts if inside else f"{facts} {_text(page[place:])}").split())


def _targets(attributes: str) -> Iterator[str]:
    """What an anchor's `href` says, decoded."""
    for attribute in _ATTRIBUTE.finditer(attributes):
        value = attribute["value"]
        if value is not None and attribute["name"].lower() == "href":
            value = value[1:-1] if value[0] in "\"'" else value
            yield value if len(value) > _LONGEST_LINK else html.unescape(value)


def _text(text: str) -> str:
    """The first words of a text, decoded."""
    return html.unescape(text.strip()[:_LONGEST_FACTS])


def _is_expected(link: str) -> bool:
    """Whether directory pages have such a link anyway: to sort them by a column, or to a folder above."""
    return link.startswith(("?", "#")) or link in ("../", "..", "./", ".") or _is_above(link)


def _is_above(link: str) -> bool:
    return link.startswith("/") and not link.startswith("//") and link.endswith("/")


def _below(link: str, url: str) -> str | None:
    """A link as it is spelled from the page on, empty for the page itself; None where it leads out of it."""
    if len(link) > _LONGEST_LINK:
        return None
    try:
        parts, page = urlsplit(link), urlsplit(url)
        is_here = _is_on_host_of(parts, page)
    except ValueError:
        return None
    if not (parts.scheme or parts.netloc or link.startswith("/")):
        return link
    above, inside = page.path.split("/")[:-1], parts.path.split("/")
    if not is_here or parts.query or parts.fragment or _decoded(inside[: len(above)]) != _decoded(above):
        return None
    below = "/".join(inside[len(above) :])
    return f"./{below}" if below else ""


def _is_on_host_of(link: SplitResult, page: SplitResult) -> bool:
    """Whether a link leads to the page's own host, or names none."""
    if not (link.scheme or link.netloc):
        return bool(page.netloc)
    ports = (None, page.port or _PORTS.get(page.scheme))
    is_web = link.scheme in ("", *_PORTS) and "@" not in link.netloc
    return is_web and link.hostname is not None and link.hostname == page.hostname and link.port in ports


def _decoded(segments: list[str]) -> list[bytes]:
    return [unquote_to_bytes(segment.encode("utf-8", "surrogateescape")) for segment in segments]


def _child(link: str, facts: str = "") -> Child | None:
    """The direct child that a link names; None when it names anything else."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    if parts.scheme or parts.netloc or parts.query or parts.fragment or link.startswith(("/", "?", "#")):
        return None
    path = parts.path.removeprefix("./")  # so Apache writes a name with a colon in it
    escaped = path.removesuffix("/").encode("utf-8", "surrogateescape")
    name = unquote_to_bytes(escaped).decode("utf-8", "surrogateescape")
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
    r"""Whether a name is just one segment of a path, and what it is shown as: no control or format characters in it.

    Bytes that are no text, in a name as `surrogateescape` spells them, are as good as others.

    Example:
        >>> is_one_segment("x_1.mrc"), is_one_segment(".."), is_one_segment("a/b"), is_one_segment("a\nb")
        (True, False, False, False)
    """
    try:
        length = len(name.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:  # half a character, which no file system can hold
        return False
    return (
        name not in ("", ".", "..")
        and length <= LONGEST_NAME
        and not any(c in "/\\" for c in name)
        and (name.isprintable() or not any(unicodedata.category(c) in ("Cc", "Cf") for c in name))
    )


_DEVICES = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]) *(?:\..*)?", re.I | re.S
)


def is_portable(name: str) -> bool:
    """Whether a file of this name can be made on Windows, too, which takes some for devices and cuts or refuses others.

    Example:
        >>> is_portable("x_1.mrc"), is_portable("nul.txt"), is_portable("a:b"), is_portable("x.")
        (True, False, False, False)
    """
    return (
        is_one_segment(name)
        and not any(c in '<>:"|?*' for c in name)
        and not name.endswith((".", " "))
        and _DEVICES.fullmatch(name) is None
    )
