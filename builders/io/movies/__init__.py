"""Frames of movies -> images: what stands between the pixels of a file and those of a row.

From outside: `developed.developed`, which makes images of frames; `gain.Gain`, the reference that they are multiplied
by, and `shifts`, by how much each frame moved.
"""
