"""A server at the end of a simulated link, in a process of its own: round trip, rate of a connection, rate in all."""

import multiprocessing
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

ROUND_TRIP = 0.05
CONNECTION_RATE = 20e6
TOTAL_RATE = 80e6
_PIECE = 64 * 1024


class _Pace:
    """Says when a piece may be sent, by what all connections have sent."""

    def __init__(self) -> None:
        self.lock, self.free_at, self.sent, self.answered = threading.Lock(), 0.0, 0, 0

    def reserve(self, size: int) -> float:
        with self.lock:
            self.free_at = max(time.perf_counter(), self.free_at) + size / TOTAL_RATE
            self.sent += size
            return self.free_at


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root: Path
    pace: _Pace

    def log_message(self, *_args: object) -> None:
        pass

    def do_GET(self) -> None:
        time.sleep(ROUND_TRIP)
        path = self.root / self.path.strip("/")
        if path.is_dir():
            self._answer(200, _page(path), {"Content-Type": "text/html"})
        elif not path.is_file():
            self._answer(404, b"<html>Not Found</html>", {"Content-Type": "text/html"})
        else:
            self._send_file(path)

    do_HEAD = do_GET

    def _send_file(self, path: Path) -> None:
        data = path.read_bytes() if path.stat().st_size < _PIECE else None
        size = path.stat().st_size
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        stop = min(int(wanted[2]) + 1 if wanted and wanted[2] else size, size)
        headers = {"ETag": f'"{size:x}"', "Content-Type": "application/octet-stream"}
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        with path.open("rb") as file:
            file.seek(start)
            body = data[start:stop] if data is not None else file.read(stop - start)
        self._answer(206 if wanted else 200, body, headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        with self.pace.lock:
            self.pace.answered += 1
        begun, view = time.perf_counter(), memoryview(body)
        for place in range(0, len(body), _PIECE):
            piece = view[place : place + _PIECE]
            due = max(self.pace.reserve(len(piece)), begun + (place + len(piece)) / CONNECTION_RATE)
            time.sleep(max(0.0, due - time.perf_counter()))
            self.wfile.write(piece)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_args: object) -> None:
        """Clients that are at their end, or that want no more, hang up."""


def _page(folder: Path) -> bytes:
    links = [
        f'<a href="{p.name}{"/" * p.is_dir()}">x</a> 2026-01-01 00:00 {p.stat().st_size}' for p in folder.iterdir()
    ]
    return f"<html><pre>{'<br>'.join(links)}</pre></html>".encode()


def _run(root: Path, pipe: Connection, limited: bool) -> None:
    global ROUND_TRIP, CONNECTION_RATE, TOTAL_RATE
    if not limited:
        ROUND_TRIP, CONNECTION_RATE, TOTAL_RATE = 0.0, float("inf"), float("inf")
    pace = _Pace()
    handler = type("Handler", (_Handler,), {"root": root, "pace": pace})
    server = _Server(("127.0.0.1", 0), handler)
    pipe.send(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while what := pipe.recv():
        pipe.send(getattr(pace, what))


class Link:
    """A running server."""

    def __init__(self, base: str, pipe: Connection) -> None:
        self.base, self._pipe = base, pipe

    def bytes_sent(self) -> int:
        """Bytes of bodies so far."""
        return self._told("sent")

    def requests(self) -> int:
        """Requests that were answered with a body so far."""
        return self._told("answered")

    def _told(self, what: str) -> int:
        self._pipe.send(what)
        return int(self._pipe.recv())


@contextmanager
def serve(root: Path, limited: bool = True) -> Iterator[Link]:
    """Serve a folder in the archive's layout on a free port of loopback; unless `limited`, as fast as this machine."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(root, theirs, limited))
    process.start()
    try:
        yield Link(f"http://127.0.0.1:{ours.recv()}", ours)
        ours.send("")
    finally:
        process.terminate()
        process.join()
