"""Faults that another try may not meet."""

from builders.errors import ChangedError


class PassingError(Exception):
    """A fault that another try may not meet."""


class BrokenOff(PassingError):
    """The body ended before its time."""


class Dripping(PassingError):
    """The body comes too slowly."""


class Busy(PassingError):
    """The server asks to try again, perhaps after some seconds."""

    def __init__(self, status: int, wait: float | None) -> None:
        super().__init__(f"HTTP {status}")
        self.wait = wait


class TwoTagsError(ChangedError):
    """Two answers call a version by two ETags and say nothing else that differs: it changed, or two servers answer."""
