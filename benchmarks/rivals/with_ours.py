"""This project, in a process of its own."""

from passes import given, serve

from benchmarks.batches.contenders import NUMBERS, loaded, mapped

images = given()
numbers = mapped(loaded(images.folder).select_columns(NUMBERS).with_format("torch"))
serve({"rows": lambda: ((batch["image"], batch["index"]) for batch in numbers)})
