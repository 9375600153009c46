"""Whether an answer is the answer to the question: hosts, status, ranges, versions. Decides, and sends nothing."""

import email.utils
import re
import time
import zlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from builders.errors import (
    AccessError,
    ChangedError,
    FormatError,
    HttpError,
    NotFoundError,
    ReadError,
    UnsafeAddressError,
)
from builders.io.net.passing import Busy, TwoTagsError
from perc_transforms.core import buffers

if TYPE_CHECKING:
    import requests  # dear to import, and of what is read where it lies nothing needs it

_BUSY = (408, 500, 502, 503, 504)
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_DIGITS = re.compile(r"[0-9]{1,18}")
_GZIP = ("gzip", "x-gzip")
_WEAK = "W/"
"""Begins the ETag of a file that changed so lately that it may change again under the same one."""
_DEFAULT_PORTS = {"http": 80, "https": 443}

Address = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on a server, in one version.

    Attributes:
        url: where it is, after redirects.
        size: bytes; None when the server does not say.
        etag: its version; None when the server does not say.
        modified: time of its last change, as the server spells it.
        encoding: how the server packs it, such as `gzip`, when that was allowed: size and bytes are of it packed.
    """

    url: str
    size: int | None
    etag: str | None
    modified: str | None = None
    encoding: str | None = None


@lru_cache(maxsize=256)
def address_of(url: str) -> Address:
    """Scheme, host and port of a URL.

    Raises:
        UnsafeAddressError: it is not of http or https, has no host, or carries a user name.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as err:
        msg = f"{shown(url)}: not a URL: {err}"
        raise UnsafeAddressError(msg) from err
    if parts.scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc:
        msg = f"{shown(url)}: expected an http or https URL without a user name"
        raise UnsafeAddressError(msg)
    return parts.scheme, host.lower(), port or _DEFAULT_PORTS[parts.scheme]


def spelled(address: Address) -> str:
    """An address as a base URL with its port."""
    scheme, host, port = address
    return f"{scheme}://{host}:{port}"


def shown(text: str) -> str:
    """Remote text as it may be printed: no control characters, not without end."""
    return "".join(c if c.isprintable() else "?" for c in text[:500])


