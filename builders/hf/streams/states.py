"""States of streams that say whose share of the shards they are of: no reader of another share goes on from one."""

import hashlib
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from builders.errors import OptionError

_SHARE = "share"
_OF = ", digest "
"""Between what is told of a share and what tells it from others."""
_PLAIN = frozenset((int, str, type(None)))
_EXPECTED = (
    "the number of workers or nodes is another one, or the stream, its epoch or its seed: expected all of it as it was "
    "when the state was saved"
)


class State(dict[str, Any]):
    """A state that is kept up to date, of no share yet; copies of it are plain ones.

    `datasets` merges a saved state into a stream's own, name by name.

    Args:
        fields: what is in it.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(fields, **{_SHARE: None})

    def __missing__(self, name: str) -> Any:
        msg = f"the state to go on from has {name!r}, which that of this stream does not have: {_EXPECTED}"
        raise OptionError(msg)

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        return {name: value if type(value) in _PLAIN else deepcopy(value, memo) for name, value in self.items()}

    def settle(self, own: str) -> None:
        """Note whose share it is of.

        Raises:
            OptionError: it was loaded, and is that of another one.
        """
        if self[_SHARE] not in (None, own):
            its, mine = (share.partition(_OF)[0] for share in (self[_SHARE], own))
            mine = f"{mine} that are others, or in another order" if its == mine else mine
            msg = f"the state to go on from was saved by a reader of {its}, and this one has {mine}: {_EXPECTED}"
            raise OptionError(msg)
        self[_SHARE] = own


def share_of(names: Iterable[str]) -> str:
    """How many shards some are, and a digest of their names, in order.

    Example:
        >>> share_of(["a", "b"])
        '2 shards, digest 59b271ae1bbcb1d3'
    """
    told = list(names)
    return f"{len(told)} shards{_OF}{hashlib.sha256(chr(0).join(told).encode()).hexdigest()[:16]}"
