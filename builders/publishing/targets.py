"""Where a dataset is published to: a folder, or a repository on the Hub."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import xxhash

from builders.errors import OptionError
from builders.io.cache import default_folder
from builders.publishing.folder import Folder
from builders.publishing.parts import Target


def address_of(to: str | os.PathLike[str]) -> str:
    """What whoever loads a published dataset gives to `load_dataset`: of a folder, its name alone.

    Example:
        >>> address_of("hf://datasets/ME/NAME@v2"), address_of("/home/me/published/")
        ('ME/NAME', 'published')
    """
    address = _address(to)
    if "://" in address:
        return address.partition("://datasets/")[2].partition("@")[0]
    return Path(os.path.abspath(address)).name or "folder"  # noqa: PTH100


def _address(to: object) -> str:
    """What was given as the target, as text: not a shell's empty variable, nor what `Path` makes of an address."""
    address = os.fspath(to) if isinstance(to, os.PathLike) else to
    if isinstance(address, str) and address and "\0" not in address:
        if address.startswith("hf://") or not address.startswith("hf:"):
            return address
    msg = f"to is {address!r}: expected a folder, or hf://datasets/OWNER/NAME"
    raise OptionError(msg)


@contextlib.contextmanager
def target_of(
    to: str | os.PathLike[str],
    *,
    private: bool,
    token: str | None,
    work_dir: str | os.PathLike[str] | None,
    shared: bool,
) -> Iterator[Target]:
    """The target that an address names; nobody else writes to it from this machine meanwhile.

    Args:
        to: a folder, or an address that begins with `hf://`.
        private: make a new repository private.
        token: for the Hub.
        work_dir: where shards lie until they are uploaded.
        shared: other machines write shards, too.

    Raises:
        OptionError: it is neither a folder nor an address of the Hub, or an option does not go with it.
        AccessError: another process publishes there.
    """
    address = _address(to)
    if "://" not in address:
        if work_dir is not None or private or token is not None:
            given = "work_dir" if work_dir is not None else "private" if private else "token"
            msg = f"{given} is for hf://datasets/OWNER/NAME: {address!r} is a folder, which shards are written to"
            raise OptionError(msg)
        with Folder(address).held() as folder:
            yield folder
        return
    if not address.startswith("hf://"):
        msg = f"to is {address!r}: expected a folder, or hf://datasets/OWNER/NAME"
        raise OptionError(msg)
    if shared and work_dir is None:
        msg = "dask and hf://: work_dir=FOLDER (--work-dir) must name a folder that all workers share"
        raise OptionError(msg)
    from builders.publishing.hub import HubRepository

    own = default_folder() / "publishing" / xxhash.xxh3_64_hexdigest(address.encode())
    work = own if work_dir is None else Path(work_dir)
    with Folder(work).held() as held:
        yield HubRepository(address, held.work, private=private, token=token)
