"""Where structures come from: ids as people write them, the databases that know them, and the way to a file.

From outside: `sources` (the protocol of a database), `ids`, `resolve`, `services`.
"""
