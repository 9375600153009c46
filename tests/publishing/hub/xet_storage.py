"""A loopback Xet storage: what the Hub's newer storage answers to the compiled client that uploads and downloads.

After the public specification (https://huggingface.co/docs/xet): a file is a list of terms, each a range of chunks of a
xorb; xorbs are uploaded first, then a shard that says which files they make up. Nothing is deduplicated across
uploads. A file is accepted when what its terms unpack to has the SHA-256 that its shard says, as on the real one.
"""

import hashlib
import re
import struct
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

ENTRY = 48
"""Bytes of each entry of a shard."""
VERIFIED, DESCRIBED = 1 << 31, 1 << 30
"""Flags of a file: a second entry for each term; one more entry, with its SHA-256."""


@dataclass(frozen=True)
class Term:
    """Chunks `start` to `stop` of a xorb, and what they unpack to."""

    xorb: str
    start: int
    stop: int
    size: int


@dataclass(frozen=True)
class Chunks:
    """A xorb's chunks: where each begins, and where the last one ends."""

    data: bytes
    offsets: list[int]

    def unpacked(self, start: int, stop: int) -> bytes:
        """The content of some chunks."""
        return b"".join(_unpacked(self.data[o:]) for o in self.offsets[start:stop])


@dataclass
class Storage:
    """Xorbs by hash, files by hash, and the hashes of files by their SHA-256.

    `token` is what it accepts, `received` the hashes of the xorbs that came, each as often as it did.
    """

    token: str = "xet-secret"
    xorbs: dict[str, Chunks] = field(default_factory=dict)
    files: dict[str, list[Term]] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    received: list[str] = field(default_factory=list)

    def keep_xorb(self, name: str, data: bytes) -> bool:
        """Keep a xorb; whether it is new."""
        is_new = name not in self.xorbs
        self.received.append(name)
        offsets = [0]
        while offsets[-1] < len(data) and data[offsets[-1]] == 0:
            offsets.append(offsets[-1] + 8 + _length(data, offsets[-1] + 1))
        self.xorbs[name] = Chunks(data, offsets)
        return is_new

    def keep_shard(self, data: bytes) -> dict[str, bytes]:
        """Keep the files of a shard: each one's content by its SHA-256."""
        at, kept = ENTRY, {}
        while data[at : at + 32] != b"\xff" * 32:
            name, flags, count = _hex(data[at:]), *struct.unpack_from("<II", data, at + 32)
            assert flags & DESCRIBED, "no SHA-256"
            at += ENTRY
            terms = []
            for _ in range(count):
                size, start, stop = struct.unpack_from("<III", data, at + 36)
                terms.append(Term(_hex(data[at:]), start, stop, size))
                at += ENTRY
            at += ENTRY * count * bool(flags & VERIFIED)
            content = b"".join(self.xorbs[t.xorb].unpacked(t.start, t.stop) for t in terms)
            sha256 = _hex(data[at:])
            assert hashlib.sha256(content).hexdigest() == sha256, "what was uploaded is not what it is said to be"
            at += ENTRY
            self.files[name], self.hashes[sha256], kept[sha256] = terms, name, content
        return kept

    def reconstruction(self, name: str, wanted: str, base: str) -> dict[str, Any] | None:
        """Where a range of a file's bytes is to be had; None where it is beyond the end."""
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
        first, last = (int(match[1]), int(match[2])) if match else (0, 2**63)
        terms, fetched, begin, at = [], {}, 0, 0
        for term in self.files[name]:
            if at <= last and at + term.size > first:
                begin = first - at if not terms else begin
                offsets, chunks = self.xorbs[term.xorb].offsets, {"start": term.start, "end": term.stop}
                terms.append({"hash": term.xorb, "unpacked_length": term.size, "range": chunks})
                where = {"start": offsets[term.start], "end": offsets[term.stop] - 1}
                fetched.setdefault(term.xorb, []).append(
                    {"range": chunks, "url": f"{base}/xorb/{term.xorb}", "url_range": where}
                )
            at += term.size
        return {"offset_into_first_range": begin, "terms": terms, "fetch_info": fetched} if terms else None


def _hex(data: bytes) -> str:
    """A hash as addresses have it."""
    return "".join(f"{number:016x}" for number in struct.unpack_from("<4Q", data))


def _length(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


def _unpacked(chunk: bytes) -> bytes:
    """A chunk's content: as it is, by LZ4, or by LZ4 of its bytes' four streams."""
    packed, scheme, size = chunk[8 : 8 + _length(chunk, 1)], chunk[4], _length(chunk, 5)
    if scheme == 0:
        return packed
    data = pa.decompress(packed, decompressed_size=size, codec="lz4", asbytes=True)
    if scheme == 1:
        return data
    joined, at = bytearray(size), 0
    for stream in range(4):
        length = len(range(stream, size, 4))
        joined[stream::4] = data[at : at + length]
        at += length
    return bytes(joined)
