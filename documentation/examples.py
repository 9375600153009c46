"""Docstrings as the reference shows them: our `Example:` is what its parser calls `Examples:`."""

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Examples of docstrings are code, not text."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section of an object that was just read."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
