"""Lance: images as lists of fixed size; a take for each batch of shuffled rows, and whole batches in shuffled order."""

from collections.abc import Iterator
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import torch
from lance.sampler import Sampler, ShardedBatchSampler
from lance.torch.data import LanceDataset
from passes import given, serve

images = given()
uri = str(images.folder / "images.lance")
kind = pa.list_(pa.float32(), images.side**2)
schema = pa.schema({"image": kind, "index": pa.int64()})


class Rows(Sampler):
    """Single rows in random order, as many as a batch has at a time."""

    def __call__(self, ds: Any, *_args: Any, batch_size: int = 128, columns: Any = None, **_options: Any) -> Any:
        """Record batches, as a sampler gives them."""
        for rows in torch.randperm(images.count).split(batch_size):
            yield ds.take(rows.numpy(), columns=columns).combine_chunks().to_batches()[0]


def tables(rows: int = 1024) -> Iterator[pa.RecordBatch]:
    """The images, some at a time."""
    for start in range(0, images.count, rows):
        pixels = np.array(images.pixels[start : start + rows])
        column = pa.FixedSizeListArray.from_arrays(pa.array(pixels.reshape(-1)), type=kind)
        yield pa.record_batch([column, pa.array(np.arange(start, start + len(pixels)))], schema=schema)


def batches(sampler: Sampler) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """An epoch."""
    for batch in LanceDataset(dataset, images.batch_size, sampler=sampler):
        yield batch["image"].view(-1, images.side, images.side), batch["index"]


dataset = lance.write_dataset(pa.RecordBatchReader.from_batches(schema, tables()), uri)
whole = ShardedBatchSampler(0, 1, randomize=True)
serve({"rows": lambda: batches(Rows()), "batches": lambda: batches(whole)})
