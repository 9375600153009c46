"""Training on several nodes: a stream of an entry divided among processes, each row once an epoch, resumable.

    torchrun --nproc-per-node 2 -m examples.distributed --entry 10943 --out run

starts two processes on this machine; docs/cluster.md tells how to start some on each node of a cluster. What to copy:

- `split_dataset_by_node` gives each process shards of its own. They never hold equally many rows, so one process has
  none left while others do. Here all of them take each step together, some with an empty batch, until nobody has a row:
  nothing hangs, and since a step's loss is divided by the rows that all of them have, every row counts the same.
- The state of the stream is saved with the model, after the same step in all processes. A run that was killed goes on
  from there: rows up to that step are not seen again, those after it are, with the model as it was.
"""

import argparse
import os
import shutil
import signal
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
import torch.distributed as dist
from datasets.distributed import split_dataset_by_node
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import perc_transforms as T
from builders import load_dataset
from builders.io.net import remote

SIDE = 32
PREPARE = T.Compose([T.Rescale(SIDE), T.Normalize()])


def main(arguments: Sequence[str] | None = None) -> None:
    """Train in one of the processes that torchrun starts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entry", required=True, help="of EMPIAR")
    parser.add_argument("--imageset", help="name or number of an image set; not needed where there is one")
    parser.add_argument("--archive", help="folder of a mirror, or URL of another server")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and logs; all nodes share it")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=16, help="rows of a step, in each process")
    parser.add_argument("--save-every", type=int, default=10, help="steps between checkpoints")
    parser.add_argument("--stop-after", type=int, help="kill one process after so many steps, to see a run resume")
    options = parser.parse_args(arguments)

    dist.init_process_group("gloo")  # "nccl" where there are GPUs
    remote.share(dist.get_world_size() // int(os.environ["LOCAL_WORLD_SIZE"]))  # nodes behind one address
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    training = Training(options)
    try:
        training.run()
    finally:
        training.log.close()
    dist.destroy_process_group()


class Training:
    """One process's part of a run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.rank, self.world = options, dist.get_rank(), dist.get_world_size()
        stream = load_dataset(
            "empiar",
            **{"entry": options.entry, "imageset": options.imageset, "archive": options.archive},
            **{"split": "train", "streaming": True},
        )
        # shards are shuffled, rows are not: a buffer of rows would be lost when the run is resumed
        self.stream = split_dataset_by_node(stream.shuffle(seed=0, buffer_size=1), self.rank, self.world)
        model = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 64), nn.ReLU(), nn.Linear(64, SIDE * SIDE))
        self.model = DistributedDataParallel(model)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.epoch = self.step = 0
        self.log = (options.out / f"rows-{self.rank}.tsv").open("a")
        self._load()

    def run(self) -> None:
        """Train the epochs that are left, from where the last checkpoint is."""
        while self.epoch < self.options.epochs:
            self.stream.set_epoch(self.epoch)  # shuffles anew
            rows, last = iter(self.stream), 0.0
            while (loss := self._step(list(islice(rows, self.options.batch_size)))) is not None:
                self.step, last = self.step + 1, loss
                if self.step % self.options.save_every == 0:
                    self._save()
                if self.step == self.options.stop_after and self.rank == self.world - 1:
                    os.kill(os.getpid(), signal.SIGKILL)
            self.epoch += 1
            self._save()
            if self.rank == 0:
                print(f"epoch {self.epoch}: {self.step} steps, loss of the last one {last:.3f}")

    def _step(self, rows: list[dict[str, object]]) -> float | None:
        """One step on the rows of all processes; this one may have none. None: nobody has one."""
        count = torch.tensor(len(rows))
        dist.all_reduce(count)
        if not count:
            return None
        images = PREPARE(T.collate(rows))["image"] if rows else torch.empty(0, SIDE, SIDE)
        squares = (self.model(images) - images.flatten(1)).square().mean(1)
        # gradients are averaged over processes: times their number, they are summed
        (squares.sum() * self.world / count).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.log.writelines(f"{self.epoch}\t{row['path']}\t{row['index']}\n" for row in rows)
        loss = squares.detach().sum()
        dist.all_reduce(loss)
        return float(loss / count)

    def _save(self) -> None:
        """Write a checkpoint of all processes; until each has written its file, the one before it counts."""
        folder = self.options.out / f"checkpoint-{self.epoch}-{self.step}"
        folder.mkdir(exist_ok=True)
        self.log.flush()
        own = {"stream": self.stream.state_dict(), "log": self.log.tell()}
        torch.save(own, folder / f"rank-{self.rank}.pt")
        if self.rank == 0:
            model = {"model": self.model.module.state_dict(), "optimizer": self.optimizer.state_dict()}
            torch.save({**model, "epoch": self.epoch, "step": self.step, "world": self.world}, folder / "model.pt")
        dist.barrier()  # all have written
        if self.rank == 0:
            temporary = self.options.out / "latest.tmp"
            temporary.write_text(folder.name)
            temporary.replace(self.options.out / "latest")
            for old in set(self.options.out.glob("checkpoint-*-*")) - {folder}:
                if (old / "rank-0.pt").is_file():  # others name theirs alike
                    shutil.rmtree(old)

    def _load(self) -> None:
        """Go to the last checkpoint: the model, the stream, and the log, which loses what came after it."""
        latest = self.options.out / "latest"
        if not latest.exists():
            self.log.truncate(0)
            return
        folder = self.options.out / latest.read_text()
        shared, own = (torch.load(folder / name) for name in ("model.pt", f"rank-{self.rank}.pt"))
        if shared["world"] != self.world:
            msg = f"{folder} is of {shared['world']} processes: {self.world} would divide the stream otherwise"
            raise SystemExit(msg)
        self.model.module.load_state_dict(shared["model"])
        self.optimizer.load_state_dict(shared["optimizer"])
        self.epoch, self.step = shared["epoch"], shared["step"]
        self.stream.load_state_dict(own["stream"])
        self.log.truncate(own["log"])
        if self.rank == 0:
            print(f"goes on after step {self.step}, in epoch {self.epoch + 1}")


if __name__ == "__main__":
    main()
