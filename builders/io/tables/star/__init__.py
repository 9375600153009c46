"""STAR files: blocks of labelled values, one row of a loop a line, read into Arrow columns of types that are ours."""

from builders.io.tables.star.blocks import Block, read
from builders.io.tables.star.values import NUMBER, TEXT

__all__ = ["NUMBER", "TEXT", "Block", "read"]
