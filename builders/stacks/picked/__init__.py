"""Rows that a table picks from files: slices of stacks, boxes of micrographs, in an order of their own."""
