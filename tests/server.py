"""A loopback server that answers as the archives do, and fails on demand.

It counts requests and bytes. Faults are queued for a path and used up one request at a time; what a fault does is said
where it is defined. Latency and bandwidth are simulated for each connection.
"""

import contextlib
import hashlib
import html
import re
import socket
import ssl
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote


@dataclass
class Fault:
    """What goes wrong with one answer.

    Attributes:
        status: answer this instead, with `headers`.
        headers: added to the answer, or put in place of what it has (None: left out).
        cut: close the connection after so many bytes of body, though more were promised.
        reset: close it with a reset instead of an orderly end.
        silence: seconds before the answer.
        stall: seconds of silence after `cut` bytes, the connection open.
        drip: seconds between single bytes.
        drip_head: the same for an answer's head, which has no end then.
        body: send this body instead.
        whole: ignore a Range and send the whole file with status 200.
    """

    status: int | None = None
    headers: dict[str, str | None] = field(default_factory=dict)
    cut: int | None = None
    reset: bool = False
    silence: float = 0.0
    stall: float = 0.0
    drip: float = 0.0
    drip_head: float = 0.0
    body: bytes | None = None
    whole: bool = False


@dataclass
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Answer:
    """What is answered to a request that is not for a file; `chunked`: without saying its length beforehand."""

    status: int
    headers: dict[str, str]
    body: bytes
    chunked: bool = False


class Archive:
    """The server's files, faults and counters.

    Attributes:
        latency: seconds before each answer.
        crowd: how many requests have to be under way at once before any is answered, or three seconds pass: a client
            that is to have so many needs no luck then.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.requests: list[Request] = []
        self.bytes_sent = 0
        self.latency = 0.0
        self.under_way = 0
        self.most_under_way = 0
        self.crowd = 0
        self.is_crowded = threading.Event()
        self.lock = threading.Lock()
        self.base = ""
        self._tags: dict[str, tuple[bytes, str]] = {}

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"{self.base}{path}"

    def publish(self, folder: Path) -> None:
        """Serve a folder's files by their paths, and its folders as Apache's tables of links, with rounded sizes."""
        for item in [folder, *sorted(folder.rglob("*"))]:
            path = "/" + item.relative_to(folder).as_posix().removeprefix(".")
            if item.is_file():
                self.files[quote(path)] = item.read_bytes()
            else:
                self.files[f"{quote(path).rstrip('/')}/"] = _page(item)
                self.types[f"{quote(path).rstrip('/')}/"] = "text/html;charset=UTF-8"

    def fail(self, path: str, *faults: Fault) -> None:
        """Queue faults for the next requests of a path."""
        self.faults[self.name_of(path)].extend(faults)

    def etag(self, path: str) -> str:
        """Apache's form: quoted hexadecimal; here of the content."""
        data = self.files[path]
        if self._tags.get(path, (None, ""))[0] is not data:  # megabytes are not hashed for each answer
            self._tags[path] = (data, f'"{len(data):x}-{hashlib.sha256(data).hexdigest()[:12]}"')
        return self._tags[path][1]

    def name_of(self, path: str) -> str:
        """The path of what is asked for by a path, where several lead to it."""
        return path

    def fault(self, path: str) -> Fault:
        """What goes wrong with this request."""
        return self.faults[path].popleft() if self.faults[path] else Fault()

    def answer(self, _request: Request) -> Answer | None:
        """What an archive answers that thinks; None: a file, or that there is none."""
        return None

    def headers_of(self, path: str) -> dict[str, str]:
        """Of a file's answer."""
        return {
            "Accept-Ranges": "bytes",
            "ETag": self.etag(path),
            "Last-Modified": formatdate(0, usegmt=True),
            "Content-Type": self.types.get(path, "application/octet-stream"),
        }


def _page(folder: Path) -> bytes:
    """A folder's page in the form of the recorded ones."""
    rows = ['<tr><td><a href="/above/">Parent Directory</a></td><td>&nbsp;</td><td align="right">  - </td></tr>']
    for item in folder.iterdir():
        slash = "/" if item.is_dir() else ""
        size = "  - " if item.is_dir() else _rounded(item.stat().st_size)
        when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(item.stat().st_mtime))
        link = f'<a href="{quote(item.name)}{slash}">{html.escape(item.name)}{slash}</a>'
        rows.append(f'<tr><td>{link}</td><td align="right">{when}  </td><td align="right">{size}</td></tr>')
    head = '<th><a href="?C=N;O=D">Name</a></th><th><a href="?C=S;O=A">Size</a></th>'
    text = f"<!DOCTYPE HTML><html><body><table><tr>{head}</tr>{''.join(rows)}</table></body></html>"
    return text.encode()


