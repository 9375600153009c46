"""Rows -> shards: a schema of standard features, pixels as arrays, Parquet files that are whole or not there.

From outside: `source` (what is read), `schema`, `job.Job` (what writes a shard in any process), `shard`, `encoding`.
"""
