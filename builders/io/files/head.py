"""What is held of a file before its format is asked what it holds."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Head:
    """The beginning of a file of one version.

    Attributes:
        data: its first bytes.
        size: how many it has; None where a server does not tell.
        etag: its version; empty where nothing tells.
        more: other bytes of it, by their offset, that its format has asked for.
    """

    data: bytes
    size: int | None
    etag: str
    more: dict[int, bytes] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the file."""
        return len(self.data) == self.size