def _rounded(size: float) -> str:
    """A size as Apache writes it."""
    if size < 973:
        return f"{size} "
    for unit in "KMGT":
        size /= 1024
        if size < 9.95:
            return f"{size:.1f}{unit}"
        if size < 973:
            return f"{size:.0f}{unit}"
    return f"{size:.0f}T"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer on a connection that is kept waits for an acknowledgement
    archive: Archive

    def log_message(self, *_args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._counted(self._answer)

    do_HEAD = do_POST = do_GET

    def _counted(self, answer: Callable[[Request], None]) -> None:
        archive = self.archive
        length = int(self.headers.get("Content-Length", 0))
        request = Request(self.command, self.path, dict(self.headers), self.rfile.read(length) if length else b"")
        with archive.lock:
            archive.requests.append(request)
            archive.under_way += 1
            archive.most_under_way = max(archive.most_under_way, archive.under_way)
            if archive.under_way >= archive.crowd:
                archive.is_crowded.set()
        archive.is_crowded.wait(3)
        time.sleep(archive.latency)
        with archive.lock:  # before the answer: its last byte lets the client ask again
            archive.under_way -= 1
        try:
            answer(request)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _answer(self, request: Request) -> None:
        archive, path = self.archive, self.archive.name_of(self.path)
        fault = archive.fault(path)
        time.sleep(fault.silence)
        if fault.drip_head:
            self._drip_head(fault.drip_head)
            return
        if fault.status is not None:
            self._send(fault.status, {"Content-Type": "text/html"}, fault.body or b"<html>fault</html>", fault)
            return
        made = archive.answer(request)
        if made is not None:
            self._send(made.status, made.headers, made.body, fault, made.chunked)
            return
        if path not in archive.files:
            self._send(404, {"Content-Type": "text/html"}, b"<html>Not Found</html>", fault)
            return
        data = archive.files[path]
        headers = archive.headers_of(path)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        unchanged = self.headers.get("If-Range", headers["ETag"]) in (headers["ETag"], headers["Last-Modified"])
        if wanted is None or fault.whole or not unchanged:
            self._send(200, headers, data, fault)
            return
        start, stop = int(wanted[1]), min(int(wanted[2]) + 1 if wanted[2] else len(data), len(data))
        if start >= len(data):
            self._send(416, {"Content-Type": "text/html"}, b"<html>416</html>", fault)
            return
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        self._send(206, headers, data[start:stop], fault)

    def _send(self, status: int, headers: dict[str, str], body: bytes, fault: Fault, chunked: bool = False) -> None:
        if fault.body is not None:
            body = fault.body
        length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
        merged = {**({} if status == 204 else length), **headers, **fault.headers}
        self.send_response(status)
        for name, value in merged.items():
            if value is not None:
                self.send_header(name, value)
        if merged.get("Content-Length") is None and status != 204 and not chunked:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        if chunked:
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in _pieces(body)) + b"0\r\n\r\n"
        self._write(body if fault.cut is None else body[: fault.cut], fault.drip)
        if fault.stall:
            time.sleep(fault.stall)
        if fault.cut is not None:
            self._hang_up(fault.reset)

    def _write(self, body: bytes, drip: float) -> None:
        for piece in _pieces(body, 1 if drip else _PIECE):
            with self.archive.lock:  # before the write: its last byte lets the client look
                self.archive.bytes_sent += len(piece)
            self.wfile.write(piece)
            time.sleep(drip)

    def _drip_head(self, pause: float) -> None:
        """An answer whose head goes on and on, until the client hangs up."""
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(int(300 / pause)):
            self.wfile.write(b"x")
            time.sleep(pause)

    def _hang_up(self, reset: bool) -> None:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.wfile.flush()
        with contextlib.suppress(OSError):
            if reset:
                self.connection.close()
            else:
                self.connection.shutdown(socket.SHUT_RDWR)


_PIECE = 256 * 1024


def _pieces(body: bytes, step: int = _PIECE) -> Iterator[bytes]:
    return (body[i : i + step] for i in range(0, len(body), step))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # of five, the client that comes sixth is not heard until it asks again, a second later

    def handle_error(self, *_args: object) -> None:
        """Clients of these tests hang up on purpose."""


@contextlib.contextmanager
def serve(context: ssl.SSLContext | None = None, archive: Archive | None = None) -> Iterator[Archive]:
    """A running server on a free port of 127.0.0.1, with TLS where a context is given; it ends with the block.

    It serves an archive of one's own making where one is given.
    """
    archive = archive or Archive()
    handler = type("Handler", (_Handler,), {"archive": archive})
    server = _Server(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    archive.base = f"http{'s' * (context is not None)}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield archive
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
