"""Contrastive pre-training (SimCLR) on a stream of an EMPIAR entry, which is interrupted and goes on exactly."""

import argparse
import tempfile
from pathlib import Path

import torch
from torch import nn
from torchdata.stateful_dataloader import StatefulDataLoader

import perc_transforms as T
from builders import load_dataset
from examples import recipe_plots
from examples.classify import classifier
from examples.recipe_entry import served
from examples.recipe_scores import as_if_uninterrupted, linear_probe

PREPARE = T.Compose([T.CenterCrop(48), T.Rescale(32), T.Normalize()])
FIRST, SECOND = (  # two views: what is drawn for one depends on its seed, the epoch and the row alone
    T.Compose([T.RandomRotate(seed=n), T.RandomShift(4.0, seed=n), PREPARE, T.AddNoise(snr=1.0, seed=n), T.Normalize()])
    for n in (1, 2)
)


def two_views(rows: dict) -> dict:
    """Of each image of a batch."""
    return {"index": rows["index"], "first": FIRST(rows)["image"], "second": SECOND(rows)["image"]}


def pretrain(entry: dict, epochs: int, checkpoint: Path, stop: int = 0) -> tuple[nn.Module, list]:
    """Train from the checkpoint, if it is there, to the last epoch, or to a step after which it saves one."""
    torch.manual_seed(0)
    stream = load_dataset("empiar", streaming=True, **entry).shuffle(seed=0, buffer_size=256)
    views = stream.map(two_views, batched=True, batch_size=64, remove_columns=stream.column_names)
    batches = views.with_format("torch").batch(64)
    loader = StatefulDataLoader(batches, batch_size=None, num_workers=2, pin_memory=torch.cuda.is_available())
    model, steps, begin = classifier(64), [], 0
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    if checkpoint.exists():
        begin, *states = torch.load(checkpoint)
        for part, state in zip((model, optimizer, loader), states, strict=True):
            part.load_state_dict(state)
    for epoch in range(begin, epochs):
        T.EpochCallback(batches, FIRST, SECOND).set_epoch(epoch)  # another order, other views
        for batch in loader:
            found = nn.functional.normalize(model(torch.cat([batch["first"], batch["second"]])))
            alike = (found @ found.T / 0.2).fill_diagonal_(-torch.inf)  # an image is not its own partner
            loss = nn.functional.cross_entropy(alike, torch.arange(len(found)).roll(len(found) // 2))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps.append((epoch, batch["index"].tolist(), loss.item()))
            if len(steps) == stop:
                torch.save([epoch, *(part.state_dict() for part in (model, optimizer, loader))], checkpoint)
                return model, steps
    return model, steps


def main(arguments: list[str] | None = None) -> None:
    """Pre-train twice, once with an interruption, and hold the features against an untrained network's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="on little data, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("demo-output/recipes"))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # workers have the other cores
    amount = 4 if options.small else 16
    with served(options.out, micrographs=amount) as (entry, labels), tempfile.TemporaryDirectory() as folder:
        stop, checkpoint = len(labels) * 3 // 2 // 64, Path(folder) / "checkpoint.pt"  # in the second epoch
        broken = pretrain(entry, 2, checkpoint, stop)[1] + pretrain(entry, 2, checkpoint)[1]
        model, steps = pretrain(entry, epochs=amount, checkpoint=Path(folder) / "none.pt")
        images, networks = load_dataset("empiar", **entry), {"untrained": classifier(64), "pre-trained": model}
        scores = {name: linear_probe(net, images.with_transform(PREPARE), labels) for name, net in networks.items()}
    as_if_uninterrupted(broken, steps, len(labels))
    recipe_plots.pretraining(options.out / "contrastive.png", two_views(images[:4]), steps, stop, scores)


if __name__ == "__main__":
    main()
