"""One dataset repository on the Hub, by the Hub's own client: what goes wrong there becomes an error of ours."""

import contextlib
import logging
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from builders.errors import AccessError
from builders.publishing.hub.faults import LOG_IN, Faults
from builders.release import NAME, VERSION

logger = logging.getLogger(__name__)
T = TypeVar("T")
TRIES = 6
_READ_TRIES = 3
"""Of small files: the client asks for them twice, and tries only the second request again."""


@dataclass(frozen=True, slots=True)
class State:
    """A repository as it is: the commit that its branch is at, and who may read it."""

    commit: str
    private: bool


@dataclass(frozen=True, slots=True)
class Blob:
    """A file's content: `oid` is git's, of a file that is kept there; `sha256` of one in the large file storage."""

    oid: str
    sha256: str | None
    size: int = 0

    def is_of(self, other: "Blob | None") -> bool:
        """Whether another one is the same content."""
        if other is None:
            return False
        if self.sha256 is not None and other.sha256 is not None:
            return self.sha256 == other.sha256
        return self.oid == other.oid


class HubClient:
    """Asks the Hub about one dataset repository.

    Args:
        where: what errors call it.
        repo_id: its name, `OWNER/NAME`.
        revision: its branch; None: the main one.
        token: that of the user; None: from its usual places.
        endpoint: the Hub's address; None: from its usual places.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        where: str,
        repo_id: str,
        revision: str | None,
        token: str | None,
        endpoint: str | None,
        sleep: Callable[[float], None],
    ) -> None:
        self._where, self._repo, self._revision = where, repo_id, revision
        self._token = _token(where, token)
        self._api = HfApi(endpoint=endpoint, token=self._token, library_name=NAME, library_version=VERSION)
        self._faults = Faults(where, self._api.endpoint, self._hide, lambda: str(self._api.whoami()["name"]))
        self._sleep = sleep

    def require_token(self) -> None:
        """Raise an AccessError where there is no token."""
        if not self._token:
            msg = f"{self._where}: no token for the Hub: {LOG_IN}"
            raise AccessError(msg)

    def _hide(self, text: str) -> str:
        return text.replace(self._token, "***") if self._token else text

    def state(self, revision: str | None) -> State | None:
        """The repository's state at a branch; None where there is none of either."""

        def look() -> State | None:
            try:
                found = self._api.dataset_info(self._repo, revision=revision)
            except (RepositoryNotFoundError, RevisionNotFoundError) as err:
                if err.response.status_code == 404:
                    return None
                raise
            return State(str(found.sha), bool(found.private))

        return self.ask("look at the repository", look)

    def create(self, private: bool) -> None:
        """Make the repository, unless it is there."""
        visibility = True if private else None  # None: what the owner has set as usual
        self.ask(
            "make the repository",
            lambda: self._api.create_repo(self._repo, repo_type="dataset", private=visibility, exist_ok=True),
        )

    def create_branch(self, revision: str) -> None:
        """Make a branch from the main one, unless it is there."""
        self.ask(
            f"make the branch {revision}",
            lambda: self._api.create_branch(self._repo, repo_type="dataset", branch=revision, exist_ok=True),
        )

    def files(self, commit: str, folder: str) -> tuple[dict[str, Blob], list[str]]:
        """Files at a commit: those of the top and of one folder, and the names of other folders."""

        def look(path: str | None) -> tuple[dict[str, Blob], list[str]]:
            found = list(self._api.list_repo_tree(self._repo, path, revision=commit, repo_type="dataset"))
            files = [item for item in found if isinstance(item, RepoFile)]
            blobs = {f.path: Blob(f.blob_id, f.lfs.sha256 if f.lfs else None, f.size) for f in files}
            return blobs, [item.path for item in found if not isinstance(item, RepoFile)]

        blobs, folders = self.ask("list its files", lambda: look(None), tries=1)
        if folder in folders:
            more, deeper = self.ask("list its files", lambda: look(folder), tries=1)
            blobs |= more
            folders = [name for name in folders if name != folder] + deeper
        return blobs, folders

    def read(self, path: str, commit: str) -> bytes:
        """A file's content at a commit."""

        def fetch() -> bytes:
            with tempfile.TemporaryDirectory() as cache:
                copy = self._api.hf_hub_download(
                    self._repo, path, repo_type="dataset", revision=commit, cache_dir=cache
                )
                return Path(copy).read_bytes()

        with _quiet():
            return self.ask(f"read {path}", fetch, tries=_READ_TRIES)

    def upload(self, additions: Sequence[CommitOperationAdd]) -> None:
        """Bring large files' content to the Hub's storage, where a commit will find it."""
        with _quiet():
            self.ask(
                f"upload {additions[0].path_in_repo}",
                lambda: self._api.preupload_lfs_files(
                    *(self._repo, additions), repo_type="dataset", revision=self._revision, gitignore_content=""
                ),
                tries=1,
            )

    def commit(
        self, message: str, additions: Sequence[CommitOperationAdd], deletions: Collection[str], parent: str
    ) -> str:
        """Commit, once, files that `upload` has seen, on nothing but `parent`; the new commit's name."""
        removals = [CommitOperationDelete(path_in_repo=name, is_folder=False) for name in deletions]
        return self._api.create_commit(
            self._repo,
            [*additions, *removals],
            commit_message=message,
            repo_type="dataset",
            revision=self._revision,
            parent_commit=parent,
        ).oid

    def ask(
        self,
        doing: str,
        call: Callable[[], T],
        tries: int = TRIES,
        after: Callable[[], T | None] | None = None,
    ) -> T:
        """What a call gives, tried again where that may help.

        Args:
            doing: what errors say it was to do.
            call: to the client.
            tries: at the most; 1 where the client itself tries again.
            after: looks, after an error, whether the call has done its work all the same, and gives what it would
                have; with it, conflicts are tried again, too.

        Raises:
            PercError: what went wrong.
        """
        for tried in count(1):
            try:
                return call()
            except Exception as err:
                fault = self._faults.of(err, doing)
                hopeful = fault.again or (fault.conflict and after is not None)
                if tried == tries or not hopeful:
                    raise fault.error from err
            wait = max(fault.wait, 2.0 ** (tried - 1))
            logger.warning("%s; waits %.0f s and tries again", fault.error, wait)
            self._sleep(wait)
            done = after() if after is not None else None
            if done is not None:
                return done
        raise AssertionError


def _token(where: str, given: str | None) -> str | None:
    """The user's token; None where there is none."""
    try:
        token = (given or get_token() or "").strip()
    except Exception as err:  # a token that has to be fetched first, as in some CI systems
        msg = f"{where}: no token for the Hub ({err}): {LOG_IN}"
        raise AccessError(msg) from err
    if not (token.isascii() and token.isprintable() and " " not in token):
        msg = f"{where}: the token for the Hub has blanks or other signs in it that none has: {LOG_IN}"
        raise AccessError(msg)
    return token or None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars where nobody sees them."""
    is_seen = sys.stderr is not None and sys.stderr.isatty()
    if is_seen or are_progress_bars_disabled() or constants.HF_HUB_DISABLE_PROGRESS_BARS is not None:
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
