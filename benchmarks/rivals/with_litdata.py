"""LitData: its own chunks of 64 MB, its streaming loader, no workers."""

import functools
from typing import Any

import litdata
import torch
from passes import Images, given, serve


def sample(images: Images, index: int) -> dict[str, Any]:
    """One row."""
    return {"image": torch.tensor(images.pixels[index]), "index": index}


if __name__ == "__main__":
    images = given()
    chunks = str(images.folder / "litdata")
    litdata.optimize(
        functools.partial(sample, images), list(range(images.count)), chunks, chunk_bytes="64MB", num_workers=1
    )
    dataset = litdata.StreamingDataset(chunks, shuffle=True, seed=0)
    loader = litdata.StreamingDataLoader(dataset, batch_size=images.batch_size, num_workers=0)
    serve({"rows": lambda: ((batch["image"], batch["index"]) for batch in loader)})
