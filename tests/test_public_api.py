"""Names and signatures that people build on: a change shows here as a line of a diff."""

import dataclasses
import inspect

import pytest

import builders
import builders.errors
import perc_transforms
from builders import particles, structures, synthetic
from builders.empiar import Entry
from builders.empiar.empiar import EmpiarConfig
from builders.hf.names import MODULES
from builders.io import image_file, mrc
from builders.local_classes.inspect import inspect_folder
from builders.local_classes.local_classes import LocalClassesConfig
from builders.particles.particles import ParticlesConfig
from builders.stacks.movies.options import MovieOptions
from builders.structures.structures import StructuresConfig

API = """\
builders: EMImage, as_em_images, load_dataset, publish
builders.EMImage(dtype: str | None = 'float32', decode: bool = True, non_finite: str = 'pass', id: str | None = None, \
shape: tuple[int, ...] | None = None)
errors: AccessError < PermissionError, ChangedError < OSError, DiskFullError < OSError, \
FolderError < IsADirectoryError & ValueError, FormatError < ValueError, \
HttpError < OSError, MissingPackageError < ImportError, MixedError < ValueError, \
NotEmptyError < FileExistsError, NotFoundError < FileNotFoundError, \
OptionError < ValueError, ReadError < OSError, \
StalledError < TimeoutError, TruncatedError < OSError & ValueError, UnknownOptionError < TypeError & ValueError, \
UnreachableError < ConnectionError, UnsafeAddressError < PermissionError, \
UnsafePathError < PermissionError, WorkerDiedError < RuntimeError
publish(dataset, to, *, title = None, license = None, doi = None, citation = None, crop = None, pad = None, \
layout = 'lists', preview = False, max_shard_size = '500MB', num_proc = None, dask = None, private = False, \
token = None, overwrite = False, work_dir = None)
as_em_images(dataset, columns = ('image',), dtype = None)
both of images: frames = None, sum_frames = False, frame_group = None, group_dose = None, frame_dose = None, \
superres = 1, gain = None, gain_rotation = 0, gain_flip = 0, flip_y = True, align = None
local_classes: data_dir = None, extension = None, class_from = 'name', class_pattern = None, classes = None, \
num_examples = None, validation_fraction = None, seed = 42, recursive = False, item = 'file', pixel_size = None, \
dtype = 'float32', on_error = 'raise', non_finite = 'pass', quarantine = None
empiar: entry = None, imageset = None, directory = None, pattern = None, regex = False, recursive = False, \
item = 'auto', pixel_size = None, dtype = 'float32', download = False, on_error = 'raise', quarantine = None, \
non_finite = 'pass', shuffle_memory = 512, archive = None, api = None
particles: star = None, root = None, unit = 'particle', columns = None, half_set = None, validation_fraction = None, \
group_by = 'micrograph', seed = 42, order = None, box_size = None, pixel_size = None, edge = 'fill', flip_y = False, \
dtype = 'float32', download = False, on_error = 'raise', quarantine = None, non_finite = 'pass', \
shuffle_memory = 512, archive = None
structures: ids = None, db = 'pdb', fallback = True, format = 'cif', remove = (), models = 'first', \
altlocs = 'first', assembly = None, include_file = False, on_error = 'raise', quarantine = None, endpoints = {}
Entry(entry, *, archive = None, api = None)
Entry.find(self, pattern = None, regex = False, *, directory = 'data', recursive = False)
Entry.ls(self, path = 'data')
Entry.open(self, path)
Entry.url(self, path)
structures: Candidate, Fetched, Services, Source, available, clean, fetch, register
structures.fetch(ids, db = 'pdb', format = 'cif', save_dir = None, remove = (), *, fallback = True, \
on_error = 'raise', quarantine = None, endpoints = None, cache_dir = None, anew = False, overwrite = False)
structures.available(ids, *, endpoints = None, cache_dir = None, anew = False)
structures.clean(path, remove = ('signal_peptides', 'hydrogens', 'water', 'hetatms'), save_dir = None, *, \
accession = None, models = 'all', altlocs = 'all', assembly = None, endpoints = None, cache_dir = None, \
overwrite = False)
structures.register(source)
structures.Fetched: id, path, source, entry_id, format, coverage, resolution
structures.Source.claim(self, text)
structures.Source.candidates(self, id, services)
structures.Source.places(self, candidate, format, services)
structures.Source.check(self, data, format, name)
particles.check(dataset, volume = None, *, images = 256, voxel_size = None, emdb = None)
particles.Checked: best, scores, breaks, notes, images
particles.write(dataset, folder, format = 'star', *, root = None, micrograph_shape = None, max_stack_size = '500MB', \
num_proc = None, overwrite = False)
particles.Written: table, rows, stacks, file_bytes
synthetic.densities(structure, *, pixel_size, box = None, resolution = None, b_factor = None, solvent = True, \
endpoints = None)
synthetic.density(structure, *, pixel_size, box = None, resolution = None, b_factor = None, solvent = True, \
endpoints = None)
builders.local_classes.inspect.inspect_folder(folder: str, recursive: bool = False, extension: str | None = None, \
class_from: str = 'name', class_pattern: str | None = None)
builders.io.image_file.describe(path: str | os.PathLike[str])
builders.io.image_file.read(path: str | os.PathLike[str], index: int | None = None)
builders.io.image_file.read_bytes(data: bytes, index: int | None = None, name: str = 'image bytes')
builders.io.image_file.memory_map(file: ImageFile)
builders.io.mrc.parse_header(data: bytes, size: int | None = None, name: str = 'MRC file')
builders.io.mrc.write(path: str | os.PathLike[str], array: Any, pixel_size: float | None = None, stack: bool = False)
perc_transforms: CTF, AddNoise, Bandpass, CenterCrop, Compose, Cutout, DoseWeight, Envelope, EpochCallback, \
FourierCrop, FourierPad, GainCorrect, GaussianBlur, Highpass, HotPixels, InvertContrast, Lowpass, MinMax, \
MissingWedge, Mixup, Normalize, NormalizeBackground, Pad, PercError, PercentileClip, PhaseFlip, PickMap, Project, \
RandomCrop, RandomFlip, RandomGaussianBlur, RandomRotate, RandomRotate90, RandomShift, RandomTransform, Rescale, \
ShotNoise, SoftMask, ToTensor, Transform, TransformError, Whiten, WienerFilter, collate, functional
CTF(*, spatial_dims = None, defocus_u = None, defocus_v = None, defocus_angle = None, voltage = None, \
spherical_aberration = None, amplitude_contrast = None, phase_shift = None)
AddNoise(snr = None, *, spatial_dims = None, seed = 0, record = False, std = None, color = 'white')
Bandpass(low, high, width = 2.0, *, spatial_dims = None)
CenterCrop(size = None, *, spatial_dims = None, size_angstrom = None)
Compose(transforms, *, spatial_dims = None, record = False)
Cutout(size = None, number = 1, fill = 'mean', *, spatial_dims = None, seed = 0, record = False, size_angstrom = \
None)
DoseWeight(dose_per_frame, pre_dose = 0.0, sum_frames = True, *, spatial_dims = 2, voltage = None, restore_noise = \
True)
Envelope(b_factor, *, spatial_dims = None)
EpochCallback(*targets)
FourierCrop(shape = None, *, spatial_dims = None, pixel_size = None)
FourierPad(shape = None, *, spatial_dims = None, pixel_size = None)
GainCorrect(gain, *, spatial_dims = None, rotation = 0, flip = 0, counts = False)
GaussianBlur(sigma = None, *, spatial_dims = None, sigma_angstrom = None)
Highpass(resolution, width = 2.0, *, spatial_dims = None)
HotPixels(sigma = 6.0, above = None, *, spatial_dims = None, below = None, size = 5, of_sum = False)
InvertContrast(mode = 'always', *, spatial_dims = None)
Lowpass(resolution, width = 2.0, *, spatial_dims = None)
MinMax(*, spatial_dims = None)
MissingWedge(min_angle = -60.0, max_angle = 60.0, axis = 'y', *, spatial_dims = None)
Mixup(alpha = 0.2, num_classes = None, *, spatial_dims = None, seed = 0, record = False)
Normalize(*, spatial_dims = None)
NormalizeBackground(radius = None, ramp = True, dust = None, *, spatial_dims = None, radius_angstrom = None)
Pad(size = None, mode = 'constant', value = 0.0, *, spatial_dims = None, seed = 0, record = False, size_angstrom = \
None)
PercentileClip(low = 0.5, high = 99.5, *, spatial_dims = None)
PhaseFlip(*, spatial_dims = None, defocus_u = None, defocus_v = None, defocus_angle = None, voltage = None, \
spherical_aberration = None, amplitude_contrast = None, phase_shift = None)
PickMap(radius = None, shape = 'ball', classes = None, channels = False, *, spatial_dims = None, radius_angstrom = \
None)
Project(rotation = 'random', views = None, *, spatial_dims = None, seed = 0, record = False, oversampling = 2.0)
RandomCrop(size = None, *, spatial_dims = None, seed = 0, record = False, size_angstrom = None)
RandomFlip(axes = None, *, spatial_dims = None, seed = 0, record = False)
RandomGaussianBlur(sigma = None, *, spatial_dims = None, seed = 0, record = False, sigma_angstrom = None)
RandomRotate(max_angle = 'uniform', padding = 'mean', *, spatial_dims = None, seed = 0, record = False)
RandomRotate90(*, spatial_dims = None, seed = 0, record = False)
RandomShift(max_shift = None, *, spatial_dims = None, seed = 0, record = False, max_shift_angstrom = None)
RandomTransform(*, spatial_dims = None, seed = 0, record = False)
Rescale(shape, stretch = False, *, spatial_dims = None)
ShotNoise(dose = None, *, spatial_dims = None, seed = 0, record = False, electrons = None, counts = True)
SoftMask(radius = None, edge = 5.0, fill = 'background', *, spatial_dims = None, radius_angstrom = None)
ToTensor(channel = False, *, spatial_dims = None)
Transform(*, spatial_dims = None)
Whiten(*, spatial_dims = None)
WienerFilter(constant, *, spatial_dims = None, defocus_u = None, defocus_v = None, defocus_angle = None, voltage = \
None, spherical_aberration = None, amplitude_contrast = None, phase_shift = None)
collate(rows)
builders that load_dataset knows: empiar, local_classes, particles, structures, synthetic, tilt_series, tomograms
"""