def range_headers(start: int, stop: int | None, version: RemoteFile | None) -> dict[str, str]:
    """Ask for a range (to the end when `stop` is None), but for the whole file should it be another version."""
    headers = {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"}
    if version is not None and version.etag is not None:
        if not version.etag.startswith(_WEAK):
            headers["If-Range"] = version.etag
    elif version is not None and version.modified is not None:
        headers["If-Range"] = version.modified
    return headers


def raise_for_status(response: "requests.Response", longest_wait: float, good: Collection[int] = (200, 206)) -> None:
    """Let good answers pass.

    Raises:
        NotFoundError: 404, 410.
        AccessError: 401, 403, 407.
        ChangedError: 416: the file ends before the range.
        Busy: another try may help.
        HttpError: any other status, or a longer wait than allowed.
    """
    status, url = response.status_code, shown(response.url)
    if status in good:
        return
    if status in (404, 410):
        msg = f"{url}: not there (HTTP {status})"
        raise NotFoundError(msg)
    if status in (401, 403):
        msg = f"{url}: the server refuses it (HTTP {status})"
        raise AccessError(msg)
    if status == 407:
        msg = f"{url}: the proxy of this machine's settings asks for a name and a password (HTTP 407)"
        raise AccessError(msg)
    if status == 416:
        msg = f"{url}: shorter than it was (HTTP 416)"
        raise ChangedError(msg)
    if status in (429, *_BUSY):
        wait = _retry_after(response)
        if wait is not None and wait > longest_wait:
            msg = f"{url}: HTTP {status}, try again in {wait:.0f} s; this waits {longest_wait:.0f} s at most"
            raise HttpError(msg)
        raise Busy(status, wait)
    msg = f"{url}: HTTP {status}: expected {' or '.join(map(str, good))}"
    raise HttpError(msg)


def _retry_after(response: "requests.Response") -> float | None:
    """Seconds that the server asks to wait, given as such or as a date."""
    given = response.headers.get("Retry-After")
    if given is None:
        return None
    if _DIGITS.fullmatch(given.strip()):
        return float(given)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(given).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def described(response: "requests.Response") -> RemoteFile:
    """What an answer's headers say of the whole file that it sends."""
    length = response.headers.get("Content-Length", "")
    etag, modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
    return RemoteFile(
        response.url, int(length) if _DIGITS.fullmatch(length) else None, etag, modified, _encoding(response)
    )


def _encoding(response: "requests.Response") -> str | None:
    """How a body is packed; None: not at all."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    return None if encoding in ("", "identity") else encoding


def check_range(
    response: "requests.Response",
    start: int,
    stop: int | None,
    known: RemoteFile | None,
    to_its_end: bool = False,
    packed: bool = False,
) -> RemoteFile:
    """The version that an answer to a range request is of, once it is sure to be just that range of it.

    With `to_its_end`, a file that ends before `stop` may be answered up to there, and an empty one whole; with `packed`
    it may be one packed by gzip.
    """
    url = shown(response.url)
    if response.status_code == 200:
        found = check_whole(response, known, packed)
        if found.size == 0:
            if to_its_end:
                return found
            msg = f"{url}: 0 bytes, expected at least {stop or start}: it is shorter than it was"
            raise ChangedError(msg)
        msg = (
            f"{url}: sent whole ({found.size} bytes) instead of bytes {start} to {stop}: the server does not do ranges"
        )
        msg += ", so that only whole files can be had of it, as load_dataset(..., download=True) does"
        raise HttpError(msg)
    refuse_encoding(response, packed)
    given = response.headers.get("Content-Range", "")
    match = _CONTENT_RANGE.fullmatch(given)
    size = None if match is None or match[3] == "*" else int(match[3])
    last = (size - 1 if size is not None else None) if stop is None else stop - 1
    if to_its_end and size is not None and last is not None:
        last = min(last, size - 1)
    if match is None or int(match[1]) != start or (last is not None and int(match[2]) != last):
        if size is not None and last is not None and size <= last and match is not None:
            msg = f"{url}: {size} bytes, expected at least {last + 1}: it is shorter than it was"
            raise ChangedError(msg)
        msg = f"{url}: Content-Range {shown(given)!r}: expected bytes {start} to {last}"
        raise ChangedError(msg)
    return known_of(replace(described(response), size=size), known)


def check_whole(response: "requests.Response", known: RemoteFile | None, packed: bool = False) -> RemoteFile:
    """The version that an answer with a whole file is of, once it is sure to be the file; `packed` as for a range."""
    refuse_encoding(response, packed)
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        msg = f"{shown(response.url)}: an HTML page in place of data"
        raise FormatError(msg)
    return known_of(described(response), known)


def known_of(found: RemoteFile, known: RemoteFile | None) -> RemoteFile:
    """All that is known of a file whose version was told twice; what one answer leaves out, the other one says.

    Raises:
        ChangedError: these are two versions; a `TwoTagsError` where only their ETags say so.
    """
    if known is None:
        return found
    both_tagged = found.etag is not None and known.etag is not None
    times = (None, None) if both_tagged else (known.modified, found.modified)
    tags = tuple(None if tag is None else tag.removeprefix(_WEAK) for tag in (known.etag, found.etag))
    packings = known.encoding or "identity", found.encoding or "identity"
    told = ("size", known.size, found.size), ("ETag", *tags), ("Last-Modified", *times), ("encoding", *packings)
    differing = [(what, old, new) for what, old, new in told if old is not None and new is not None and old != new]
    if differing:
        what, old, new = differing[0]
        msg = f"{shown(found.url)}: {what} {shown(str(old))} before, {shown(str(new))} now: it has changed"
        is_later = None not in (known.modified, found.modified) and known.modified != found.modified
        raise (
            TwoTagsError(msg) if [what for what, _, _ in differing] == ["ETag"] and not is_later else ChangedError(msg)
        )
    return RemoteFile(
        found.url,
        known.size if found.size is None else found.size,
        found.etag or known.etag,
        found.modified or known.modified,
        found.encoding,
    )


def refuse_encoding(response: "requests.Response", packed: bool = False) -> None:
    """Refuse a body that would have to be inflated: nothing says how far.

    Args:
        response: the answer.
        packed: whether gzip may pass, because who asked inflates it up to a bound of its own.

    Raises:
        FormatError: it has a Content-Encoding.
    """
    encoding = _encoding(response)
    if encoding is not None and not (packed and encoding in _GZIP):
        msg = f"{shown(response.url)}: sent with Content-Encoding {shown(encoding)!r}: expected the bytes as they are"
        raise FormatError(msg)


def unpacked(body: bytes, found: RemoteFile, limit: int) -> bytes:
    """A small answer's body without its packing, but no more than `limit` bytes of it.

    Raises:
        FormatError: there are more, or it is not what its header says.
    """
    if found.encoding is None:
        return body
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error as err:
        msg = f"{shown(found.url)}: its gzip encoding is damaged: {err}"
        raise FormatError(msg) from err
    if len(plain) > limit or not inflater.eof:
        problem = f"more than {limit} bytes: expected a small answer" if len(plain) > limit else "its gzip breaks off"
        msg = f"{shown(found.url)}: {problem}"
        raise FormatError(msg)
    return plain


def memory(count: int, url: str) -> NDArray[np.uint8]:
    """Memory for so many bytes of a file, if there is that much.

    Raises:
        ReadError: there is not: whoever said so many may have lied.
    """
    try:
        return buffers.take(count)
    except (OSError, OverflowError, ValueError, MemoryError) as err:
        msg = f"{shown(url)}: not enough memory for {count} bytes of it"
        raise ReadError(msg) from err
