"""The rows of one batch that was read as a whole: rows to whoever looks at them, and a batch to `collate`.

So are the structs in a column of it, such as poses.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, SupportsIndex, cast

from torch import Tensor

Row = dict[str, Any]
Make = Callable[[], Mapping[str, Any]]


class Columns(dict[str, Any]):
    """A batch as a dict of columns, which transforms take for one also where its images are all it has.

    Example:
        >>> Columns(image=[1, 2]).copy()
        {'image': [1, 2]}
    """

    __slots__ = ()

    def copy(self) -> "Columns":
        """One of the same columns."""
        return Columns(self)


class BatchRows(list[Row]):
    """A list of rows that are made when somebody looks at them.

    Args:
        columns: gives the rows as a batch: each column as a tensor, an array or a list of what the rows have in it.
        finished: gives it for a batch, where that is another one, as in another kind of memory.
        kinds: gives what the columns are known to hold: `float` numbers, `list` what does not become a tensor, and a
            dict by field of a struct; so a column is the same where it is null throughout.

    Attributes:
        kinds: gives it.

    Example:
        >>> rows = BatchRows(lambda: {"image": ["a", "b"]})
        >>> rows[1], rows.columns
        ({'image': 'b'}, None)
    """

    __slots__ = ("_columns", "_finished", "kinds")

    def __init__(self, columns: Make, finished: Make | None = None, kinds: Make = dict) -> None:
        super().__init__()
        self.kinds = kinds
        self._columns: Make | None = columns
        self._finished = finished or columns

    @property
    def columns(self) -> Mapping[str, Any] | None:
        """The batch; None once somebody has looked at the rows, who may have changed them."""
        return None if self._columns is None else self._finished()

    def _fill(self) -> None:
        if self._columns is not None:
            columns, self._columns = self._columns(), None
            values = [column.unbind() if isinstance(column, Tensor) else column for column in columns.values()]
            list.extend(self, (dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)))

    def __radd__(self, other: list[Any]) -> list[Any]:
        return [*other, *self]

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return list, ([*self],)


def _looking(name: str) -> Callable[..., Any]:
    """A method of lists, for which there have to be rows first."""
    stock = getattr(list, name)

    @functools.wraps(stock)
    def method(self: BatchRows, *args: Any, **kwargs: Any) -> Any:
        self._fill()
        return stock(self, *args, **kwargs)

    return method


for _name in (
    *("__len__", "__iter__", "__reversed__", "__contains__", "__getitem__", "__setitem__", "__delitem__"),
    *("__add__", "__iadd__", "__mul__", "__rmul__", "__imul__"),
    *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__repr__"),
    *("append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse", "sort"),
):
    setattr(BatchRows, _name, _looking(_name))


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

    @property
    def fields(self) -> dict[str, Any]:
        """The fields, by name: of all rows."""
        return dict(self._columns)

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
