"""Docstrings as the reference shows them: our `Example:` is what its parser calls `Examples:`."""

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Examples of docstrings are code, not text."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Rename the section in all docstrings of a package that was just read."""
        objects: list[griffe.Object] = [pkg]
        while objects:
            found = objects.pop()
            if found.docstring:
                found.docstring.value = re.sub(r"^Example:$", "Examples:", found.docstring.value, flags=re.MULTILINE)
            objects += [member for member in found.members.values() if isinstance(member, griffe.Object)]
