"""vitrio reads the stack itself: its DataLoader, batches read on one thread of its own while the last one is used."""

import vitrio
from passes import given, serve

images = given()
places = vitrio.data.make_locations([str(images.stack)] * images.count, list(range(images.count)))
dataset = vitrio.data.Dataset({"image": vitrio.data.ImageSource(places, data_type="float32")})
loader = vitrio.data.DataLoader(
    dataset, images.batch_size, shuffle=True, output="torch", loader=vitrio.loader(workers=1, cache=64)
)
serve({"rows": lambda: ((batch["image"], batch["index"]) for batch in loader)})
