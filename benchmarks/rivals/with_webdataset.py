"""WebDataset: tar files of .npy, shards and then rows shuffled in a buffer of 1,000, batches made by the pipeline."""

import torch
import webdataset
from passes import given, serve

images = given()
folder = images.folder / "webdataset"
folder.mkdir()
with webdataset.ShardWriter(f"{folder}/%04d.tar", maxcount=1000, verbose=0) as writer:
    for number, pixels in enumerate(images.pixels):
        writer.write({"__key__": f"{number:08}", "image.npy": pixels, "index.cls": number})
urls = sorted(str(path) for path in folder.glob("*.tar"))
dataset = (
    webdataset.WebDataset(urls, shardshuffle=len(urls), seed=0)
    .shuffle(1000)
    .decode()
    .to_tuple("image.npy", "index.cls")
    .batched(images.batch_size)
)
loader = webdataset.WebLoader(dataset, batch_size=None, num_workers=0)
serve({"rows": lambda: ((torch.as_tensor(pixels), torch.as_tensor(numbers)) for pixels, numbers in loader)})
