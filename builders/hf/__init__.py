"""What `datasets` is told of us: builders, the image feature, formats, streams. Nothing else knows its private names.

From outside: `registry.register`, `names` (our builders'), `features` (EMImage), `streaming` (the streams that builders
answer with) and `stream_layers` (what a stream is made of).
"""
