"""A loopback Hub: what the real one answers to `huggingface_hub` that publishes, and to `datasets` that loads.

Repositories are chains of commits, each a dict of files by path. Parquet and PNG files go to a store by their SHA-256,
through `basic` or `multipart` LFS uploads, and are downloaded from another host (`localhost`, as a storage would be).
Where the client speaks Xet, they go to a `Storage` of that kind, and are downloaded from there, too, or as before.

Faults (`tests.server.Fault`) are queued for `METHOD /path`, or for the n-th request of all. `Lost` hangs up.
"""

import base64
import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.publishing.hub.xet_storage import Storage
from tests.server import Answer, Archive, Fault, Request, _Handler, _Server

LFS = (".parquet", ".png")


@dataclass
class Lost(Fault):
    """The connection is reset: before anything is done, or once it is done, with its answer lost."""

    done: bool = False


@dataclass(frozen=True)
class File:
    """A file of a commit."""

    data: bytes
    is_lfs: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def oid(self) -> str:
        """Git's name of it, or of the pointer to it."""
        kept = self.data
        if self.is_lfs:
            head = "version https://git-lfs.github.com/spec/v1"
            kept = f"{head}\noid sha256:{self.sha256}\nsize {len(self.data)}\n".encode()
        return hashlib.sha1(b"blob %d\0" % len(kept) + kept).hexdigest()

    def listed(self, path: str) -> dict[str, Any]:
        """As in a listing."""
        lfs = {"lfs": {"oid": self.sha256, "size": len(self.data), "pointerSize": 134}} if self.is_lfs else {}
        return {"type": "file", "path": path, "oid": self.oid, "size": len(self.data)} | lfs


@dataclass(frozen=True)
class Commit:
    """A commit."""

    oid: str
    title: str
    files: dict[str, File]
    operations: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Repository:
    """A dataset repository: its branches, each with its commits, oldest first."""

    private: bool
    branches: dict[str, list[Commit]]

    def commit(self, branch: str, title: str, files: dict[str, File], operations: list[Any] | None = None) -> Commit:
        """Add a commit."""
        commits = self.branches[branch]
        oid = hashlib.sha1(f"{len(commits)} {title} {sorted(files)} {id(files)}".encode()).hexdigest()
        commits.append(Commit(oid, title, files, operations or []))
        return commits[-1]

    def at(self, revision: str) -> Commit | None:
        """The commit that a branch or a commit's name means."""
        if revision in self.branches:
            return self.branches[revision][-1]
        return next((c for commits in self.branches.values() for c in commits if c.oid == revision), None)


