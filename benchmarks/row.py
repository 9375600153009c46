"""A line of the benchmark's table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table: ours is `ratio` times as fast as the reference, or takes `ratio` seconds more."""

    what: str
    ours: str
    reference: str
    ratio: float
    bound: float
    at_least: bool = True

    def __str__(self) -> str:
        columns = f"{self.what:<66} {self.ours:>9} {self.reference:>9} {self.ratio:>6.2f}"
        if not self.bound:
            return columns
        met = self.ratio >= self.bound if self.at_least else self.ratio <= self.bound
        return f"{columns} {'>=' if self.at_least else '<=':>4} {self.bound:<4g} {'met' if met else 'MISSED'}"


def per_item(seconds: float, count: int) -> str:
    """Milliseconds an item."""
    return f"{seconds / count * 1e3:.2f} ms"


def per_second(seconds: float, count: int) -> str:
    """Thousands of items a second."""
    return f"{count / seconds / 1e3:.1f} k/s"
