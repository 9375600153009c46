"""Modules that have moved: their old names still import, for scripts and pickles of version 0.1, with a warning."""

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from collections.abc import Mapping, Sequence
from types import ModuleType


class Moved(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules by the names that they had; asked after everybody else.

    Args:
        rooms: where modules are now -> their old names (`"ctf"`, or `"old:new"` of one that is called otherwise), of
            modules that stood one folder higher, or in the folder that is named behind an `@`.
    """

    def __init__(self, rooms: Mapping[str, str]) -> None:
        self.names: dict[str, str] = {}
        for place, names in rooms.items():
            room, _, before = place.partition("@")
            before = before or room.rpartition(".")[0]
            for name in names.split():
                old, _, new = name.partition(":")
                self.names[f"{before}.{old}"] = f"{room}.{new or old}"

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """How to import a module by its old name; None for all other names."""
        return importlib.machinery.ModuleSpec(name, self) if name in self.names else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the module as it is now in the place of the one that was asked for."""
        now = self.names[module.__name__]
        told = f"{module.__name__} is {now} now: this name goes in version 0.3"
        warnings.warn(told, DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = importlib.import_module(now)


def keep(rooms: Mapping[str, str]) -> None:
    """Let old names import; doing it twice changes nothing."""
    finder = Moved(rooms)
    if not any(isinstance(known, Moved) and known.names == finder.names for known in sys.meta_path):
        sys.meta_path.append(finder)


ROOMS = {
    "perc_transforms.core": "base batch buffers collation drawing:random_draws epochs forms keys sizing stacking",
    "perc_transforms.fourier": "blur ctf dose filters",
    "perc_transforms.intensity": "background erasing masks mixing noise",
    "perc_transforms.spatial": "cropping euler motion orientation resampling rotation shifting",
    "perc_transforms.functional.fourier": "blur ctf dose filters wedge",
    "perc_transforms.functional.intensity": "background erasing masks noise statistics",
    "perc_transforms.functional.spatial": "cropping orientation resampling rotation shifting",
}
