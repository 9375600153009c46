"""What is done to our streams, `map`, `batch`, `select_columns` and the like, done to whole batches where that can be.

Rows, their order and the states that a stream goes on from are those of `datasets`.
"""

import functools
import inspect
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Any

import datasets.iterable_dataset as stock
from datasets.formatting import TensorFormatter, get_formatter

from builders.hf.stream_layers import layers_of
from builders.hf.streaming import is_ours
from builders.hf.streams.batches import Batch, joined, length_of

_Batches = Generator[tuple[Any, Batch], None, None]


def gives_batches(layer: Any) -> bool:
    """Whether a layer of a stream can give whole batches, by `iter_batches`."""
    return bool(getattr(layer, "gives_batches", False))


def is_grouping(layer: Any) -> bool:
    """Whether rows of a layer are batches, made by `batch`."""
    return isinstance(layer, MappedExamplesIterable) and layer.function is stock._batch_fn


class MappedExamplesIterable(stock.MappedExamplesIterable):  # type: ignore[misc]
    """What `map` makes; of streams of ours, a batched function gets whole batches and its own are passed on whole."""

    @property
    def gives_batches(self) -> bool:
        """Whether it can give whole batches."""
        return self._is_whole or (self._is_of_columns and gives_batches(self.ex_iterable))

    @property
    def _is_whole(self) -> bool:
        """Whether its function takes batches, of a stream of ours, one after another."""
        is_one_by_one = not self.batched or not self.batch_size or self.batch_size <= 0
        is_odd = inspect.iscoroutinefunction(self.function) or (self.formatting and self.formatting.is_table)
        if is_one_by_one or is_odd or getattr(self, "is_batch_accumulate_arrow_table_function", False):
            return False
        return is_ours(layers_of(self)[-1])

    @property
    def _is_of_columns(self) -> bool:
        """Whether it only takes columns away, or gives them other names."""
        is_plain = not self.batched and not self.with_indices and self.input_columns is None
        return is_plain and (self.function is stock.identity_func or bool(self._names))

    @property
    def _names(self) -> dict[str, str]:
        """New names of columns by their old ones, of a function that gives them some."""
        is_renaming = isinstance(self.function, partial) and self.function.func is stock._rename_columns_fn
        return dict(self.function.keywords["column_mapping"]) if is_renaming else {}

    def _iter(self) -> Iterator[tuple[Any, dict[str, Any]]]:
        if not self._is_whole:
            yield from super()._iter()
            return
        with closing(self._outputs()) as outputs:
            for key, batch, skip in outputs:
                for number, row in enumerate(stock._batch_to_examples(batch), 1):
                    self._note(number)
                    if number > skip:
                        yield key, row

    def iter_batches(self, size: int, drop_last: bool = False) -> _Batches:
        """Batches of so many rows each, whatever the size of those that the function works on."""
        if not self._is_whole:
            yield from self._of_columns(size, drop_last)
            return
        held: list[Batch] = []
        count, first = 0, None
        with closing(self._outputs()) as outputs:
            for key, columns, skip in outputs:
                batch = Batch(columns)
                while skip < batch.length:
                    first = key if not held else first
                    held.append(batch.part(skip, skip + size - count))
                    skip, count = skip + held[-1].length, count + held[-1].length
                    self._note(skip)
                    if count == size:
                        whole, held, count = _joined(held), [], 0
                        yield first, whole
                        del whole
                del columns, batch
        if held and not drop_last:
            yield first, _joined(held)

    def _outputs(self) -> Generator[tuple[Any, dict[str, Any], int], None, None]:
        """What the function makes of each batch, and how many rows of it were given before the stream went on."""
        state, skip = self._state_dict, 0
        place = state["previous_state_example_idx"] if state else 0
        if state and state["previous_state"]:
            self.ex_iterable.load_state_dict(state["previous_state"])
            skip = state["num_examples_since_previous_state"]
        self._begin(place)
        with closing(self._inputs()) as inputs:
            for key, batch in inputs:
                first, place = place, place + batch.length
                columns = self._applied(batch.plain(), list(range(first, place)))
                count = length_of(columns)
                del batch  # its memory is there for the next one
                yield key, columns, min(skip, count)
                del columns
                skip = max(0, skip - count)
                self._begin(place)

    def _begin(self, place: int) -> None:
        """Note that all before some batch was given."""
        if self._state_dict:
            self._state_dict["previous_state"] = self.ex_iterable.state_dict()
            self._state_dict["previous_state_example_idx"] = place
            self._note(0)

    def _note(self, number: int) -> None:
        """Note how many rows of a batch of the function's were given."""
        if self._state_dict:
            self._state_dict["num_examples_since_previous_state"] = number

    def _inputs(self) -> _Batches:
        """The batches that the function is given."""
        if gives_batches(self.ex_iterable):
            yield from self.ex_iterable.iter_batches(self.batch_size, self.drop_last_batch)
            return
        formatter = get_formatter(self.formatting.format_type) if self.formatting else None
        rows = iter(self.ex_iterable)
        while some := list(islice(rows, self.batch_size)):
            if self.drop_last_batch and len(some) < self.batch_size:
                return
            columns = stock._examples_to_batch([row for _, row in some])
            if isinstance(formatter, TensorFormatter):
                columns = formatter.recursive_tensorize(columns)
            yield some[0][0], Batch(columns, len(some))

    def _applied(self, columns: dict[str, Any], indices: list[int]) -> dict[str, Any]:
        """What the function makes of a batch, beside the columns that it leaves."""
        given = [columns] if self.input_columns is None else [columns[name] for name in self.input_columns]
        kept = dict(columns)
        made = self.function(*given, *([indices] if self.with_indices else []), **self.fn_kwargs)
        for name in self.remove_columns or ():
            kept.pop(name, None)
            if made is columns:
                made.pop(name, None)
        if made:
            _check_lengths({**kept, **made}, made)
        return {**kept, **made}

    def _of_columns(self, size: int, drop_last: bool) -> _Batches:
        with closing(self.ex_iterable.iter_batches(size, drop_last)) as batches:
            for key, batch in batches:
                kept, made = dict(batch), dict(self.function(dict(batch), **self.fn_kwargs))
                for name in self.remove_columns or ():
                    kept.pop(name, None)
                    if not self._names:
                        made.pop(name, None)
                if self._state_dict:
                    self._state_dict["previous_state_example_idx"] += batch.length
                yield key, batch.with_columns({**kept, **made}, self._names)


