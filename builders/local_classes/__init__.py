"""Folders of image files whose names begin with their class."""
