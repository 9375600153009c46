"""Rows of one batch are a list of rows to whoever looks at them, and a batch to `collate` until then."""

import copy
import operator
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

import perc_transforms as T
from perc_transforms.core.batch_rows import BatchRows, Columns

BATCH = {"image": torch.arange(12.0).reshape(3, 2, 2), "index": torch.tensor([4, 5, 6]), "path": ["a", "b", "c"]}
PLAIN = [
    {"image": BATCH["image"][n], "index": BATCH["index"][n], "path": BATCH["path"][n]}
    for n in range(len(BATCH["path"]))
]
LOOKS = {
    "len": len,
    "bool": bool,
    "iter": list,
    "index": lambda rows: rows[1],
    "slice": lambda rows: rows[1:],
    "reversed": lambda rows: list(reversed(rows)),
    "unpack": lambda rows: [*rows],
    "zip": lambda rows: list(zip(*rows, strict=True)),
    "plus": lambda rows: operator.add(rows, [1]),
    "added to": lambda rows: operator.add([1], rows),
    "times": lambda rows: 2 * rows,
    "copy": copy.copy,
    "own copy": lambda rows: rows.copy(),
    "deep copy": copy.deepcopy,
    "pickled": lambda rows: pickle.loads(pickle.dumps(rows)),
    "repr": repr,
    "sorted": lambda rows: sorted(rows, key=lambda row: -int(row["index"])),
    "extended": lambda rows: [*[0], *rows],
    "pop": lambda rows: (rows.pop(), len(rows)),
    "append": lambda rows: (rows.append({}), list(rows)),
    "popped first": lambda rows: (rows.pop(0), rows[0]),
    "delete": lambda rows: (rows.__delitem__(0), list(rows)),
    "default_collate": default_collate,
}


def same(found, wanted):
    if isinstance(wanted, list | tuple):
        assert isinstance(found, list | tuple)
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            same(one, other)
    elif isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for name in wanted:
            same(found[name], wanted[name])
    elif isinstance(wanted, torch.Tensor):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    else:
        assert found == wanted


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_they_are_rows_to_whoever_looks(look):
    rows = BatchRows(lambda: BATCH)
    assert rows.columns is BATCH
    same(look(rows), look([dict(row) for row in PLAIN]))
    assert rows.columns is None


def test_they_are_made_once():
    made = []
    rows = BatchRows(lambda: made.append(1) or BATCH)
    assert not made
    assert len(rows) == len(rows) == 3
    assert rows[0] is rows[0]
    assert made == [1]


def test_what_is_changed_in_a_row_is_collated():
    rows = BatchRows(lambda: BATCH)
    rows[1]["path"] = "changed"
    same(T.collate(rows), {**BATCH, "path": ["a", "changed", "c"]})


def test_untouched_ones_are_collated_without_a_copy():
    batch = T.collate(BatchRows(lambda: BATCH))
    same(batch, T.collate(PLAIN))
    assert batch["image"].data_ptr() == BATCH["image"].data_ptr()
    elsewhere = {**BATCH, "image": BATCH["image"].clone()}
    finished = BatchRows(lambda: BATCH, lambda: elsewhere)
    assert T.collate(finished)["image"].data_ptr() == elsewhere["image"].data_ptr()
    assert finished[0]["image"].data_ptr() == BATCH["image"].data_ptr()


COLUMNS = {
    "null among numbers": [1.5, None, 2.0],
    "null among texts": ["a", None, "b"],
    "integers": [1, 2, 3],
    "integers and floats": [1, 2.5, 3],
    "truth values": [True, False, True],
    "structs": [{"rot": 1.0, "n": 1}, None, {"rot": None, "n": 2}],
    "lists": [[1, 2], [3, 4], [5, 6]],
    "ragged lists": [[1], [], [5, 6]],
    "tensors": [torch.ones(2), torch.zeros(2), torch.ones(2)],
    "array": np.arange(3.0, dtype=np.float32),
    "texts as an array": np.array(["a", "b", "c"]),
    "bytes": [b"a", b"", b"c"],
    "nothing": [None, None, None],
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS.keys())
@pytest.mark.parametrize("name", ["value", "label", "transforms"])
def test_any_column_is_collated_as_that_of_rows(column, name):
    batch = {"image": BATCH["image"], name: column}
    rows = [{"image": image, name: value} for image, value in zip(BATCH["image"], column, strict=True)]
    same(T.collate(BatchRows(lambda: batch)), T.collate(rows))


@pytest.mark.parametrize(
    "images",
    [
        np.ones((3, 4, 5), np.int16),
        torch.ones(3, 4, 5, dtype=torch.int64),
        torch.ones(3, 4, 5, dtype=torch.float64),
        [torch.ones(4, 5)] * 3,
        [torch.ones(4, 5), torch.ones(2, 5), torch.ones(4, 5)],
        torch.ones(3, 4, 5, dtype=torch.complex64),
        torch.full((3, 4, 5), 2**30),
        torch.ones(3, 4),
    ],
)
def test_images_are_collated_as_those_of_rows(images):
    batch = {"image": images, "path": ["a", "b", "c"]}
    rows = [{"image": image, "path": path} for image, path in zip(images, batch["path"], strict=True)]
    same(told_or_made(BatchRows(lambda: batch)), told_or_made(rows))


def told_or_made(rows):
    try:
        return T.collate(rows)
    except T.TransformError as err:
        return str(err)


def test_a_batch_of_images_alone_is_one():
    stack = np.random.default_rng(0).random((3, 6, 6), np.float32)
    found = T.Compose([T.MinMax(), T.Rescale(4)])(Columns(image=stack))["image"]
    assert isinstance(found, torch.Tensor)
    torch.testing.assert_close(found, torch.stack(T.Compose([T.MinMax(), T.Rescale(4)])(list(stack))))
    assert isinstance(Columns(image=stack).copy(), Columns)


def test_what_one_image_of_a_stack_cannot_be_is_told_with_its_row():
    images = np.zeros((3, 4, 4), np.int32)
    images[1, 2, 2] = 2**25
    with pytest.raises(T.TransformError, match=r"^b\.mrc: Normalize: .* with the value 33554432"):
        T.Normalize()({"image": images, "path": ["a.mrc", "b.mrc", "c.mrc"]})
