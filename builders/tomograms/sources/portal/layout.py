"""Where things lie in the layout of the CryoET Data Portal: runs of datasets, their spacings, tomograms in these.

Today's is `<dataset>/<run>/Reconstructions/VoxelSpacing<x>/Tomograms/<id>/`; older copies have
`<run>/Tomograms/VoxelSpacing<x>/` or `<run>/TomogramVoxelSpacing<x>/`, with `CanonicalTomogram/` or `Tomogram<n>/`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from builders.archive.listing import Child
from builders.archive.tree import Tree
from builders.errors import FormatError
from builders.io.net import remote
from builders.tomograms.sources.candidates import ZARR, Stored
from builders.tomograms.sources.documents import document, text
from builders.tomograms.sources.names import is_volume, stem_of

METADATA = 4 * 1024 * 1024
"""Bytes of a file of metadata, at the most."""
_SPACING = "VoxelSpacing"
_OF_RUNS = ("Reconstructions", "Tomograms")
_OLD = f"Tomogram{_SPACING}"


@dataclass(frozen=True, slots=True)
class Spacing:
    """A folder of tomograms of one pixel size, with the annotations made on them.

    Attributes:
        path: of the folder.
        nominal: Å of a voxel, as its name spells it.
    """

    path: str
    nominal: str


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """A tomogram.

    Attributes:
        spacing: the folder it is in.
        words: what it may be called by: its number, its method, its processing, and these in a row.
        stored: where it is.
        alignment: of the tilt series that it was made by, as the metadata name it.
    """

    spacing: Spacing
    words: tuple[str, ...]
    stored: Stored
    alignment: str | None

    def fits(self, word: str | None) -> bool:
        """Whether a word means it: a glob, in which capitals count as others, and `@` with a spacing behind it."""
        if word is None:
            return True
        glob, _, spacing = word.lower().partition("@")
        is_spacing = not spacing or _number(spacing) == _number(self.spacing.nominal)
        return is_spacing and any(fnmatchcase(one.lower(), glob) for one in self.words)

    def __str__(self) -> str:
        return f"{self.words[-1]}@{self.spacing.nominal} (id {self.words[0]})"


def _number(spelled: str) -> float | str:
    try:
        return round(float(spelled), 3)
    except ValueError:
        return spelled


def runs(tree: Tree) -> list[str]:
    """Paths of all runs: of the tree itself, where it is one, of a dataset, or of a folder of datasets."""
    top = tree.names()
    if _is_run(top):
        return [""]
    folders = [name for name, child in top.items() if child.is_folder]
    listed = dict(zip(folders, remote.each(tree.names, folders, "listings"), strict=True))
    found = [folder for folder, names in listed.items() if _is_run(names)]
    deeper = [
        f"{folder}/{name}"
        for folder, names in listed.items()
        if folder not in found and (folder.isdecimal() or "dataset_metadata.json" in names)
        for name, child in names.items()
        if child.is_folder
    ]
    below = zip(deeper, remote.each(tree.names, deeper, "listings"), strict=True)
    return [*found, *(path for path, names in below if _is_run(names))]


def _is_run(names: Mapping[str, Child]) -> bool:
    return any(child.is_folder and (name in _OF_RUNS or name.startswith(_OLD)) for name, child in names.items())


def spacings(tree: Tree, run: str) -> list[Spacing]:
    """The folders of a run's tomograms."""
    found = []
    for name, child in tree.names(run).items():
        path = f"{run}/{name}".lstrip("/")
        if child.is_folder and name.startswith(_OLD):
            found.append(Spacing(path, name.removeprefix(_OLD)))
        elif child.is_folder and name in _OF_RUNS:
            found += [
                Spacing(f"{path}/{inner}", inner.removeprefix(_SPACING))
                for inner, folder in tree.names(path).items()
                if folder.is_folder and inner.startswith(_SPACING)
            ]
    return found


def reconstructions(tree: Tree, spacing: Spacing) -> list[Reconstruction]:
    """The tomograms of a spacing.

    Raises:
        FormatError: metadata are damaged.
    """
    return [found for folder in _folders(tree, spacing) for found in _of_folder(tree, spacing, folder)]


def _folders(tree: Tree, spacing: Spacing) -> Iterator[str]:
    for name, child in tree.names(spacing.path).items():
        path = f"{spacing.path}/{name}"
        if child.is_folder and name == "Tomograms":
            yield from (f"{path}/{inner}" for inner, folder in tree.names(path).items() if folder.is_folder)
        elif child.is_folder and (name == "CanonicalTomogram" or name.startswith("Tomogram")):
            yield path


def _of_folder(tree: Tree, spacing: Spacing, folder: str) -> list[Reconstruction]:
    """The tomogram of a folder, or the halves in it: of what is there as MRC and as Zarr, Zarr, which is read in parts.

    Its pixel size is the metadata's: that of an MRC file there is known to be wrong at times.
    """
    names = tree.names(folder)
    known: dict[str, Any] = {}
    path = f"{folder}/tomogram_metadata.json"
    if "tomogram_metadata.json" in names:
        known = document(tree.read(path, METADATA), path, "metadata of a tomogram")
    size = _size(known, path)
    told = [text(known, key, path) or "" for key in ("reconstruction_method", "processing")]
    words = (folder.rpartition("/")[2], *filter(None, told), "-".join(filter(None, told)) or folder.rpartition("/")[2])
    stems: dict[str, Stored] = {}
    for name, child in names.items():
        is_zarr = child.is_folder and name.endswith(ZARR)
        if is_zarr or (not child.is_folder and is_volume(name) and stem_of(name) not in stems):
            stems[stem_of(name)] = Stored(tree.file(f"{folder}/{name}", child), is_zarr, size, spacing.nominal)
    alignment = text(known, "alignment_metadata_path", path)
    return [Reconstruction(spacing, words, stored, alignment) for stored in stems.values()]


def _size(known: Mapping[str, Any], name: str) -> float | None:
    """The pixel size that metadata tell.

    Raises:
        FormatError: it is none.
    """
    size = known.get("voxel_spacing")
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int | float) or not 0 < size < 1e6:
        msg = f"{name}: voxel_spacing is {str(size)[:60]!r}: expected a number of Å"
        raise FormatError(msg)
    return float(size)
