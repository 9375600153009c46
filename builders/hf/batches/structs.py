"""Structs of a batch in the torch format, such as the poses of its rows."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast


class Structs:
    """Structs of a batch in the torch format: a sequence of dicts, which are made when somebody wants them.

    A tensor for each of its values takes longer than reading a batch, and each of them is sent by itself from a
    loader's worker. By a field's name, it gives that field of all rows at once.

    Args:
        columns: the fields, each a tensor, a list of texts or a dict of fields.

    Example:
        >>> import torch
        >>> poses = Structs({"rot": torch.tensor([30.0, 40.0])})
        >>> poses["rot"], poses[1]
        (tensor([30., 40.]), {'rot': tensor(40.)})
    """

    __slots__ = ("_block", "_made", "_names")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self._made: dict[str, Any] | None = {
            name: Structs(of) if isinstance(of, dict) else of for name, of in columns.items()
        }
        self._names, self._block = list(columns), cast(Any, None)

    @classmethod
    def of(cls, names: list[str], block: Any) -> "Structs":
        """Those of a tensor of all fields, one after another: another process is sent it as a whole."""
        made = cls.__new__(cls)
        made._made, made._names, made._block = None, names, block
        return made

    def __reduce__(self) -> "tuple[Any, tuple[Any, ...]]":
        return (Structs, (self._made,)) if self._block is None else (Structs.of, (self._names, self._block))

    @property
    def _columns(self) -> dict[str, Any]:
        if self._made is None:
            self._made = dict(zip(self._names, self._block.unbind(), strict=True))
        return self._made

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, chosen: Any) -> Any:
        if isinstance(chosen, str):
            return self._columns[chosen]
        some = {name: column[chosen] for name, column in self._columns.items()}
        return Structs(some) if isinstance(chosen, slice) else some

    def __iter__(self) -> Iterator[dict[str, Any]]:
        columns = [column.unbind() if hasattr(column, "unbind") else column for column in self._columns.values()]
        return (dict(zip(self._columns, row, strict=True)) for row in zip(*columns, strict=True))

    def __eq__(self, other: object) -> bool:
        return len(self) == len(other) and list(self) == list(other) if isinstance(other, Structs | list) else False

    def __repr__(self) -> str:
        return repr(list(self))

    def keys(self) -> list[str]:
        """Names of the fields."""
        return list(self._names)

    def _each(self, change: Callable[[Any], Any]) -> "Structs":
        return Structs(
            {
                name: change(column) if isinstance(column, Structs) or hasattr(column, "unbind") else column
                for name, column in self._columns.items()
            }
        )

    def to(self, *args: Any, **kwargs: Any) -> "Structs":
        """The same with its tensors elsewhere, or of another type: see `torch.Tensor.to`."""
        return self._each(lambda column: column.to(*args, **kwargs))

    def pin_memory(self) -> "Structs":
        """The same with its tensors in memory that a device reads from."""
        return self._each(lambda column: column.pin_memory())
