"""A dataset repository on the Hub."""

import contextlib
import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from builders.errors import ChangedError, NotEmptyError, NotFoundError, OptionError
from builders.io.files.cache import disk_error
from builders.publishing.hub.client import Blob, HubClient, State
from builders.publishing.parts import CARD, MARKER, SHEET, Finished, Marker

logger = logging.getLogger(__name__)

LEDGER = "shards.json"
"""The file that says which shards the repository holds: each one's facts, and the digest of its content."""
COMMIT_FILES = 50
COMMIT_BYTES = 5_000_000_000
COMMIT_DELETIONS = 500
_DATA = "data"
_SHARD = re.compile(r"data/[^/\\]+\.parquet")
_ADDRESS = re.compile(r"hf://datasets/(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^\s@]+))?")
_NO_BRANCH = re.compile(r"[~^:?*\[\\\x7f]|\.\.|//|^[/-]|(^|/)\.|[/.]$|\.lock(/|$)")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_BARE_CARD = 10_000


def parse_address(to: str) -> tuple[str, str | None]:
    """The repository that an address names, and its branch.

    Raises:
        OptionError: it is no address of a dataset repository, or names a commit.

    Example:
        >>> parse_address("hf://datasets/ME/NAME"), parse_address("hf://datasets/ME/NAME@v2")
        (('ME/NAME', None), ('ME/NAME', 'v2'))
    """
    match = _ADDRESS.fullmatch(to)
    if match is None:
        msg = f"to is {to!r}: expected hf://datasets/OWNER/NAME, or hf://datasets/OWNER/NAME@BRANCH"
        raise OptionError(msg)
    try:
        validate_repo_id(match["repo"])
    except HFValidationError as err:
        msg = f"to is {to!r}: expected a name that the Hub can have: {err}"
        raise OptionError(msg) from err
    if _NO_BRANCH.search(match["revision"] or ""):
        msg = f"to is {to!r}: expected after @ a name that a branch of Git can have"
        raise OptionError(msg)
    if _COMMIT.fullmatch(match["revision"] or ""):
        msg = f"to is {to!r}: what follows @ is a commit, which cannot be written to: expected a branch"
        raise OptionError(msg)
    return match["repo"], match["revision"]


