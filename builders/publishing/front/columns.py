"""What columns of published rows are and mean, in words."""

from typing import Any

from datasets import Array2D, Array3D, ClassLabel, Features, Image, LargeList, List, Value

from builders.publishing.front.markdown import code
from builders.publishing.writing.pixels import is_bytes

_STRUCTURE = {
    "id": ("string", "the row's name; of a structure, what was asked for"),
    "source": ("string", "the database"),
    "entry_id": ("string", "the entry of the database"),
    "format": ("string", "of the file that was read: `cif` or `pdb`"),
    "uniprot": ("list", "UniProt accessions of the chains"),
    "coverage": ("float", "fraction of the accession asked for that the entry covers"),
    "title": ("string", "as the file says"),
    "method": ("string", "as the file says"),
    "resolution": ("float", "Å"),
    "model": ("int", "the model's number"),
    "chains": ("list", "for each chain its name, sequence and accessions"),
    "coordinates": ("array", "of the atoms: `(N, 3)`, Å"),
    "element": ("list", "one an atom"),
    "atom_name": ("list", "one an atom"),
    "residue_name": ("list", "one an atom"),
    "residue_number": ("list", "one an atom; the author's"),
    "insertion_code": ("list", "one an atom; the author's"),
    "sequence_position": ("list", "place in the chain's sequence, from 1; null outside"),
    "uniprot_position": ("list", "place in UniProt's sequence, from 1; null outside"),
    "chain": ("list", "one an atom; the author's"),
    "altloc": ("list", "one an atom; empty for most"),
    "occupancy": ("list", "one an atom"),
    "b_factor": ("list", "one an atom: Å², or AlphaFold's confidence (pLDDT)"),
    "hetero": ("list", "whether an atom is not of a polymer"),
    "file": ("binary", "a file with just these atoms"),
}
_IMAGE = {
    "image": ("array", "`(ny, nx)`, or `(nz, ny, nx)` of a volume"),
    "clean": ("array", "the image without noise"),
    "pixel_size": ("float", "Å per pixel along x; null where it is not known"),
    "path": ("string", "of the file, inside the entry or the folder; of images that were made, of their recipe"),
    "index": (
        "int",
        "slice of a stack, or number of an image that was made, from 0; null where the row is the whole file",
    ),
    "frame": ("int", "the row's first raw frame in its movie, from 0"),
    "dose": ("float", "of the row, e/Å²; null where it is not known"),
    "pre_exposure": ("float", "dose of all raw frames before the row, e/Å²; null where it is not known"),
    "picks": ("list", "(x, y) of each particle, pixels of the image, from 0"),
    "crowded": ("list", "of each pick: whether another one lies closer than the least distance"),
    "state": ("int", "of the class's structure: which model, or alternate location, from 0"),
    "snr": ("float", "variance of the image without noise over that of the noise; null where there is no noise"),
    "label": ("class", "the class, by its number: their names stand below"),
    "suffix": ("string", "what stands in the file's name after the class"),
    "entry": ("string", "the entry of EMPIAR"),
    "imageset": ("string", "name of the entry's image set"),
    "ctf": (
        "record",
        "`defocus_u`, `defocus_v` (Å, underfocus positive), `defocus_angle` (degrees), `voltage` (kV),"
        " `spherical_aberration` (mm), `amplitude_contrast`, `phase_shift` (degrees)",
    ),
    "pose": ("record", "`rot`, `tilt`, `psi` (degrees, RELION's zyz), `shift_x`, `shift_y` (Å)"),
    "micrograph": ("string", "the micrograph that the particle is from"),
    "coordinate_x": ("float", "of the particle in its micrograph, pixels"),
    "coordinate_y": ("float", "of the particle in its micrograph, pixels"),
    "optics_group": ("int", "RELION's"),
    "half_set": ("int", "RELION's: 1 or 2"),
    "class_number": ("int", "RELION's"),
    "preview": ("picture", "the image in 8 bits, to look at; its contrast is set by itself"),
}

_TILTS = {
    "tilt_series": ("string", "the series"),
    "tilt_angle": ("float", "degrees, in the stage's sign"),
    "axis_angle": ("float", "of the tilt axis, degrees from y, counter-clockwise"),
    "exposure": ("float", "of the image, e/Å²"),
    "acquisition_order": ("int", "when the image was taken, from 0"),
    "defocus": ("float", "Å, underfocus positive: as estimated, or what the microscope was set to"),
    "shift_x": ("float", "Å by which the image is moved, before it is turned by minus `axis_angle`, to be aligned"),
    "shift_y": ("float", "Å, as `shift_x`"),
    "paths": ("list", "the file of each image"),
    "sections": ("list", "which section of its file each image is, from 0; null: all of it"),
}
_TOMOGRAMS = {
    "tomogram": ("string", "the tomogram's name"),
    "origin": (
        "point",
        "of the box, its first voxel in the tomogram: (z, y, x), from 0; negative where it begins before",
    ),
    "picks": (
        "record",
        "lists, one value a pick: `coordinates`, (x, y, z), Å in the tomogram from the centre of its first voxel;"
        " `pixels`, (x, y, z), voxels of the image from 0; `label`, the class; `rotation`, 3 x 3, acts on (x, y, z):"
        " object to tomogram, null where it is not known",
    ),
    "coordinates": ("point", "of the pick: (x, y, z), Å in the tomogram from the centre of its first voxel"),
    "pixels": ("point", "of the pick: (x, y, z), voxels of the image from 0"),
    "rotation": ("matrix", "of the pick: 3 x 3, acts on (x, y, z): object to tomogram; null where it is not known"),
    "pose": (
        "record",
        "`rot`, `tilt`, `psi` of `rotation` (degrees, RELION's zyz), `shift_x`, `shift_y`, `shift_z` (Å); null where it"
        " is not known",
    ),
    "tilts": ("list", "of the images that the tomogram was made of: degrees about y"),
    "segmentation": ("array", "mask of the image's voxels, `(nz, ny, nx)`: whole numbers, 0 is background"),
    "target": (
        "array",
        "the same voxels of the tomogram that makes a pair with the image's, such as the other half: `(nz, ny, nx)`",
    ),
}
"""Columns of tomograms, which count before others of these names where they are of these kinds."""
_OF_EACH = ("dose", "pre_exposure", "ctf", *_TILTS)
"""Columns that are lists, one value an image, where a row is a tilt series or a movie."""
_OF_PICKS = ("pose", "label", "state")
"""Columns that are lists, one value a pick, where a row is a micrograph, or a stack of a particle's images."""


