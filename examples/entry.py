"""Part two of the demo: an entry of the archive, looked over and streamed without downloading it."""

import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import load_dataset
from builders.archive.catalogue import describe
from builders.empiar import Entry
from examples.classify import BATCH_SIZE, PREPARE
from examples.contact_sheet import Tile, note, verdict, write_contact_sheet
from examples.deposit import ENTRY, generate
from examples.folder import ACROSS, SHOWN, Trained
from tests.server import serve

MICROGRAPHS_SHOWN = 4


def run(out: Path, trained: Trained, micrographs: int) -> float:
    """Generate an entry, serve it, list it, stream it, ask the network; the share of particles that it gets right."""
    shown = generate(out / "archive", out, micrographs)
    start = time.perf_counter()
    with serve() as server:
        server.publish(out / "archive")
        size = sum(len(data) for path, data in server.files.items() if "." in path)
        entry = Entry(ENTRY, archive=server.base)
        print(f"EMPIAR-{entry.number}: {entry.title}, {entry.size}")
        for imageset in entry.imagesets:
            print(f"  {describe(imageset)}")
        print(f"  files in data/particles: {', '.join(entry.ls('data/particles'))}")
        where = {"entry": ENTRY, "archive": server.base, "split": "train", "cache_dir": out / "cache"}

        index = load_dataset("empiar", imageset="Picked particles", **where)
        before = server.bytes_sent
        chosen = list(range(0, len(index), max(1, len(index) // SHOWN)))[:SHOWN]
        particles = index[chosen]["image"]
        print(
            f"an index of {len(index)} particles cost {before / 1e3:.1f} kB, "
            f"{len(chosen)} of them {(server.bytes_sent - before) / 1e3:.1f} kB more"
        )

        stream = load_dataset("empiar", imageset="Picked particles", streaming=True, **where)
        answers = _classified(stream.map(PREPARE, batched=True, batch_size=BATCH_SIZE), trained)
        right = sum(trained.names[answer] == shown[place] for place, answer in answers.items()) / len(shown)
        print(f"streamed by 2 workers: {len(answers)} particles, {right:.1%} of them named right")

        smooth = T.Compose([T.GaussianBlur(sigma_angstrom=12.0), T.Rescale(256)])
        views = load_dataset("empiar", imageset="Micrographs", **where).with_transform(smooth)[:MICROGRAPHS_SHOWN]
        overview = [Tile(image.numpy(), note(path)) for image, path in zip(views["image"], views["path"], strict=True)]
        moved = server.bytes_sent
    print(f"moved {moved / 1e6:.1f} MB of the entry's {size / 1e6:.1f} MB in {time.perf_counter() - start:.1f} s")
    tiles = [
        Tile(image, verdict(shown[place], trained.names[answers[place]]))
        for image, place in zip(particles, chosen, strict=True)
    ]
    sheet = out / "entry_sheet.png"
    write_contact_sheet(sheet, (overview, MICROGRAPHS_SHOWN), (tiles, ACROSS))
    print(f"contact sheet: {sheet.resolve()}")
    return right


def _classified(stream: object, trained: Trained) -> dict[int, int]:
    """The most likely class of each particle, by its place in the stack; read by two worker processes."""
    loader = DataLoader(stream, BATCH_SIZE, num_workers=2, collate_fn=T.collate)
    answers: dict[int, int] = {}
    trained.model.eval()
    with torch.inference_mode():
        for batch in loader:
            answers |= zip(batch["index"].tolist(), trained.model(batch["image"]).argmax(1).tolist(), strict=True)
    return answers
