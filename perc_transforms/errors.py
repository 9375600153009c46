"""The root of this project's errors and those of the transforms.

It lives here because this package stands below `builders` and imports nothing of it; `builders.errors`
takes the root from here, so that `except PercError` catches the errors of both.
"""


class PercError(Exception):
    """Root of every error this project raises on purpose. Takes one string, so it crosses processes."""


class TransformError(PercError, ValueError):
    """A transform was given an option, an image or a row that it cannot work on."""
