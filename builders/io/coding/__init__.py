"""Codecs that libraries decode: bytes of a part of an image -> those of its pixels.

From outside: `builders.io.coded`, whose `CODECS` names them. Nothing here is imported before something is decoded.
"""
