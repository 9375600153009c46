"""Why there is no connection, in plain words, and how often to try: a name that is wrong is so the next time, too."""

import errno
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace

import requests
import urllib3

_AT_FIRST = 2
"""Tries to reach a host that never answered, where another one might help."""
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)
_NO_TERMS = (
    "HANDSHAKE_FAILURE",
    "PROTOCOL_VERSION",
    "UNSUPPORTED_PROTOCOL",
    "NO_PROTOCOLS_AVAILABLE",
    "NO_SHARED_CIPHER",
)
"""How OpenSSL calls it when two cannot agree on a version of TLS or on ciphers: names that end so."""
_BUSY = (500, 502, 503, 504)
_SETTINGS = "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why there is no connection.

    Attributes:
        words: a sentence for people.
        tries: how many are worth while with a host that never answered.
        may_pass: whether a host that did answer once may do so again.
        is_offline: whether this is as if there were no network, so that what is remembered may stand for an answer.
    """

    words: str
    tries: int = 1
    may_pass: bool = False
    is_offline: bool = True


def cause_of(error: Exception) -> Cause | None:
    """Why there is no connection; None: there was one, which broke off."""
    chain = list(_chain(error))
    if isinstance(error, requests.exceptions.InvalidProxyURL | requests.exceptions.InvalidSchema):
        return Cause(f"the proxy that {_SETTINGS} names cannot be used: {error}", is_offline=False)
    if isinstance(error, requests.RequestException) and isinstance(error, ValueError):
        return Cause(str(error), is_offline=False)
    found = _of_tls(chain) or _of_name_or_host(chain)
    proxy = next((item for item in chain if isinstance(item, urllib3.exceptions.ProxyError)), None)
    if proxy is None:
        return found
    if found is not None:
        return replace(found, words=f"of the proxy that {_SETTINGS} names: {found.words}")
    words = f"the proxy that {_SETTINGS} names does not let us through: {chain[-1]}"
    is_busy = any(f" {status} " in f"{chain[-1]} " for status in _BUSY)
    return Cause(words, _AT_FIRST if is_busy else 1, is_busy)


def in_short(error: Exception) -> str:
    """What happened, without what requests and urllib3 pack around it."""
    return next((text for item in reversed(list(_chain(error))) if (text := str(item).strip())), type(error).__name__)


def _of_tls(chain: list[BaseException]) -> Cause | None:
    for item in chain:
        if isinstance(item, ssl.SSLCertVerificationError):
            problem = item.verify_message or item.reason
            words = f"its certificate is not to be trusted: {problem} (SSL_CERT_FILE may name others to believe)"
            return Cause(words, is_offline=False)
        reason = item.reason or "" if isinstance(item, ssl.SSLError) else ""
        if reason == "WRONG_VERSION_NUMBER":
            return Cause("what answers there speaks no TLS: is it an http:// address?")
        if reason.endswith(_NO_TERMS):
            return Cause(f"it has no TLS in common with this machine: {_spelled(reason)}", 1, True, False)
        if "_ALERT_" in reason and "CERTIFICATE" in reason:
            return Cause(f"it asks for a client certificate, and none is set: {_spelled(reason)}", 1, True, False)
        if "CERTIFICATE" in reason:
            words = f"the certificates to believe cannot be read: {_spelled(reason)}: is SSL_CERT_FILE a file of them?"
            return Cause(words, is_offline=False)
    return None


def _spelled(reason: str) -> str:
    """OpenSSL's name of a fault as words."""
    return reason.replace("_", " ").lower()


def _of_name_or_host(chain: list[BaseException]) -> Cause | None:
    for item in chain:
        if isinstance(item, urllib3.exceptions.NameResolutionError):
            return Cause(f"no host {item._host!r} is known here: is its name right, is this machine online?", 1, True)
        if isinstance(item, urllib3.exceptions.NewConnectionError):
            return Cause(_of_system(chain, _place(item.conn)), _AT_FIRST, True)
        if isinstance(item, urllib3.exceptions.ConnectTimeoutError):
            return Cause(f"{_place(next(iter(item.args), None))} does not answer", _AT_FIRST, True)
    return None


def _of_system(chain: list[BaseException], place: str) -> str:
    """What the system says of a connection that it could not make."""
    found = next((item for item in chain if isinstance(item, OSError) and item.errno), None)
    if isinstance(found, ConnectionRefusedError):
        return f"{place} refuses connections: is a server running there?"
    if found is not None and found.errno in _NO_WAY:
        return f"there is no way to {place}: is this machine online?"
    return f"{place}: {chain[-1] if found is None else found.strerror}"


def _place(connection: object) -> str:
    """Host and port that a connection was to lead to."""
    host, port = getattr(connection, "host", ""), getattr(connection, "port", "")
    return f"{host}:{port}" if host else "the server"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it was raised for, as requests and urllib3 pack them into each other."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, BaseException) and id(item) not in seen:
            seen.add(id(item))
            yield item
            waiting += [getattr(item, "reason", None), *item.args, item.__cause__, item.__context__]