def _check_lengths(columns: dict[str, Any], made: dict[str, Any]) -> None:
    """Refuse columns of unlike lengths, as `datasets` does.

    Raises:
        ValueError: they are.
    """
    first = next(iter(made))
    expected = len(made[first])
    bad = {name: len(column) for name, column in columns.items() if len(column) != expected}
    if bad:
        msg = f"Column lengths mismatch: columns {list(bad)} have length {list(bad.values())} while {first} has length "
        msg += f"{expected}. Make sure the mapped function returns all columns at the same length, or drop the "
        msg += "offending input columns with `remove_columns`."
        raise ValueError(msg)


def _joined(held: list[Batch]) -> Batch:
    """Parts of batches as one; a column that some of them lack is null there, as in `datasets`."""
    if len(held) == 1:
        return held[0]
    names = dict.fromkeys(name for part in held for name in part)
    columns = {name: joined([part.get(name, [None] * part.length) for part in held]) for name in names}
    return Batch(columns, sum(part.length for part in held))


class SelectColumnsIterable(stock.SelectColumnsIterable):  # type: ignore[misc]
    """What `select_columns` makes, of whole batches, too."""

    @property
    def gives_batches(self) -> bool:
        """Whether it can give whole batches."""
        return gives_batches(self.ex_iterable)

    def iter_batches(self, size: int, drop_last: bool = False) -> _Batches:
        """Batches of so many rows each."""
        with closing(self.ex_iterable.iter_batches(size, drop_last)) as batches:
            for key, batch in batches:
                yield key, batch.with_columns({name: batch[name] for name in self.column_names})


class TakeExamplesIterable(stock.TakeExamplesIterable):  # type: ignore[misc]
    """What `take` makes, of whole batches, too."""

    @property
    def gives_batches(self) -> bool:
        """Whether it can give whole batches."""
        return gives_batches(self.ex_iterable)

    def iter_batches(self, size: int, drop_last: bool = False) -> _Batches:
        """Batches of so many rows each."""
        taken = self._state_dict["taken"] if self._state_dict else 0
        if taken >= self.n:
            return
        with closing(self.ex_iterable.iter_batches(size)) as batches:
            for key, batch in batches:
                part = batch.part(0, self.n - taken)
                taken += part.length
                if self._state_dict:
                    self._state_dict["taken"] = taken
                if part.length == size or not drop_last:
                    yield key, part
                if taken >= self.n:
                    return


def passing_batches(stock_iter: Callable[..., Any]) -> Callable[..., Any]:
    """`IterableDataset.iter`, by which whole batches come out of the streams that can give them."""

    @functools.wraps(stock_iter)
    def batches_of(dataset: Any, batch_size: int, drop_last_batch: bool = False) -> Iterator[dict[str, Any]]:
        if batch_size and batch_size > 0 and is_ours(layers_of(dataset._ex_iterable)[-1]):
            layer = dataset._prepare_ex_iterable_for_iteration(batch_size=batch_size, drop_last_batch=drop_last_batch)
            if gives_batches(layer):
                with closing(layer.iter_batches(batch_size, drop_last_batch)) as batches:
                    for _, batch in batches:
                        yield batch.plain()
                return
        yield from stock_iter(dataset, batch_size, drop_last_batch)

    return batches_of
