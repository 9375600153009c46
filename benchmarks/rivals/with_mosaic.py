"""mosaicml-streaming: uncompressed MDS shards, a torch DataLoader without workers."""

import torch
from passes import given, serve
from streaming import MDSWriter, StreamingDataLoader, StreamingDataset

images = given()
shards = str(images.folder / "mosaic")
with MDSWriter(out=shards, columns={"image": f"ndarray:float32:{images.side},{images.side}", "index": "int"}) as writer:
    for number, pixels in enumerate(images.pixels):
        writer.write({"image": pixels, "index": number})
dataset = StreamingDataset(local=shards, shuffle=True, shuffle_seed=0, batch_size=images.batch_size)
loader = StreamingDataLoader(dataset, batch_size=images.batch_size, num_workers=0)
serve({"rows": lambda: ((batch["image"], torch.as_tensor(batch["index"])) for batch in loader)})
