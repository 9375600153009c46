"""Bytes to pixels: image files, read and written, here or on a server. Knows nothing of `datasets`.

From outside: `image_file` and `mrc`, for everybody; builders take `pixels`, `layout`, `files.location`, `net.remote`.
"""
