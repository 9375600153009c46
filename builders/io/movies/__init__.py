"""Frames of movies -> images: what stands between the pixels of a file and those of a row.

From outside: `gain.Gain`, the reference that frames are multiplied by, and `shifts`, by how much each frame moved.
"""
