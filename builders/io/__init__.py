"""Reading and writing image files. Knows nothing of `datasets`."""
