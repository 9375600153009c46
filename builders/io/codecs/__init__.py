"""Codecs: what decodes the parts of images, each by itself.

From outside: `known.codec_of`, a codec by its name or a chain of them; `codec.Part`, what it is told of a part; and
`threads.shared`, by which the cores of this machine share the parts of an image.
"""
