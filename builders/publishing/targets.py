"""Where a dataset is published to: a folder, or a repository on the Hub."""

import contextlib
import fnmatch
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import xxhash

from builders.errors import OptionError
from builders.io.files.cache import default_folder
from builders.options import check_named
from builders.publishing.folder import Folder
from builders.publishing.parts import Target

logger = logging.getLogger(__name__)


def address_of(to: str | os.PathLike[str]) -> str:
    """What whoever loads a published dataset gives to `load_dataset`: of a folder, its name alone.

    `datasets` makes a pattern of a folder's whole path: brackets are sets of characters, `::` joins file systems, and
    `$NAME` stands for the environment's. What the folders above are called is another matter: it can be moved.

    Raises:
        OptionError: it is neither a folder nor an address of the Hub, or `datasets` would not find it by its name.

    Example:
        >>> address_of("hf://datasets/ME/NAME@v2"), address_of("/home/me/published/")
        ('ME/NAME', 'published')
    """
    address = _address(to)
    if address.startswith("hf://"):
        from builders.publishing.hub.repository import parse_address

        return parse_address(address)[0]
    name = Path(os.path.realpath(address)).name
    if _is_lost(name):
        msg = f"to is {address!r}: datasets.load_dataset reads the name {name!r} as a pattern, and would not find it:"
        msg += " expected one without [...], ::, ** and $NAME"
        raise OptionError(msg)
    return Path(os.path.abspath(address)).name or "folder"  # noqa: PTH100


def _address(to: object) -> str:
    """What was given as the target, as text: not a shell's empty variable, nor what `Path` makes of an address."""
    address = os.fspath(to) if isinstance(to, os.PathLike) else to
    if isinstance(address, str) and address and "\0" not in address:
        if address.startswith("hf://") or not (address.startswith("hf:") or "://" in address):
            return address
    msg = f"to is {address!r}: expected a folder, or hf://datasets/OWNER/NAME"
    raise OptionError(msg)


def _warn_of_patterns(folder: Path) -> None:
    """Say which names in a path `datasets` does not take for what they are."""
    for part in Path(os.path.realpath(folder)).parts[1:]:
        lost = _is_lost(part)
        if lost or set(part) & set("*?"):
            logger.warning(
                "%s: datasets.load_dataset reads %r in this path as a pattern%s",
                folder,
                part,
                ": it can be loaded only from another place" if lost else ", and loads whatever else fits it, too",
            )


def _is_lost(name: str) -> bool:
    """Whether a name is not found by what is made of it: a pattern, a chain of file systems, a variable's value."""
    if "::" in name or ("**" in name and name != "**") or os.path.expandvars(name) != name:
        return True
    return not fnmatch.fnmatchcase(name, name)


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
        folder = Folder(address)
        _warn_of_patterns(folder.work)
        with folder.held():
            yield folder
        return
    if shared and work_dir is None:
        msg = "dask and hf://: work_dir=FOLDER (--work-dir) must name a folder that all workers share"
        raise OptionError(msg)
    from builders.publishing.hub.repository import HubRepository

    check_named("work_dir", work_dir)
    own = default_folder() / "publishing" / xxhash.xxh3_64_hexdigest(address.encode())
    work = own if work_dir is None else Path(work_dir)
    with Folder(work).held() as held:
        yield HubRepository(address, held.work, private=private, token=token)
