"""What builders of images share: files -> rows of references -> shards -> blocks read ahead.

From outside: `rows` (which rows a file gives), `cutting.Shards`, `shards.ShardReader`.
"""