class HubRepository:
    """A `Target` on the Hub.

    Shards are uploaded as they come, and committed many at a time; `shards.json`, committed with them, is what the
    next run goes by if this one is killed. Nothing is committed on top of what someone else has changed meanwhile.

    Args:
        to: `hf://datasets/OWNER/NAME`, with `@BRANCH` for another branch than the main one.
        work: the folder that shards are written to; each is removed once it has been committed.
        private: the repository must not be public.
        token: that of the user; None: that of `hf auth login`, or of HF_TOKEN.
        endpoint: the Hub's address; None: from its usual place.
        sleep: waits so many seconds, before a request is tried again.

    Raises:
        OptionError: `to` is no such address.
    """

    def __init__(
        self,
        to: str,
        work: Path,
        *,
        private: bool = False,
        token: str | None = None,
        endpoint: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        repo, self._revision = parse_address(to)
        self.where, self.work = to, work
        self._private = private
        self._client = HubClient(to, repo, self._revision, token, endpoint, sleep)
        self._head = ""
        self._blobs: dict[str, Blob] = {}
        self._ledger: dict[str, dict[str, Any]] = {}
        self._pending: dict[str, tuple[CommitOperationAdd, Finished]] = {}

    def open(self, overwrite: bool) -> tuple[Marker | None, dict[str, Finished]]:
        """See what is there; the repository, and its branch, are made where there is none.

        Raises:
            AccessError: no token, or one that does not give the right to write.
            NotEmptyError: there are files that publishing did not make, and `overwrite` is False.
            OptionError: it has to be private, and is public.
        """
        self._client.require_token()
        self._head = self._found_or_made().commit
        self._blobs, folders = self._client.files(self._head, _DATA)
        marker = self._json(MARKER)
        if "dataset" not in marker:
            if not overwrite:
                self._require_empty(folders)
            return None, {}
        self._ledger, there = {}, {}
        for name, entry in self._json(LEDGER).items():
            shard = self._recognised(name, entry)
            if shard is not None:
                self._ledger[name], there[name] = entry, shard
                self._remove_copy(shard)
        return marker, there

    def _found_or_made(self) -> State:
        state = self._client.state(None)
        if state is None:
            self._client.create(self._private)
            state = self._client.state(None)
        if state is not None and self._private and not state.private:
            msg = f"{self.where} is public, and private=True (--private) was asked for: make it private in its settings"
            raise OptionError(msg)
        if state is not None and self._revision is not None:
            state = self._client.state(self._revision)
            if state is None:
                self._client.create_branch(self._revision)
                state = self._client.state(self._revision)
        if state is None:
            msg = f"{self.where}: the repository is not there, though the Hub has just made it: run it again"
            raise NotFoundError(msg)
        return state

    def _json(self, name: str) -> dict[str, Any]:
        """A file of the repository; nothing where there is none, or none of ours."""
        if name not in self._blobs:
            return {}
        try:
            value = json.loads(self._client.read(name, self._head))
        except ValueError:
            logger.warning("%s: %s is damaged", self.where, name)
            return {}
        return value if isinstance(value, dict) else {}

    def _require_empty(self, folders: Sequence[str]) -> None:
        others = [name for name in self._blobs if name not in (".gitattributes", CARD)] + [f"{f}/" for f in folders]
        if CARD in self._blobs and not self._is_bare_card():
            others.append(CARD)
        if others:
            some = ", ".join(sorted(others)[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
            msg = f"{self.where} holds other files ({some}): expected an empty or a new repository"
            msg += "; overwrite=True (--overwrite) publishes among them"
            raise NotEmptyError(msg)

    def _is_bare_card(self) -> bool:
        """Whether the card says no more than what the Hub's form for new repositories writes: a licence."""
        if self._blobs[CARD].size > _BARE_CARD:
            return False
        text = self._client.read(CARD, self._head).decode(errors="replace")
        return not re.sub(r"\A---\r?\n.*?^---\s*$", "", text, flags=re.DOTALL | re.MULTILINE).strip()

    def _recognised(self, name: str, entry: Any) -> Finished | None:
        """The shard of a ledger's entry, if the repository holds that very content."""
        blob = self._blobs.get(name)
        if blob is None or not _SHARD.fullmatch(name) or not isinstance(entry, dict):
            return None
        facts = {key: value for key, value in entry.items() if key != "sha256"}
        try:
            shard = Finished.from_json(json.dumps(facts))
        except ValueError:
            return None
        return shard if blob.sha256 == entry.get("sha256") and shard.name == name else None

    def _remove_copy(self, shard: Finished) -> None:
        copy = self.work / shard.name
        with contextlib.suppress(OSError):
            if copy.stat().st_size == shard.file_bytes:
                copy.unlink()

    def begin(self, files: Mapping[str, bytes]) -> None:
        """Commit the card and the marker of a dataset that is not complete: what may not be written fails here."""
        self._flush()  # before shards of the same names take the place of those that wait
        self._commit("Begin to publish", files)

    def add(self, shard: Finished) -> None:
        """Upload a shard; every so many files or bytes are committed.

        Raises:
            PercError: the file cannot be read, or the Hub not be written to.
        """
        path = self.work / shard.name
        try:
            path.stat()
            addition = CommitOperationAdd(path_in_repo=shard.name, path_or_fileobj=path)
        except OSError as err:
            raise disk_error(err, path.parent, shard.name) from err
        self._client.upload([addition])
        self._pending[shard.name] = addition, shard
        size = sum(addition.upload_info.size for addition, _ in self._pending.values())
        if len(self._pending) >= COMMIT_FILES or size >= COMMIT_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        self._commit(f"Add {len(self._pending)} shards", {}, self._pending)
        for _, shard in self._pending.values():
            self._remove_copy(shard)
        self._pending = {}

    def finish(self, files: Mapping[str, bytes], keep: Collection[str]) -> None:
        """Commit what is left, remove shards that are not kept, and commit the card of the complete dataset, last."""
        self._flush()
        stale = sorted(name for name in self._blobs if _SHARD.fullmatch(name) and name not in keep)
        if SHEET in self._blobs and SHEET not in files:
            stale.append(SHEET)
        while len(stale) > COMMIT_DELETIONS:
            gone, stale = stale[:COMMIT_DELETIONS], stale[COMMIT_DELETIONS:]
            self._commit(f"Remove {len(gone)} shards of before", {}, gone=gone)
        self._commit("Publish", files, gone=stale)

    def _commit(
        self,
        message: str,
        files: Mapping[str, bytes],
        shards: Mapping[str, tuple[CommitOperationAdd, Finished]] | None = None,
        gone: Sequence[str] = (),
    ) -> None:
        """Commit files, shards that are uploaded, deletions, and the ledger that they lead to."""
        shards = shards or {}
        additions = [addition for addition, _ in shards.values()]
        changes: dict[str, Blob | None] = dict.fromkeys(gone)
        ledger = {name: entry for name, entry in self._ledger.items() if name not in gone}
        for name, (addition, shard) in shards.items():
            digest = addition.upload_info.sha256.hex()
            changes[name] = Blob("", digest)
            ledger[name] = asdict(shard) | {"sha256": digest}
        contents = dict(files)
        if ledger or LEDGER in self._blobs:
            contents[LEDGER] = _as_bytes(ledger)
        for name, data in contents.items():
            new = _blob(data)
            if not new.is_of(self._blobs.get(name)):
                additions.append(CommitOperationAdd(path_in_repo=name, path_or_fileobj=data))
                changes[name] = new
        if any(not _same(blob, self._blobs.get(name)) for name, blob in changes.items()):
            if additions:
                self._client.upload(additions)
            self._head = self._client.ask(
                f"commit ({message})",
                lambda: self._client.commit(message, additions, gone, self._head),
                after=lambda: self._look_again(changes),
            )
        for name, blob in changes.items():
            self._blobs.pop(name, None)
            if blob is not None:
                self._blobs[name] = blob
        self._ledger = ledger

    def _look_again(self, changes: Mapping[str, Blob | None]) -> str | None:
        """After a commit that failed: its name if it was made all the same, its answer lost.

        None if nothing of ours has changed: it may be tried again, on what others may have committed meanwhile.

        Raises:
            ChangedError: someone else has changed files that are ours to write.
        """
        state = self._client.state(self._revision)
        if state is None:
            msg = f"{self.where} has been removed while it was published to"
            raise NotFoundError(msg)
        if state.commit == self._head:
            return None
        found, _ = self._client.files(state.commit, _DATA)
        ours = {CARD, MARKER, SHEET, LEDGER} | {name for name in found | self._blobs if _SHARD.fullmatch(name)}
        changed = sorted(name for name in ours if not _same(found.get(name), self._blobs.get(name)))
        if changed and all(name in changes and _same(found.get(name), changes[name]) for name in changed):
            return state.commit
        if changed:
            some = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
            msg = f"{self.where}: someone else has changed {some} while this was published: run it again when nobody"
            msg += " else writes there; it goes on where it stopped"
            raise ChangedError(msg)
        self._head = state.commit
        return None


def _same(one: Blob | None, other: Blob | None) -> bool:
    return other is None if one is None else one.is_of(other)


def _blob(data: bytes) -> Blob:
    """A content as the Hub may list it: as git does, or by its SHA-256."""
    git = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False)
    return Blob(git.hexdigest(), hashlib.sha256(data).hexdigest())


def _as_bytes(ledger: Mapping[str, Mapping[str, Any]]) -> bytes:
    """A shard a line, so that git's difference of two ledgers is small."""
    lines = [f"{json.dumps(name)}: {json.dumps(ledger[name], separators=(',', ':'))}" for name in sorted(ledger)]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()
