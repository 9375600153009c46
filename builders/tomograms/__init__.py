"""Tomograms: volumes with their picks, whole, in tiles, or as cubes at the picks."""
