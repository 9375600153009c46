"""What was annotated on tomograms of the portal: picks and masks of objects, by the metadata beside them.

Of a file that metadata name only the name counts, and only if it lies beside them: never the path.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from builders.archive.listing import Child
from builders.archive.tree import Tree
from builders.errors import FormatError
from builders.stacks.files import SourceFile
from builders.tomograms.sources.candidates import ZARR, Stored
from builders.tomograms.sources.documents import document, text
from builders.tomograms.sources.portal.layout import METADATA, Spacing

_SHAPES = {"orientedpoint": ".ndjson", "point": ".ndjson", "segmentationmask": ""}


@dataclass(frozen=True, slots=True)
class Annotation:
    """An object that was annotated.

    Attributes:
        spacing: the tomograms' folder.
        name: of the object.
        words: what it may be called by besides: its id in an ontology, the annotation's number.
        points: files of picks; of oriented ones and others, the oriented.
        masks: files of masks; of MRC and Zarr, Zarr.
        alignment: of the tilt series, as the metadata name it.
    """

    spacing: Spacing
    name: str
    words: tuple[str, ...]
    points: tuple[SourceFile, ...]
    masks: tuple[Stored, ...]
    alignment: str | None

    def fits(self, word: str) -> bool:
        """Whether a word means it: a glob, in which capitals count as others."""
        return any(fnmatchcase(one.lower(), word.lower()) for one in (self.name, *self.words))


def annotations(tree: Tree, spacing: Spacing) -> list[Annotation]:
    """What was annotated on the tomograms of a spacing.

    Raises:
        FormatError: metadata are damaged.
    """
    top = f"{spacing.path}/Annotations"
    inside = tree.names(top)
    folders = [top, *(f"{top}/{name}" for name, child in inside.items() if child.is_folder and not name.endswith(ZARR))]
    return [found for folder in folders for found in _of_folder(tree, spacing, folder)]


def _of_folder(tree: Tree, spacing: Spacing, folder: str) -> list[Annotation]:
    names = tree.names(folder)
    found = []
    for name, child in names.items():
        if child.is_folder or not name.endswith(".json"):
            continue
        path = f"{folder}/{name}"
        known = document(tree.read(path, METADATA), path, "metadata of an annotation")
        if isinstance(known.get("annotation_object"), dict):
            stem = name.removesuffix(".json")
            found.append(_annotation(tree, spacing, path, known, _files_of(stem, known, names)))
    return found


def _annotation(
    tree: Tree, spacing: Spacing, path: str, known: Mapping[str, Any], files: Mapping[str, Sequence[tuple[str, Child]]]
) -> Annotation:
    folder = path.rpartition("/")[0]
    said = known["annotation_object"]
    name = text(said, "name", path)
    if not name:
        msg = f"{path}: annotation_object has no name: expected one"
        raise FormatError(msg)
    points = files["orientedpoint"] or files["point"]
    masks = [one for one in files["segmentationmask"] if one[1].is_folder] or files["segmentationmask"]
    words = tuple(filter(None, (text(said, "id", path), folder.rpartition("/")[2])))
    return Annotation(
        spacing,
        name,
        words,
        tuple(tree.file(f"{folder}/{file}", child) for file, child in points),
        tuple(Stored(tree.file(f"{folder}/{file}", child), child.is_folder) for file, child in masks),
        text(dict(known), "alignment_metadata_path", path),
    )


def _files_of(stem: str, known: Mapping[str, Any], names: Mapping[str, Child]) -> dict[str, list[tuple[str, Child]]]:
    """Files of an annotation by shape: those that are called as it is, and those that its metadata name."""
    shapes = {
        name: shape
        for name in names
        for shape, end in _SHAPES.items()
        if name.startswith(f"{stem}_{shape}{end or '.'}")
    }
    files = known.get("files")
    for file in files if isinstance(files, list) else ():
        told = [str(file.get(key, "")) for key in ("path", "shape")] if isinstance(file, dict) else ["", ""]
        name, shape = told[0].rpartition("/")[2], told[1].lower()
        if name in names and shape in _SHAPES:
            shapes.setdefault(name, shape)
    found: dict[str, list[tuple[str, Child]]] = {shape: [] for shape in _SHAPES}
    for name, shape in shapes.items():
        found[shape].append((name, names[name]))
    return found
