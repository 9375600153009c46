#!/usr/bin/env bash
# Streams of `datasets` on several nodes, with DataLoader workers in each: who gets which rows.
#
# Versions:  datasets 5.2.0, torch 2.13.0.
# Valid use: a stream of 8 shards with one row each, divided among 3 nodes by split_dataset_by_node, read in each node
#            by a DataLoader. 3 does not divide 8, so by its documentation every node keeps one row in three.
# Expected:  8 rows over 3 nodes: 3, 3 and 2, for any number of workers.
# Seen:      without workers 3, 3 and 2. With 8 workers a node: 8, 0 and 0. Each worker counts rows from 0 in the
#            shards that are its own, so that the first node's workers keep all of their first rows, and so on.
# For users: nodes that get nothing wait for ever at the next all-reduce. Choose a number of shards that the number of
#            nodes divides, as our streams do; where it does not, ours count on from one worker to the next.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 torch==2.13.0
cd "$folder"

cat > seen.py <<'PYTHON'
import datasets
import torch
from datasets.distributed import split_dataset_by_node


def rows(x):
    for value in x:
        yield {"x": value}


def shares(workers):
    stream = datasets.IterableDataset.from_generator(rows, gen_kwargs={"x": list(range(8))})
    nodes = [split_dataset_by_node(stream, rank=rank, world_size=3) for rank in range(3)]
    return [sum(1 for _ in torch.utils.data.DataLoader(node, batch_size=None, num_workers=workers)) for node in nodes]


if __name__ == "__main__":
    seen = {workers: shares(workers) for workers in (0, 8)}
    print(datasets.__version__, torch.__version__, seen)
    assert seen == {0: [3, 3, 2], 8: [8, 0, 0]}, f"no longer so: {seen}"
PYTHON
HF_HOME="$folder/home" "$folder/venv/bin/python" seen.py
