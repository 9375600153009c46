"""Train on two processes of plain torch, stop in the middle of an epoch and go on: each row is seen once an epoch."""

import argparse
import os
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from datasets.distributed import split_dataset_by_node
from torch import nn
from torchdata.stateful_dataloader import StatefulDataLoader

import perc_transforms as T
from builders import load_dataset
from examples import complexes, recipe_pictures
from examples.classify import classifier, predict

MADE = {"box_size": 32, "pixel_size": 6.0, "snr": 0.3, "defocus": (8_000, 16_000), "split": "train"}
PREPARE = T.Compose([T.PhaseFlip(), T.Normalize()])
AUGMENT = T.Compose([T.RandomRotate(), *PREPARE.transforms])


def work(rank: int, out: Path, made: dict[str, object], epochs: int, stop: int | None) -> None:
    """Train as one of two processes, from its checkpoint if there is one; stop after so many steps."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # both processes are on this machine
    dist.init_process_group("gloo", store=dist.FileStore(f"{out}/store-{stop}", 2), rank=rank, world_size=2)
    torch.set_num_threads(1)
    stream = load_dataset("synthetic", streaming=True, **made).shuffle(seed=0, buffer_size=64)
    stream = split_dataset_by_node(stream, rank, dist.get_world_size()).map(AUGMENT, batched=True, batch_size=32)
    loader = StatefulDataLoader(stream.with_format("torch").batch(32), None, num_workers=1, collate_fn=T.collate)
    torch.manual_seed(0)
    model = nn.parallel.DistributedDataParallel(classifier(5))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    parts, path, log = {"model": model, "optimizer": optimizer, "loader": loader}, out / f"rank-{rank}.pt", []
    if path.exists():
        states, log = torch.load(path)
        for name, part in parts.items():
            part.load_state_dict(states[name])
    for epoch in range(log[-1][0] if log else 0, epochs):
        loader.dataset.set_epoch(epoch)  # another order
        AUGMENT.set_epoch(epoch)  # other angles
        for batch in loader:
            loss = nn.functional.cross_entropy(model(batch["image"]), batch["label"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            log.append((epoch, batch["index"].tolist(), loss.item()))
            if len(log) == stop:
                return torch.save(({name: part.state_dict() for name, part in parts.items()}, log), path)
    return torch.save((model.module.state_dict(), log), path)


def main(arguments: list[str] | None = None) -> None:
    """Train until the middle of the second epoch, then in new processes to the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="on little data, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("demo-output/recipes"))
    options = parser.parse_args(arguments)
    count, epochs = (512, 3) if options.small else (1536, 4)
    made = MADE | {"structures": complexes.structures(options.out / "complexes"), "num_examples": count}
    with tempfile.TemporaryDirectory() as folder:
        for stop in (count * 3 // 128, None):
            torch.multiprocessing.spawn(work, (Path(folder), made, epochs, stop), nprocs=2)
        (state, *_), logs = zip(*(torch.load(f"{folder}/rank-{rank}.pt") for rank in range(2)), strict=True)
    seen = [(epoch, row) for log in logs for epoch, rows, _ in log for row in rows]
    assert sorted(seen) == [(epoch, row) for epoch in range(epochs) for row in range(count)], "not each row once"
    print(f"{epochs} epochs of {count} rows, stopped in the second: each row once an epoch, on one of two processes")
    model = classifier(5)
    model.load_state_dict(state)
    held_out = load_dataset("synthetic", seed=43, **made | {"num_examples": 512})
    truth, found = torch.tensor(held_out["label"]), predict(model, held_out.with_transform(PREPARE))
    accuracy, chance = (found == truth).float().mean(), truth.bincount().max() / len(truth)
    print(f"accuracy on {len(truth)} held out particles {accuracy:.1%}, by chance {chance:.1%}")
    assert accuracy > chance, "nothing was learned"
    recipe_pictures.two_processes(options.out / "two_processes.png", logs, count * 3 // 128)


if __name__ == "__main__":
    main()
