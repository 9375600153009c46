"""CAKED's own loader over a folder: the folder, the size of a batch, and what to do to images, in CAKED's words."""

import sys

from caked.dataloader import DiskDataLoader
from passes import serve

folder, batch_size, *transforms = sys.argv[1:]
caked = DiskDataLoader(training=False, transformations=transforms or None)
caked.load(folder, "mrc")
loader = caked.get_loader(int(batch_size))
serve({"": lambda: ((images, None) for images, _ in loader)})
