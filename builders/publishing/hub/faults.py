"""What the errors of the Hub's client mean: for the user, and for who may try again."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from builders.errors import (
    AccessError,
    FormatError,
    HttpError,
    NotFoundError,
    PercError,
    StalledError,
    UnreachableError,
)
from builders.io.files.cache import disk_error

LOG_IN = "log in with `hf auth login`, or set HF_TOKEN to a token that may write"
_GOES_ON = "run it again later: it goes on where it stopped"
_LONGEST_WAIT = 3600.0
"""Seconds that the Hub may ask us to wait: its limit of commits is one of an hour."""
_TRANSPORT = {"httpx", "httpx2", "httpcore", "requests", "urllib3"}
"""What the client's releases send requests with: their errors mean that there was no answer."""
_XET_ANSWER = re.compile(r"HTTP status \w+ error \((?P<status>\d{3}) (?P<reason>[^)]*)\), domain: (?P<url>\S+)")
"""In what the client of the Hub's newer storage, Xet, says: any answer that it did not want is a ConnectionError."""
_XET_SYSTEM = re.compile(r"\(os error (\d+)\)")
"""The same of its cache on this machine: an OSError that has no `errno`."""
_BUSY = {408, 429, 500, 502, 503, 504}
_CONFLICT = {409, 412}


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong.

    Attributes:
        error: for the user.
        again: the same request may well succeed later.
        conflict: it may, once it is known what others have done meanwhile.
        wait: seconds that the Hub wants to be left alone for.
    """

    error: PercError
    again: bool = False
    conflict: bool = False
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Faults:
    """Explains the errors of requests that concern one repository.

    Attributes:
        where: what errors call it.
        endpoint: the Hub's address; answers from elsewhere are of its storage.
        hide: replaces what must not be told, such as the token, in a server's words.
        user: asks for the name of the token's owner.
    """

    where: str
    endpoint: str
    hide: Callable[[str], str]
    user: Callable[[], str]

    def of(self, err: Exception, doing: str) -> Fault:
        """What an error means.

        Args:
            err: as the client raises it.
            doing: what was to be done.
        """
        if str(err).startswith("Invalid metadata in README.md"):
            return Fault(FormatError(f"{self.where}: the Hub does not accept the card. {self._clean(err)}"))
        *wrapped, first = _causes(err)
        for cause in [*wrapped, first]:
            fault = self._of_cause(cause, doing)
            if fault is not None:
                return fault
        text = self._clean(first)
        if isinstance(first, PermissionError):
            return Fault(self._no_right(doing, text))
        return Fault(HttpError(f"{self.where}: {doing}: {text}"))

    def _of_cause(self, err: BaseException, doing: str) -> Fault | None:
        if isinstance(err, PercError):
            return Fault(err)
        if isinstance(err, HfHubHTTPError):
            return self._of_answer(err, doing)
        if isinstance(err, OfflineModeIsEnabled):
            msg = f"{self.where}: offline mode is on (HF_HUB_OFFLINE): unset it to publish to the Hub"
            return Fault(UnreachableError(msg))
        answer = _XET_ANSWER.search(str(err)) if isinstance(err, ConnectionError) else None
        if answer is not None:
            return self._of_status(int(answer["status"]), answer["reason"], answer["url"], doing)
        if type(err).__module__.partition(".")[0] in _TRANSPORT or isinstance(err, ConnectionError | TimeoutError):
            kind = StalledError if "Timeout" in type(err).__name__ else UnreachableError
            msg = f"{self.where}: {doing}: no answer from the Hub ({self._clean(err)}): {_GOES_ON}"
            return Fault(kind(msg), again=True)
        if isinstance(err, json.JSONDecodeError):
            msg = f"{self.where}: {doing}: the Hub's answer is not JSON ({self._clean(err)}): {_GOES_ON}"
            return Fault(HttpError(msg), again=True)
        if isinstance(err, OSError) and err.errno is not None:
            folder = Path(err.filename).parent if isinstance(err.filename, str) else Path(tempfile.gettempdir())
            return Fault(disk_error(err, folder, doing))
        system = _XET_SYSTEM.search(str(err)) if isinstance(err, OSError) else None
        if system is not None:
            code = int(system[1])
            return Fault(disk_error(OSError(code, os.strerror(code)), Path(constants.HF_XET_CACHE), doing))
        return None

    def _of_answer(self, err: HfHubHTTPError, doing: str) -> Fault:
        text = self._clean(getattr(err, "server_message", None) or err)
        return self._of_status(err.response.status_code, text, str(err.response.url), doing, _asked_to_wait(err))

    def _of_status(self, status: int, text: str, url: str, doing: str, wait: float = 0.0) -> Fault:
        is_hub = url.startswith(self.endpoint)
        if status == 401 and is_hub:
            return Fault(self._bad_token(text))
        if status in (402, 403) and is_hub:
            return Fault(self._no_right(doing, text))
        who = "the Hub" if is_hub else "the Hub's storage"
        said = f"{self.where}: {doing}: {who} answers HTTP {status} ({text})"
        if status == 404:
            return Fault(NotFoundError(said))
        if status in _CONFLICT:
            return Fault(HttpError(f"{said}: someone else writes there, too: {_GOES_ON}"), conflict=True)
        if status in _BUSY:
            return Fault(HttpError(f"{said}: {_GOES_ON}"), again=True, wait=wait)
        return Fault(HttpError(said))

    def _bad_token(self, text: str) -> AccessError:
        return AccessError(f"{self.where}: the Hub does not accept the token ({text}): {LOG_IN}")

    def _no_right(self, doing: str, text: str) -> AccessError:
        try:
            user = self.user()
        except Exception:  # the name is no more than a help
            user = "the owner of this token"
        return AccessError(
            f"{self.where}: {doing}: {user} may not do that ({text}): {LOG_IN} there, or publish under another name"
        )

    def _clean(self, text: object) -> str:
        """A server's words: one line, not long, and nothing that must not be told."""
        return self.hide(" ".join(str(text).split()) or type(text).__name__)[:300]


def _causes(err: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from: the client wraps some."""
    seen: list[BaseException] = []
    while err is not None and err not in seen:
        yield err
        seen.append(err)
        err = err.__cause__


def _asked_to_wait(err: HfHubHTTPError) -> float:
    """Seconds after which the Hub wants to be asked again; 0 where it does not say."""
    headers = err.response.headers
    after = headers.get("retry-after", "")
    limit = re.search(r"\bt\s*=\s*(\d+)", headers.get("ratelimit", "")) if err.response.status_code == 429 else None
    return min(float(after) if after.isdigit() else float(limit[1]) if limit else 0.0, _LONGEST_WAIT)