def default(option):
    return option.default if option.default_factory is dataclasses.MISSING else option.default_factory()


def signature(function, annotated=True):
    parameters = inspect.signature(function).parameters.values()
    if annotated:
        return "(" + ", ".join(str(p).replace("collections.abc.", "") for p in parameters) + ")"
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    text = str(inspect.Signature(plain))
    return text.replace("=", " = ")


def builtins_of(error):
    own = [b for b in error.__mro__ if b.__module__ == "builtins" and b not in (object, Exception, BaseException)]
    return " & ".join(sorted(b.__name__ for b in own if not any(b in o.__mro__[1:] for o in own)))


def test_the_public_api_is_what_it_was():
    lines = [f"builders: {', '.join(builders.__all__)}", f"builders.EMImage{signature(builders.EMImage)}"]
    errors = [getattr(builders.errors, name) for name in builders.errors.__all__ if name != "PercError"]
    lines.append("errors: " + ", ".join(f"{e.__name__} < {builtins_of(e)}" for e in errors))
    for name in ("publish", "as_em_images"):
        lines.append(f"{name}{signature(getattr(builders, name), annotated=False)}")
    inherited = {"name", "version", "data_files", "description"}
    of_movies = dataclasses.fields(MovieOptions)
    lines.append("both of images: " + ", ".join(f"{f.name} = {default(f)!r}" for f in of_movies))
    configs = {"local_classes": LocalClassesConfig, "empiar": EmpiarConfig, "particles": ParticlesConfig}
    configs["structures"] = StructuresConfig
    for name, config in configs.items():
        known = inherited | {f.name for f in of_movies if issubclass(config, MovieOptions)}
        options = [f for f in dataclasses.fields(config) if f.name not in known]
        options = [f for f in options if name == "local_classes" or f.name != "data_dir"]
        lines.append(f"{name}: " + ", ".join(f"{f.name} = {default(f)!r}" for f in options))
    lines.append(f"Entry{signature(Entry, annotated=False)}")
    for name in ("find", "ls", "open", "url"):
        lines.append(f"Entry.{name}{signature(getattr(Entry, name), annotated=False)}")
    lines.append(f"structures: {', '.join(structures.__all__)}")
    for name in ("fetch", "available", "clean", "register"):
        lines.append(f"structures.{name}{signature(getattr(structures, name), annotated=False)}")
    lines.append(f"structures.Fetched: {', '.join(f.name for f in dataclasses.fields(structures.Fetched))}")
    for name in ("claim", "candidates", "places", "check"):
        lines.append(f"structures.Source.{name}{signature(getattr(structures.Source, name), annotated=False)}")
    lines.append(f"particles.check{signature(particles.check, annotated=False)}")
    shown = [f.name for f in dataclasses.fields(particles.Checked) if not f.name.startswith("_")]
    lines.append(f"particles.Checked: {', '.join(shown)}")
    lines.append(f"particles.write{signature(particles.write, annotated=False)}")
    lines.append(f"particles.Written: {', '.join(f.name for f in dataclasses.fields(particles.Written))}")
    for name in synthetic.__all__:
        lines.append(f"synthetic.{name}{signature(getattr(synthetic, name), annotated=False)}")
    for function in (inspect_folder, image_file.describe, image_file.read, image_file.read_bytes):
        lines.append(f"{function.__module__}.{function.__name__}{signature(function)}")
    for function in (image_file.memory_map, mrc.parse_header, mrc.write):
        text = signature(function).replace("numpy.ndarray[typing.Any, numpy.dtype[numpy.generic]]", "Array")
        text = text.replace("numpy.ndarray[tuple[typing.Any, ...], numpy.dtype[numpy.generic]]", "Array")
        text = text.replace("NDArray[numpy.generic]", "Array")  # as NumPy 2.5 shows it
        text = text.replace("builders.io.image_file.", "")
        place = "builders.io.image_file" if function is image_file.memory_map else mrc.__name__  # where people find it
        lines.append(f"{place}.{function.__name__}{text}")
    lines.append(f"perc_transforms: {', '.join(perc_transforms.__all__)}")
    for name in perc_transforms.__all__:
        if callable(getattr(perc_transforms, name)) and not name.endswith("Error"):
            lines.append(f"{name}{signature(getattr(perc_transforms, name), annotated=False)}")
    lines.append(f"builders that load_dataset knows: {', '.join(MODULES)}")
    assert "\n".join(lines) + "\n" == API


@pytest.mark.parametrize("through_dask", [False, True])
def test_errors_take_one_string_and_pickle(through_dask):
    import pickle

    if through_dask:
        pytest.importorskip("distributed", reason="the extra 'dask' is not installed")

    for name in builders.errors.__all__:
        error = getattr(builders.errors, name)("x.mrc: NX is 0: expected 1 to 131072")
        error.add_note("in worker 3")
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == "x.mrc: NX is 0: expected 1 to 131072"
        assert again.__notes__ == ["in worker 3"]
        assert isinstance(error, builders.errors.PercError)
