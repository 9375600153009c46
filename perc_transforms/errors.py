"""The root of this project's errors and those of the transforms.

It lives here because this package stands below `builders` and imports nothing of it; `builders.errors`
takes the root from here, so that `except PercError` catches the errors of both.
"""


class PercError(Exception):
    """Root of every error this project raises on purpose. Takes one string, so it crosses processes."""

    def __reduce__(self) -> tuple[type["PercError"], tuple[object, ...], dict[str, object]]:
        # said here, since dask has a way of its own for what does not say it; notes are kept in __dict__
        return type(self), self.args, self.__dict__


class TransformError(PercError, ValueError):
    """A transform was given an option, an image or a row that it cannot work on."""


class EpochError(TransformError, TypeError):
    """An epoch is no whole number: a TypeError, as of any call that needs an integer."""


class MissingValueError(TransformError):
    """A row lacks a value that a transform cannot do without.

    Attributes:
        column: in which it would be.
    """

    column = ""
