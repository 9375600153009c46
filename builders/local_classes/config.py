"""Options of `local_classes`, and what they say of a folder: its files, classes, and what becomes of movies."""

import functools
import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import datasets

from builders.errors import OptionError
from builders.hf.features import check_dtype
from builders.local_classes.classes import class_names
from builders.local_classes.folder import Listing, fingerprint, list_folder, list_named, require_files, without
from builders.local_classes.names import check_extension, check_naming
from builders.options import (
    ON_ERROR,
    check_choice,
    check_flag,
    check_fraction,
    check_integer,
    check_named,
    check_pixel_size,
)
from builders.quarantine import check_quarantine
from builders.stacks.movies.development import Development
from builders.stacks.movies.options import NAMES, MovieOptions
from builders.stacks.movies.references import (
    beside,
    frame_shape,
    gain_of,
    is_table,
    listed,
    may_be_gain,
    tables_of,
)

_ITEMS = ("file", "frame")


@dataclass
class LocalClassesConfig(MovieOptions, datasets.BuilderConfig):  # type: ignore[misc]
    """Options of `local_classes`.

    Attributes:
        data_dir: the folder. Or name files, by split, with `data_files`; their paths are then relative to it.
        extension: take only files with this one, such as `"mrc"` or `"npy"`.
        class_from: where the class stands: `"name"`, before its first `_`, or `"folder"`, the folder that holds the
            file (folders are looked into then).
        class_pattern: a regular expression with a group around the class, for names made otherwise; of folders, for
            their paths below `data_dir`.
        classes: take only these, and give them the ids 0, 1, ...; default: all, naturally sorted.
        num_examples: take that many of the files in `train`, stratified by class.
        validation_fraction: move that share of `train` to a split `validation`, stratified by class; images with
            the same pixels stay together.
        seed: decides which files `num_examples` and `validation_fraction` take.
        recursive: look into the folder's folders, too.
        item: `"file"`, a row for each file; `"frame"`, a row for each frame of a movie. `num_examples` and
            `validation_fraction` count files in either case: frames of a movie stay together.
        pixel_size: Å per pixel of the files that do not say it.
        dtype: type of the decoded images; None keeps each file's own.
        on_error: what a damaged file does: `"raise"`, or `"skip"` to leave it out, with a warning.
        non_finite: what NaN and infinite pixels do when an image is read: `"pass"` (one warning) or `"raise"`.
        quarantine: write a table of the files left out (path, tab, reason) here; goes with `on_error="skip"`.
    """

    data_dir: str | None = None
    extension: str | None = None
    class_from: str = "name"
    class_pattern: str | None = None
    classes: Sequence[str] | None = None
    num_examples: int | None = None
    validation_fraction: float | None = None
    seed: int = 42
    recursive: bool = False
    item: str = "file"
    pixel_size: float | None = None
    dtype: str | None = "float32"
    on_error: str = "raise"
    non_finite: str = "pass"
    quarantine: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.extension = check_extension(self.extension)
        self._naming = check_naming(self.class_from, self.class_pattern)
        self.dtype = check_dtype(self.dtype)
        check_choice("on_error", self.on_error, ON_ERROR)
        check_choice("non_finite", self.non_finite, ("pass", "raise"))
        check_flag("recursive", self.recursive)
        check_choice("item", self.item, _ITEMS)
        self.check_movies(self.item)
        check_integer("seed", self.seed, least=0)
        self.pixel_size = check_pixel_size(self.pixel_size)
        if self.num_examples is not None:
            check_integer("num_examples", self.num_examples, least=1)
        if self.validation_fraction is not None:
            check_fraction("validation_fraction", self.validation_fraction)
        self._check_classes()
        self.quarantine = check_quarantine(self.quarantine, self.on_error)
        if self.data_dir is not None:
            if not isinstance(self.data_dir, str | os.PathLike):
                msg = f"data_dir is {self.data_dir!r}: expected the path of a folder"
                raise OptionError(msg)
            check_named("data_dir", self.data_dir)
            self.data_dir = str(Path(os.path.abspath(Path(self.data_dir).expanduser())))  # noqa: PTH100

    def _check_classes(self) -> None:
        if self.classes is None:
            return
        if isinstance(self.classes, str) or not all(isinstance(name, str) for name in self.classes):
            msg = f"classes is {self.classes!r}: expected a list of class names"
            raise OptionError(msg)
        self.classes = list(self.classes)
        if not self.classes or len(set(self.classes)) != len(self.classes):
            msg = f"classes is {self.classes}: expected at least one name, and none twice"
            raise OptionError(msg)

    @functools.cached_property
    def listings(self) -> dict[str, Listing]:
        """The class files of each split, without a gain reference among them.

        Raises:
            NotFoundError: no folder, or no class files in it.
            OptionError: nothing was named, or options contradict each other.
        """
        taken = None if self.developed.gain is None else self.developed.gain.path
        listings = {name: without(listing, taken) for name, listing in self._listed.items()}
        for listing in listings.values():
            require_files(listing)
        return listings

    @functools.cached_property
    def _listed(self) -> dict[str, Listing]:
        """The class files of each split that the caller named; of the folder, as `train`, otherwise.

        Raises:
            NotFoundError: no folder, or no class files in it.
            OptionError: nothing was named, or options contradict each other.
        """
        if self.data_files:
            where, naming = (self.data_dir, self.extension), self._naming
            named = {str(name): list_named(files, *where, naming) for name, files in self.data_files.items()}
        elif self.data_dir is not None:
            options = self.recursive, self.extension, self.on_error == "skip", self._naming
            named = {"train": list_folder(self.data_dir, *options)}
        else:
            msg = "local_classes needs data_dir='FOLDER' or data_files={'train': 'FOLDER/*.mrc', ...}"
            raise OptionError(msg)
        for option in ("num_examples", "validation_fraction"):
            if getattr(self, option) is not None and "train" not in named:
                msg = f"{option} takes from the split 'train', but data_files names {', '.join(map(repr, named))}"
                raise OptionError(msg)
        if self.validation_fraction is not None and "validation" in named:
            msg = "validation_fraction makes a split 'validation', which data_files names too: drop one of them"
            raise OptionError(msg)
        return named

    @functools.cached_property
    def class_names(self) -> list[str]:
        """The classes in the order of their ids."""
        wanted = None if self.classes is None else list(self.classes)
        return class_names(self.listings.values(), wanted)

    @functools.cached_property
    def developed(self) -> Development:
        """What becomes of the frames of movies."""
        plain = self.development(self.item)
        if self.gain is None and self.align is None:
            return plain
        paths, folder = [file.location for one in self._listed.values() for file in one.files], self.data_dir

        def inside(path: str) -> str:
            return os.path.join(folder or os.getcwd(), path)  # noqa: PTH109, PTH118

        taken = None
        if self.gain is not None:
            shape = functools.partial(frame_shape, paths, plain)
            taken = gain_of(self, inside, lambda: beside(paths, folder, may_be_gain), shape)
        tables = tables_of(
            self.align,
            inside,
            lambda pattern: listed(
                beside(paths, folder, is_table) if pattern is None else glob.glob(inside(pattern), recursive=True)  # noqa: PTH207
            ),
        )
        return replace(plain, gain=taken, tables=tables)

    @property
    def summary(self) -> str:
        """The folder's name, the classes and what was done to movies: all that is known of such a dataset."""
        some = ", ".join(self.class_names[:10])
        more = f" and {len(self.class_names) - 10} more" if len(self.class_names) > 10 else ""
        count = len(self.class_names)
        kinds = f"Images of {count} class{'es' * (count != 1)}: {some}{more}"
        folder = "" if self.data_dir is None else Path(self.data_dir).name
        return "\n".join(filter(None, (folder, kinds, self.read_with(self.item, self.developed.gain))))

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """Name the cache folder for the options and for the state of every file, so that it is never stale."""
        options = {k: v for k, v in config_kwargs.items() if k not in ("data_files", "quarantine", *NAMES)}
        options |= {"data_dir": self.data_dir, "splits": list(self.listings), "classes": self.class_names}
        options["fingerprint"] = fingerprint(self.listings.values())
        options["development"] = repr(self.developed)
        return str(super().create_config_id(options, custom_features=custom_features))
