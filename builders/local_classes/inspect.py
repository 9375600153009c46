"""What a folder of class files holds, before anything is trained on it."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm.auto import tqdm

from builders.errors import PercError
from builders.io import image_file
from builders.io.files.natural_order import natural_key
from builders.io.finite import count_non_finite
from builders.io.image_file import ImageFile
from builders.io.pixels import read_layout
from builders.local_classes.classes import doubts
from builders.local_classes.content import ClassImage, Unusable, group_identical, read_headers
from builders.local_classes.folder import list_folder
from builders.local_classes.names import check_extension, check_naming
from builders.options import check_named


@dataclass(frozen=True)
class ClassSummary:
    """One class: its files, counted by what they hold.

    Attributes:
        files: usable files.
        distinct: how many different images they hold.
        shapes: files by shape, such as `"64 x 64 x 64"` (slowest axis first).
        dtypes: files by the type of their pixels.
        pixel_sizes: files by pixel size, Å; `"unknown"` where the file does not say.
    """

    files: int
    distinct: int
    shapes: dict[str, int]
    dtypes: dict[str, int]
    pixel_sizes: dict[str, int]


@dataclass(frozen=True)
class Report:
    """What `inspect_folder` found; paths are relative to the folder.

    Attributes:
        folder: the folder.
        classes: by name, in the order of their ids.
        duplicates: groups of files with the same pixels.
        unusable: files with a class that cannot be read, with the reason.
        skipped: files without a class or a known extension, with the reason.
        hidden: hidden files and folders, which were not looked at.
        folders: folders that were not looked into.
        doubts: what may be wrong with the classes, by their names.
        without_pixel_size: usable files that do not say their pixel size.
        non_finite: files with NaN or infinite pixels, with their number.
        contradicted: usable files whose size their headers contradict, with how they are read.
        axis_orders: files whose axes are stored in another order than x, y, z, with their MAPC, MAPR and MAPS.
        stacks: usable files that are stacks of images though each is one row, with the number of their images.
    """

    folder: str
    classes: dict[str, ClassSummary]
    duplicates: list[list[str]]
    unusable: dict[str, str]
    skipped: dict[str, str]
    hidden: list[str]
    folders: list[str]
    doubts: list[str]
    without_pixel_size: list[str]
    non_finite: dict[str, int]
    contradicted: dict[str, str]
    axis_orders: dict[str, tuple[int, int, int]]
    stacks: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


def inspect_folder(
    folder: str,
    recursive: bool = False,
    extension: str | None = None,
    class_from: str = "name",
    class_pattern: str | None = None,
) -> Report:
    """Look into every file of a folder of class files.

    Args:
        folder: the folder.
        recursive: look into its folders, too.
        extension: only files with this one.
        class_from: where the class stands, in the `"name"` or in the `"folder"`.
        class_pattern: a regular expression with a group around the class.

    Raises:
        OptionError: no such place for classes, or no regular expression; or no folder is named.
        NotFoundError: there is no such folder.

    Example:
        >>> report = inspect_folder("subtomograms/")  # doctest: +SKIP
        >>> report.classes["ribosome"].files  # doctest: +SKIP
        312
    """
    check_named("folder", folder)
    naming = check_naming(class_from, class_pattern)
    listing = list_folder(folder, recursive, check_extension(extension), tolerant=True, naming=naming)
    images: list[ClassImage] = []
    unusable: dict[str, str] = {}
    non_finite: dict[str, int] = {}
    for item in tqdm(
        list(read_headers(listing.files, complex_pixels=True)), "Reading files", disable=None, leave=False
    ):
        found = item if isinstance(item, Unusable) else _count_in(item)
        if isinstance(found, Unusable):
            unusable[found.file.path] = str(found.error).removeprefix(f"{found.file.location}: ")
            continue
        assert isinstance(item, ClassImage)
        images.append(item)
        if found:
            non_finite[item.file.path] = found
    groups = group_identical(images)
    return Report(
        folder=folder,
        classes=_by_class(images, groups),
        duplicates=[[item.file.path for item in group] for group in groups if len(group) > 1],
        unusable=unusable,
        skipped=dict(listing.skipped),
        hidden=list(listing.hidden),
        folders=list(listing.folders),
        doubts=doubts([listing]),
        without_pixel_size=[item.file.path for item in images if item.image.pixel_size is None],
        non_finite=non_finite,
        contradicted={item.file.path: item.image.contents.said for item in images if item.image.contents is not None},
        axis_orders={item.file.path: item.axis_order for item in images if item.axis_order is not None},
        stacks={item.file.path: item.stacked for item in images if item.stacked},
    )


def _count_in(item: ClassImage) -> int | Unusable:
    """Number of pixels that are NaN or infinite; a file that cannot be read to its end is unusable."""
    image = item.image
    try:
        if image.compressed or image.layout.dtype.kind == "c":
            return count_non_finite(read_layout(image.path, image.layout))
        return count_non_finite(image_file.memory_map(image)) if image.layout.dtype.kind == "f" else 0
    except PercError as err:
        return Unusable(item.file, err)


def _by_class(images: Sequence[ClassImage], groups: Iterable[Sequence[ClassImage]]) -> dict[str, ClassSummary]:
    members: dict[str, list[ImageFile]] = defaultdict(list)
    for item in images:
        members[item.label].append(item.image)
    distinct = Counter(label for group in groups for label in {item.label for item in group})
    return {
        label: ClassSummary(
            files=len(files),
            distinct=distinct[label],
            shapes=_count(" x ".join(map(str, file.layout.shape)) for file in files),
            dtypes=_count(str(file.layout.dtype) for file in files),
            pixel_sizes=_count("unknown" if f.pixel_size is None else f"{f.pixel_size:.4g}" for f in files),
        )
        for label, files in sorted(members.items(), key=lambda pair: natural_key(pair[0]))
    }


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())
