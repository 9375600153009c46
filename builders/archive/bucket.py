"""Folders of an S3 bucket that anybody may list: what its answers to ListObjectsV2 say. XML is other people's text."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree

from builders.archive.listing import Child, is_one_segment
from builders.errors import FormatError, NotFoundError, PercError
from builders.io.files.natural_order import natural_key
from builders.io.net import remote

_MOST_PAGES = 1000
"""Of a thousand names each: what one folder holds at the most."""
_NAMESPACE = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Page:
    """One answer.

    Attributes:
        children: files and folders directly below the prefix.
        token: what asks for the next answer; None: there is none.
    """

    children: tuple[Child, ...]
    token: str | None


class _NoDocumentType(ElementTree.TreeBuilder):
    """Refuses a document type, in which entities could be declared."""

    def doctype(self, name: str, _public: Any, _system: Any) -> None:
        msg = f"a document type {name!r}"
        raise FormatError(msg)


def parse_page(body: bytes, prefix: str, url: str = "listing") -> Page:
    """What an answer to ListObjectsV2 says.

    Args:
        body: its bytes.
        prefix: of the keys that were asked for, decoded, empty or with a slash at its end.
        url: where it came from, for messages.

    Raises:
        FormatError: it is no such answer.

    Example:
        >>> body = b"<ListBucketResult><Contents><Key>a/x.mrc</Key><Size>9</Size></Contents></ListBucketResult>"
        >>> [child.name for child in parse_page(body, "a/").children]
        ['x.mrc']
    """
    try:
        root = ElementTree.fromstring(body, ElementTree.XMLParser(target=_NoDocumentType()))
    except (ElementTree.ParseError, FormatError, ValueError, LookupError) as err:
        msg = f"{url}: expected a bucket's listing in XML, got {body[:60]!r}: {err}"
        raise FormatError(msg) from err
    if _tag(root) != "ListBucketResult":
        msg = f"{url}: expected a bucket's listing, got {_tag(root)[:60]!r}"
        raise FormatError(msg)
    encoded = _text(root, "EncodingType") == "url"
    children: dict[str, Child] = {}
    for item in root:
        is_folder = _tag(item) == "CommonPrefixes"
        if not is_folder and _tag(item) != "Contents":
            continue
        key = _text(item, "Prefix" if is_folder else "Key")
        key = unquote(key) if encoded else key
        name = key[len(prefix) :].removesuffix("/") if key.startswith(prefix) else ""
        if is_one_segment(name):
            children[name] = Child(name, True) if is_folder else _file(name, item)
    token = _text(root, "NextContinuationToken") if _text(root, "IsTruncated") == "true" else ""
    return Page(tuple(children.values()), token or None)


def _file(name: str, item: ElementTree.Element) -> Child:
    size = _text(item, "Size")
    most = int(size) if re.fullmatch(r"[0-9]{1,18}", size) else None
    return Child(name, False, most, f"{size} {_text(item, 'ETag')} {_text(item, 'LastModified')}".strip()[:200])


def _tag(element: ElementTree.Element) -> str:
    return _NAMESPACE.sub("", str(element.tag), count=1)


def _text(element: ElementTree.Element, tag: str) -> str:
    return next((child.text or "" for child in element if _tag(child) == tag), "")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket on a server.

    Attributes:
        url: where it answers: `https://name.host` or `https://host/name`, without a slash at its end.
    """

    url: str

    def children(self, place: str) -> list[Child]:
        """What a folder in it holds, in natural order.

        Args:
            place: URL of the folder.

        Raises:
            FormatError: what comes is no listing, or it does not end.
        """
        prefix = unquote(place.removeprefix(self.url).strip("/"))
        prefix = f"{prefix}/" if prefix else ""
        children: dict[str, Child] = {}
        token: str | None = None
        for _ in range(_MOST_PAGES):
            page = self._page(prefix, token)
            children |= {child.name: child for child in page.children}
            token = page.token
            if token is None:
                if not children:
                    msg = f"{place}: no such folder"
                    raise NotFoundError(msg)
                return sorted(children.values(), key=lambda child: natural_key(child.name))
        msg = f"{place}: more than {_MOST_PAGES} pages of names"
        raise FormatError(msg)

    def _page(self, prefix: str, token: str | None) -> Page:
        more = f"&continuation-token={quote(token, safe='')}" if token else ""
        url = f"{self.url}/?list-type=2&delimiter=%2F&prefix={quote(prefix, safe='')}{more}"
        return parse_page(remote.client().small(url)[0], prefix, url)


def bucket_of(base: str) -> Bucket | None:
    """The bucket that a URL leads into: that of the host, or of the first folder; None: neither can be listed."""
    parts = urlsplit(base)
    host, first = f"{parts.scheme}://{parts.netloc}", parts.path.strip("/").partition("/")[0]
    for url in (host, *([f"{host}/{first}"] if first else [])):
        try:
            Bucket(url)._page(unquote(base.removeprefix(url).strip("/")), None)
        except PercError:
            continue
        return Bucket(url)
    return None
