"""Sessions that say nothing they were not told to, and whose wait for an answer can be ended by others."""

import functools
import os
import socket
from pathlib import Path
from typing import Any

import requests
import requests.adapters
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse

from builders.errors import NotFoundError
from builders.io.net.deadline import deadline
from builders.io.net.passing import Dripping
from builders.io.net.threads import hung_up_by_stop


class Session(requests.Session):
    """Sends no credentials that were not given to it, and leaves redirects to its user.

    Certificates are always verified: by `REQUESTS_CA_BUNDLE` or `CURL_CA_BUNDLE`, which requests knows itself, else by
    `SSL_CERT_FILE` or `SSL_CERT_DIR`, which Python and OpenSSL know, else by those that come with requests.

    Args:
        longest: seconds that the head of an answer may take, however many bytes of it come.
    """

    def __init__(self, longest: float) -> None:
        super().__init__()
        self.auth = _no_credentials
        self.verify = _bundle()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(longest))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: whoever looks at where an answer leads may stumble over it."""


def _bundle() -> str | bool:
    """The certificates that the environment names; True: those that come with requests."""
    named = (os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    return next((path for path in named if path and Path(path).exists()), True)


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stands where requests would otherwise send what it finds in `.netrc`."""
    return request


class _Adapter(requests.adapters.HTTPAdapter):
    """Makes connections that can be hung up while they wait."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        super().__init__()

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Choose the certificates to verify by.

        Raises:
            NotFoundError: the environment names some that are not there.
        """
        try:
            super().cert_verify(conn, url, verify, cert)
        except OSError as err:
            msg = f"{verify}: no such file or folder of certificates, which REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names"
            raise NotFoundError(msg) from err

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        _watch(self.poolmanager, self._longest)

    def proxy_manager_for(self, proxy: str, **options: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **options)
        _watch(manager, self._longest)
        return manager


def _watch(manager: urllib3.PoolManager, longest: float) -> None:
    manager.pool_classes_by_scheme = _pools(longest)


@functools.cache
def _pools(longest: float) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """urllib3's pools by scheme, of connections that are watched."""
    plain = type("Connection", (_Watched, HTTPConnection), {"longest": longest})
    secure = type("SecureConnection", (_Watched, HTTPSConnection), {"longest": longest})
    return {
        "http": type("Pool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SecurePool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


class _Watched:
    """A connection whose wait for an answer ends when it is hung up."""

    longest: float
    sock: socket.socket | None
    _dripped = False

    def getresponse(self) -> HTTPResponse:
        """The head of the answer.

        Raises:
            Dripping: it takes too long, though each byte of it comes in time.
        """
        try:
            with hung_up_by_stop(self._hang_up), deadline(self.longest, self._give_up):
                response = super().getresponse()  # type: ignore[misc]
        except Exception as err:
            if self._dripped:
                raise Dripping from err
            raise
        if self._dripped:  # a head that was cut off looks like one that ended
            raise Dripping
        return response  # type: ignore[no-any-return]

    def _give_up(self) -> None:
        self._dripped = True
        self._hang_up()

    def _hang_up(self) -> None:
        if self.sock is not None:
            self.sock.shutdown(socket.SHUT_RDWR)