def meaning(name: str, feature: Any) -> str:
    """What a column of our builders means, with its unit, as Markdown; nothing for others.

    Example:
        >>> meaning("pixel_size", Value("float32")), meaning("pixel_size", Value("string"))
        ('Å per pixel along x; null where it is not known', '')
    """
    if words := _of_tomograms(name, feature):
        return words
    kind, words = (_IMAGE | _STRUCTURE | _TILTS).get(name, ("", ""))
    if name in _OF_EACH and kind != "list" and _kind(feature) == "list":
        return f"of each image: {words}"
    if name in _OF_PICKS and isinstance(feature, List) and _kind(feature.feature) == kind:
        return f"of each pick or image: {words}"
    return words if _kind(feature) in ({kind, "list"} if kind == "array" else {kind}) else ""


def _of_tomograms(name: str, feature: Any) -> str:
    """What a column of tomograms means; nothing for others, which may have the same name."""
    kind, words = _TOMOGRAMS.get("segmentation" if name.startswith("segmentation_") else name, ("", ""))
    sides = []
    inner = feature
    while isinstance(inner, List):
        sides.append(inner.length)
        inner = inner.feature
    known = {_kind(feature), {(3,): "point", (3, 3): "matrix"}.get(tuple(sides), "")}
    if kind == "array" and len(sides) == 3:  # volumes of several shapes
        known.add(kind)
    if kind == "record" and not (isinstance(feature, dict) and {"pixels", "shift_z"} & set(feature)):
        return ""  # poses and picks of images
    return words if kind in known else ""


def told(feature: Any) -> str:
    """A feature in words.

    Example:
        >>> told(Array2D((None, 3), "float32")), told(List(List(Value("int8"))))
        ('float32, N x 3', 'lists of lists of int8')
    """
    if isinstance(feature, Array2D | Array3D):
        return f"{feature.dtype}, {' x '.join('N' if n is None else str(n) for n in feature.shape)}"
    if isinstance(feature, List):
        return f"lists of {told(feature.feature)}"
    if isinstance(feature, ClassLabel):
        return f"class, one of {feature.num_classes}"
    if is_bytes(feature):
        return "pixels as bytes, with shape and dtype"
    if isinstance(feature, dict):
        return f"{', '.join(map(str, feature))} by name"
    if isinstance(feature, Value):
        return str(feature.dtype)
    return "picture" if isinstance(feature, Image) else type(feature).__name__


def other_readers(features: Features) -> str:
    """How columns of arrays and of nested lists are read without `datasets`, as Markdown; empty where there are none.

    Example:
        >>> other_readers(Features({"path": Value("string"), "image": Array2D((2, 3), "float32")}))
        'pyarrow, DuckDB and polars (`.ext.storage()` of a column) read `image` as nested lists; fastparquet as None.'
    """
    arrays = [name for name, feature in features.items() if isinstance(feature, Array2D | Array3D)]
    lists = [name for name, feature in features.items() if _is_nested(feature)]
    if not arrays + lists:
        return ""
    *most, last = map(code, arrays + lists)
    names = f"{', '.join(most)} and {last}" if most else last
    polars = "polars (`.ext.storage()` of a column)" if arrays else "polars"
    return f"pyarrow, DuckDB and {polars} read {names} as nested lists; fastparquet as None."


def _is_nested(feature: Any) -> bool:
    """Whether these are lists of lists or of records."""
    return isinstance(feature, List | LargeList) and isinstance(feature.feature, List | LargeList | dict)


def classes_of(features: Features) -> dict[str, list[str]]:
    """The names of the classes, by column, also of one that has lists of them."""
    found = {name: feature.feature if isinstance(feature, List) else feature for name, feature in features.items()}
    return {name: list(feature.names) for name, feature in found.items() if isinstance(feature, ClassLabel)}


def _kind(feature: Any) -> str:
    if is_bytes(feature):
        return "array"
    kinds = [(Array2D | Array3D, "array"), (List, "list"), (ClassLabel, "class"), (dict, "record"), (Image, "picture")]
    for kind, name in kinds:
        if isinstance(feature, kind):
            return name
    return str(getattr(feature, "dtype", "")).removeprefix("large_").removeprefix("u").rstrip("0123456789")
