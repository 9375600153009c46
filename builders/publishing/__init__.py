"""Datasets as repositories, in a folder or on the Hub, that people load who have only `datasets`."""

from builders.publishing.publish import Published, publish
from builders.publishing.reading_back import as_em_images

__all__ = ["Published", "as_em_images", "publish"]
