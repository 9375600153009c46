"""Other packages that hand out batches, each in a Python of its own, told over a pipe when to make a pass."""
