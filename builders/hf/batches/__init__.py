"""Batches of map-style datasets, made of columns instead of rows.

From outside: `reading`, what `datasets` is given in place of its own; `picking`, rows of a table by columns;
`remote_reads`, the remote images of a batch.
"""