class Hub(Archive):
    """The server's state: `users` by token, those of `readers` cannot write; `page` is the length of a listing's."""

    def __init__(self) -> None:
        super().__init__()
        self.users = {"hf_me": "me", "hf_reader": "reader"}
        self.repositories: dict[str, Repository] = {}
        self.stored: dict[str, bytes] = {}
        self.xet = Storage()
        self.uploads: list[str] = []
        self.parts: dict[str, dict[int, bytes]] = {}
        self.part_size = 0
        self.page = 1000
        self.numbered: dict[int, Fault] = {}
        self.created: list[dict[str, Any]] = []
        self.card_errors: list[str] = []

    def make(self, name: str, private: bool = False, **files: bytes) -> Repository:
        """A repository as the Hub makes it, and further files."""
        made = Repository(private, {"main": []})
        made.commit("main", "initial commit", {".gitattributes": File(b"*.parquet filter=lfs\n", False)})
        self.repositories[name] = made
        if files:
            self.meddle(name, files)
        return made

    def meddle(self, name: str, files: dict[str, bytes], branch: str = "main") -> None:
        """Someone else commits."""
        repo = self.repositories[name]
        new = {path: File(data, path.endswith(LFS)) for path, data in files.items()}
        self.stored |= {file.sha256: file.data for file in new.values() if file.is_lfs}
        repo.commit(branch, "meddle", repo.branches[branch][-1].files | new)

    def files_of(self, name: str, branch: str = "main") -> dict[str, bytes]:
        """What a branch holds."""
        return {path: file.data for path, file in self.repositories[name].branches[branch][-1].files.items()}

    def fault_of(self, request: Request) -> Fault:
        """What goes wrong with a request."""
        numbered = self.numbered.pop(len(self.requests), None)
        return numbered or self.fault(f"{request.method} {urlsplit(request.path).path}")

    def answer(self, request: Request) -> Answer | None:
        """What the Hub answers."""
        url = urlsplit(request.path)
        headers = {name.lower(): value for name, value in request.headers.items()}
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if url.path.startswith("/store/"):
            assert not token, "the storage is sent the Hub's token"
            return self._store(url.path, request.body) if request.method in ("PUT", "POST") else None
        if url.path.startswith(("/v1/", "/v2/", "/xorb/")):
            assert token not in self.users, "the storage is sent the Hub's token"
            return self._xet(f"{request.method} {url.path}", token, headers, request.body)
        if token and token not in self.users:
            return _error(401, "Invalid credentials in Authorization header")
        asked = _Asked(request.method, url.path, self.users.get(token), query, headers, request.body)
        for method, pattern, name in _ROUTES:
            match = re.fullmatch(pattern, url.path)
            if match and asked.method in method:
                return getattr(self, name)(asked, *(unquote(group or "") for group in match.groups()))
        return _error(404, f"no such route: {asked.method} {url.path}")

    def whoami(self, asked: "_Asked") -> Answer:
        if asked.user is None:
            return _error(401, "Invalid username or password.")
        return _json({"type": "user", "name": asked.user, "orgs": []})

    def create(self, asked: "_Asked") -> Answer:
        wanted = asked.json()
        name = f"{wanted['organization'] or asked.user}/{wanted['name']}"
        if asked.user is None:
            return _error(401, "Invalid username or password.")
        if name.split("/")[0] != asked.user or asked.user == "reader":
            return _error(403, f"You don't have the rights to create a dataset under the namespace {name}")
        if name in self.repositories:
            return _json({"error": "You already created this dataset repo", "url": f"{self.base}/datasets/{name}"}, 409)
        self.created.append(wanted)
        self.make(name, private=wanted.get("visibility") == "private" or wanted.get("private") is True)
        return _json({"url": f"{self.base}/datasets/{name}", "name": name})

    def info(self, asked: "_Asked", name: str, revision: str) -> Answer:
        found = self._found(asked, name, revision or "main")
        if isinstance(found, Answer):
            return found
        files = [{"rfilename": path} for path in sorted(found.files)]
        facts = {"id": name, "sha": found.oid, "private": self.repositories[name].private, "siblings": files}
        return _json(facts | {"lastModified": "2026-01-01T00:00:00.000Z", "tags": [], "downloads": 0, "gated": False})

    def refs(self, _asked: "_Asked", name: str) -> Answer:
        branches = self.repositories[name].branches.items()
        listed = [{"name": b, "ref": f"refs/heads/{b}", "targetCommit": c[-1].oid} for b, c in branches]
        return _json({"branches": listed, "tags": [], "converts": []})

    def tree(self, asked: "_Asked", name: str, revision: str, folder: str) -> Answer:
        found = self._found(asked, name, revision)
        if isinstance(found, Answer):
            return found
        prefix, listed = f"{folder}/" if folder else "", {}
        for path, file in sorted(found.files.items()):
            rest = path.removeprefix(prefix)
            if not path.startswith(prefix):
                continue
            top, *deeper = rest.split("/")
            if deeper:
                listed[prefix + top] = {"type": "directory", "path": prefix + top, "oid": "0" * 40, "size": 0}
            if not deeper or asked.query.get("recursive", "").lower() == "true":
                listed[path] = file.listed(path)
        if folder and not listed:
            return _error(404, f"{folder} does not exist", "EntryNotFound")
        start = int(asked.query.get("cursor", 0))
        page, more = list(listed.values())[start : start + self.page], start + self.page < len(listed)
        again = "&".join(f"{key}={value}" for key, value in asked.query.items() if key != "cursor")
        link = f'<{self.base}{asked.path}?{again}&cursor={start + self.page}>; rel="next"'
        return _json(page, headers={"Link": link} if more else {})

    def paths_info(self, asked: "_Asked", name: str, revision: str) -> Answer:
        found = self._found(asked, name, revision)
        if isinstance(found, Answer):
            return found
        wanted = asked.json()["paths"] if asked.body.startswith(b"{") else parse_qs(asked.body.decode())["paths"]
        folders = {path for path in wanted if any(file.startswith(f"{path}/") for file in found.files)}
        listed = [found.files[path].listed(path) for path in wanted if path in found.files]
        return _json(listed + [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in folders])

    def branch(self, asked: "_Asked", name: str, branch: str) -> Answer:
        refused = self._refused(asked, name)
        if refused:
            return refused
        repo = self.repositories[name]
        if branch in repo.branches:
            return _error(409, f"Reference already exists: {branch}")
        repo.branches[branch] = list(repo.branches["main"])
        return _json({})

    def preupload(self, asked: "_Asked", name: str, revision: str) -> Answer:
        refused = self._refused(asked, name, revision)
        if refused:
            return refused
        commit = self.repositories[name].branches[revision][-1]
        modes = []
        for file in asked.json()["files"]:
            there, is_lfs = commit.files.get(file["path"]), file["path"].endswith(LFS)
            oid = {"oid": there.sha256 if there.is_lfs else there.oid} if there else {}
            mode = {"path": file["path"], "uploadMode": "lfs" if is_lfs else "regular", "shouldIgnore": False}
            modes.append(mode | oid)
        return _json({"files": modes, "commitOid": commit.oid})

    def batch(self, asked: "_Asked", name: str) -> Answer:
        refused = self._refused(asked, name)
        if refused:
            return refused
        objects = []
        for wanted in asked.json()["objects"]:
            oid, size = wanted["oid"], wanted["size"]
            objects.append(wanted if oid in self.stored else wanted | {"actions": self._actions(name, oid, size)})
        return _json({"transfer": "multipart" if self.part_size else "basic", "objects": objects})

    @property
    def storage(self) -> str:
        """Where large files are: another host."""
        return self.base.replace("127.0.0.1", "localhost")

    def _actions(self, name: str, oid: str, size: int) -> dict[str, Any]:
        verify = {"href": f"{self.base}/api/lfs/{name}/verify"}
        if not self.part_size:
            return {"upload": {"href": f"{self.storage}/store/{oid}?signature=secret"}, "verify": verify}
        parts = {
            str(1 + i): f"{self.storage}/store/{oid}/{1 + i}?signature=x" for i in range(-(-size // self.part_size))
        }
        header = parts | {"chunk_size": str(self.part_size)}
        return {"upload": {"href": f"{self.storage}/store/{oid}/complete", "header": header}, "verify": verify}

    def verify(self, asked: "_Asked", _name: str) -> Answer:
        wanted = asked.json()
        stored = self.stored.get(wanted["oid"])
        return _json({}) if stored is not None and len(stored) == wanted["size"] else _error(404, "not stored")

    def _store(self, path: str, body: bytes) -> Answer:
        _, _, oid, *part = path.split("/")
        if part == ["complete"]:
            return self._keep(oid, b"".join(data for _, data in sorted(self.parts.pop(oid).items())))
        if part:
            self.parts.setdefault(oid, {})[int(part[0])] = body
            return Answer(200, {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}, b"")
        return self._keep(oid, body)

    def _keep(self, oid: str, data: bytes) -> Answer:
        if hashlib.sha256(data).hexdigest() != oid:
            return _error(400, "BadDigest")
        self.stored[oid] = data
        self.uploads.append(oid)
        return _json({})

    def xet_token(self, asked: "_Asked", name: str, kind: str, revision: str) -> Answer:
        refused = self._refused(asked, name, revision) if kind == "write" else self._found(asked, name, revision)
        if isinstance(refused, Answer):
            return refused
        expires, where = int(time.time()) + 900, self.storage
        names = {"X-Xet-Cas-Url": where, "X-Xet-Access-Token": self.xet.token, "X-Xet-Token-Expiration": str(expires)}
        return _json({"casUrl": where, "accessToken": self.xet.token, "exp": expires}, headers=names)

    def _xet(self, asked: str, token: str, headers: dict[str, str], body: bytes) -> Answer:
        """What the storage answers; later versions of the same, and looking for chunks of others, are not there."""
        kind, _, name = asked.rpartition("/")
        if kind == "GET /xorb":
            assert not token, "who holds an address needs no token"
            return _ranged(self.xet.xorbs[name].data, headers.get("range", ""), {})
        if token != self.xet.token:
            return _error(401, "Unauthorized")
        if kind == "POST /v1/xorbs/default":
            return _json({"was_inserted": self.xet.keep_xorb(name, body)})
        if asked == "POST /v1/shards":
            kept = self.xet.keep_shard(body)
            self.stored |= kept
            self.uploads += kept
            return _json({"result": 1})
        if kind == "GET /v1/reconstructions" and name in self.xet.files:
            found = self.xet.reconstruction(name, headers.get("range", ""), self.storage)
            return _json(found) if found else _error(416, "Range Not Satisfiable")
        return _json({}) if asked == "POST /v1/telemetry" else _error(404, "Not Found")

    def validate(self, asked: "_Asked") -> Answer:
        errors = [{"message": message} for message in self.card_errors]
        return _json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def commit(self, asked: "_Asked", name: str, branch: str) -> Answer:
        refused = self._refused(asked, name, branch)
        if refused:
            return refused
        header, *operations = [json.loads(line) for line in asked.body.splitlines()]
        repo, parent = self.repositories[name], header["value"].get("parentCommit")
        head = repo.branches[branch][-1]
        if parent is not None and parent != head.oid:
            return _error(412, "A commit has happened since. Please refresh and try again.")
        files = dict(head.files)
        for operation in operations:
            value, path = operation["value"], operation["value"]["path"]
            if operation["key"] == "file":
                files[path] = File(base64.b64decode(value["content"]), False)
            elif operation["key"] == "lfsFile":
                if value["oid"] not in self.stored:
                    return _error(400, f"LFS pointer pointed to a file that does not exist: {path}")
                files[path] = File(self.stored[value["oid"]], True)
            elif path not in files:
                return _error(404, "A file with this name doesn't exist", "EntryNotFound")
            else:
                del files[path]
        made = repo.commit(branch, header["value"]["summary"], files, operations)
        url = f"{self.base}/datasets/{name}/commit/{made.oid}"
        return _json({"success": True, "commitOid": made.oid, "commitUrl": url, "hookOutput": ""})

    def resolve(self, asked: "_Asked", name: str, revision: str, path: str) -> Answer:
        found = self._found(asked, name, revision)
        if isinstance(found, Answer):
            return found
        if path not in found.files:
            return _error(404, "Entry not found", "EntryNotFound", {"X-Repo-Commit": found.oid})
        file = found.files[path]
        headers = {"X-Repo-Commit": found.oid, "ETag": f'"{file.oid}"', "Accept-Ranges": "bytes"}
        if not file.is_lfs:
            return _ranged(file.data, asked.headers.get("range", ""), headers)
        self.files[f"/store/{file.sha256}"] = file.data
        linked = {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(len(file.data))}
        if file.sha256 in self.xet.hashes:
            auth = f'<{self.base}/api/datasets/{name}/xet-read-token/{found.oid}>; rel="xet-auth"'
            linked |= {"X-Xet-Hash": self.xet.hashes[file.sha256], "Link": auth}
        return Answer(302, headers | linked | {"Location": f"{self.storage}/store/{file.sha256}"}, b"")

    def _found(self, asked: "_Asked", name: str, revision: str) -> Commit | Answer:
        """The commit that a request is for."""
        repo = self.repositories.get(name)
        if repo is None or (repo.private and asked.user != name.split("/")[0]):
            return _error(404 if asked.user else 401, "Repository not found", "RepoNotFound")
        return repo.at(revision) or _error(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def _refused(self, asked: "_Asked", name: str, branch: str = "main") -> Answer | None:
        """Why one may not write."""
        found = self._found(asked, name, branch)
        if isinstance(found, Answer):
            return found
        if asked.user is None:
            return _error(401, "Invalid username or password.")
        if asked.user != name.split("/")[0]:
            return _error(403, "You don't have the rights to create a commit")
        return None


@dataclass(frozen=True)
class _Asked:
    method: str
    path: str
    user: str | None
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


_API = r"/api/datasets/([^/]+/[^/]+)"
_ROUTES = [
    ("GET", r"/api/whoami-v2", "whoami"),
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "validate"),
    ("POST", r"/api/lfs/([^/]+/[^/]+)/verify", "verify"),
    ("POST", r"/datasets/([^/]+/[^/]+)\.git/info/lfs/objects/batch", "batch"),
    ("GET HEAD", _API + r"(?:/revision/([^/]+))?", "info"),
    ("GET", _API + r"/refs", "refs"),
    ("GET", _API + r"/tree/([^/]+)(?:/(.+))?", "tree"),
    ("POST", _API + r"/paths-info/([^/]+)", "paths_info"),
    ("POST", _API + r"/branch/([^/]+)", "branch"),
    ("POST", _API + r"/preupload/([^/]+)", "preupload"),
    ("POST", _API + r"/commit/([^/]+)", "commit"),
    ("GET", _API + r"/xet-(read|write)-token/([^/]+)", "xet_token"),
    ("GET HEAD", r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", "resolve"),
]


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, {"Content-Type": "application/json"} | (headers or {}), json.dumps(value).encode())


def _error(status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None) -> Answer:
    said = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {}) | (headers or {})
    return _json({"error": message}, status, said)


def _ranged(data: bytes, wanted: str, headers: dict[str, str]) -> Answer:
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
    if match is None:
        return Answer(200, headers, data)
    start, stop = int(match[1]), min(int(match[2] or len(data) - 1) + 1, len(data))
    if start >= len(data):
        return Answer(416, headers, b"")
    return Answer(206, headers | {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}, data[start:stop])


class _HubHandler(_Handler):
    archive: Hub

    def do_PUT(self) -> None:
        self._counted(self._answer)

    do_GET = do_HEAD = do_POST = do_PUT

    def _answer(self, request: Request) -> None:
        fault = self.archive.fault_of(request)
        if isinstance(fault, Lost) and not fault.done:
            self._hang_up(True)
            return
        time.sleep(fault.silence)
        path = urlsplit(request.path).path
        if path in self.archive.files and request.method in ("GET", "HEAD"):
            super()._answer(request)
            return
        if fault.status is not None:
            reason = HTTPStatus(fault.status).phrase
            made = Answer(fault.status, {"Content-Type": "application/json"}, json.dumps({"error": reason}).encode())
            made.body = fault.body if fault.body is not None else made.body
        else:
            with self.archive.lock:
                made = self.archive.answer(request)
        if isinstance(fault, Lost):
            self._hang_up(True)
            return
        self._send(made.status, made.headers, made.body, fault)


@contextlib.contextmanager
def serve_hub() -> Iterator[Hub]:
    """A running Hub on a free port of 127.0.0.1; it ends with the block."""
    hub = Hub()
    server = _Server(("127.0.0.1", 0), type("Handler", (_HubHandler,), {"archive": hub}))
    hub.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
