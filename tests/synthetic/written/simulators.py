"""Files as Parakeet 0.6.8 and Roodmus 0.0.39 write them, of samples whose images are drawn here, atom by atom.

What is drawn is what Parakeet's exit wave does with atoms: those of a structure are turned by the molecule's rotation
vector and moved to its position; all are turned about the sample's centre by the scan's and moved back by its shift;
the detector's origin and the pixel size make pixels of that. SciPy turns them here.
"""

import mrcfile
import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

h5py = pytest.importorskip("h5py", reason="HDF5 needs the extra hdf5")

ATOMS = np.array([[0, 0, 0], [24, 0, 0], [0, 16, 0], [0, 0, 20], [-24, 0, 0], [0, -16, 0], [0, 0, -20]], float)
"""Of every structure, Å from its centre: no turn leaves them alike, for each has a weight of its own."""
WEIGHTS = np.array([60, 5, 30, 47, 100, 90, 13], float)
CENTRE, ORIGIN, PIXEL = np.array([210.0, 150, 90]), np.array([6.0, -4]), 2.0
SHAPE = (150, 190)
FIELDS = {
    **dict.fromkeys(("image_number", "fraction_number", "image_size_x", "image_size_y"), "i4"),
    **dict.fromkeys(("tilt_alpha", "tilt_axis_x", "tilt_axis_y", "tilt_axis_z", "stage_x", "stage_y", "stage_z"), "f8"),
    **dict.fromkeys(("stage_offset_x", "stage_offset_y", "stage_offset_z", "energy", "dose", "timestamp"), "f8"),
    **dict.fromkeys(("shift_x", "shift_y", "shift_offset_x", "shift_offset_y", "pixel_size_x", "pixel_size_y"), "f8"),
    **dict.fromkeys(("c_10", "c_12", "c_30", "phi_12", "gain", "offset", "exposure_time"), "f8"),
    **dict.fromkeys(("dqe", "phase_plate", "ice", "slit_inserted"), "?"),
    **dict.fromkeys(("application", "application_version", "inelastic_model"), "S16"),
}
"""Some of the datasets beside the images, and their types."""
FEI = {
    **{"application": "Application", "image_number": "Start frame", "fraction_number": "Fraction number"},
    **{"tilt_alpha": "Alpha tilt", "stage_z": "Z-Stage", "energy": "HT", "dose": "Dose", "gain": "Gain"},
    **{"shift_x": "Shift X", "shift_y": "Shift Y", "shift_offset_x": "Shift offset X", "c_10": "Defocus"},
    **{"shift_offset_y": "Shift offset Y", "phase_plate": "Phase Plate"},
}
"""Where Parakeet puts them into FEI's extended header."""


def molecules(names, each=3, seed=0):
    """Positions and rotation vectors of molecules, by the paths of their structures."""
    rng = np.random.default_rng(seed)
    low, high = [60, 50, 30], [330, 250, 150]
    return {name: (rng.uniform(low, high, (each, 3)), rng.normal(size=(each, 3))) for name in names}


def headers(tilts=(0.0,), fractions=1, axis=(0, 1, 0), **others):
    """What is told of the images of a scan, by Parakeet's names."""
    count = len(tilts) * fractions
    told = {name: np.zeros(count, kind) for name, kind in FIELDS.items()}
    told["image_number"] = np.repeat(np.arange(len(tilts)), fractions)
    told["fraction_number"] = np.tile(np.arange(fractions), len(tilts))
    told["tilt_alpha"] = np.repeat(np.array(tilts, float), fractions)
    for name, value in zip("xyz", np.array(axis, float) / np.linalg.norm(axis), strict=True):
        told[f"tilt_axis_{name}"][:] = value
    same = {"c_10": -12000.0, "c_30": 1.4, "energy": 200.0, "dose": 4.0 / fractions, "gain": 1.0, "phase_plate": True}
    same |= {"pixel_size_x": PIXEL, "pixel_size_y": PIXEL, "application": b"Parakeet", **others}
    for name, value in same.items():
        told[name][:] = value
    return told


def drawn(kinds, told, shape=SHAPE, pixel=PIXEL, drift=(0, 0)):
    """Images of molecules: each atom's weight at its pixel."""
    images = np.zeros((len(told["c_10"]), *shape), np.float32)
    for number, image in enumerate(images):
        axis = [told[f"tilt_axis_{name}"][number] for name in "xyz"]
        stage = Rotation.from_rotvec(np.array(axis) * np.radians(told["tilt_alpha"][number]))
        shift = [
            told[a][number] + told[b][number]
            for a, b in (("shift_x", "shift_offset_x"), ("shift_y", "shift_offset_y"), ("stage_z", "stage_offset_z"))
        ]
        for positions, turns in kinds.values():
            for position, turn in zip(positions, turns, strict=True):
                moved = position + np.append(np.multiply(number + 1, drift), 0)
                atoms = Rotation.from_rotvec(turn).apply(ATOMS) + moved
                atoms = stage.apply(atoms - CENTRE) + CENTRE - shift
                pixels = np.rint((atoms[:, :2] - ORIGIN) / pixel).astype(int)
                inside = ((pixels >= 0) & (pixels < shape[::-1])).all(1)
                np.add.at(image, (pixels[inside, 1], pixels[inside, 0]), WEIGHTS[inside])
    return images


def write_h5(path, images, told):
    """As Parakeet's writer of NeXus does."""
    with h5py.File(path, "w") as file:
        file.create_group("entry").attrs["NX_class"] = "NXentry"
        file["entry/definition"] = "NXtomo"
        file.create_dataset("entry/instrument/detector/data", data=images)
        file["entry/sample/name"] = "parakeet-simulation"
        file["entry/sample/particle_positions"] = [CENTRE]
        file["entry/data/data"] = file["entry/instrument/detector/data"]
        for name, values in told.items():
            file.create_dataset(f"entry/data/{name}", data=values)


def write_mrc(path, images, told, pixel=PIXEL):
    """As Parakeet's writer of MRC files does."""
    extended = np.zeros(len(images), mrcfile.dtypes.get_ext_header_dtype(b"FEI1"))
    extended["Metadata size"] = extended.dtype.itemsize
    for name, own in FEI.items():
        extended[own] = told[name]
    extended["Pixel size X"] = extended["Pixel size Y"] = pixel * 1e10
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(images)
        file.set_extended_header(extended)
        file.header.exttyp = b"FEI1"
        file.voxel_size = pixel


def write_sample(path, kinds, centre=CENTRE):
    """As Parakeet's samples are stored."""
    with h5py.File(path, "w") as file:
        file.create_dataset("sample/centre", data=centre, dtype="f4")
        for name, (positions, turns) in kinds.items():
            own = file.create_group("sample/molecules/" + name.replace("/", "_").replace(".", "_"))
            own.create_dataset("positions", data=positions, dtype="f4")
            own.create_dataset("orientations", data=turns, dtype="f4")


def config(kinds=None, scan=None, **sample):
    """A configuration; with the poses of its molecules, as Roodmus fills them in after the run."""
    told = []
    for name, (positions, turns) in (kinds or {}).items():
        each = zip(np.asarray(positions).tolist(), np.asarray(turns).tolist(), strict=True)
        told.append({"filename": name, "instances": [{"position": p, "orientation": o} for p, o in each]})
    return {
        "sample": {"centre": CENTRE.tolist(), "molecules": {"local": told, "pdb": None}, **sample},
        "microscope": {
            "beam": {"energy": 200, "electrons_per_angstrom": 4.0},
            "detector": {"nx": SHAPE[1], "ny": SHAPE[0], "pixel_size": PIXEL, "origin": ORIGIN.tolist()},
            "lens": {"c_10": -12000.0, "c_12": 0.0, "phi_12": 0.0, "c_30": 1.4},
            "phase_plate": {"use": False, "phase_shift": 90, "radius": 0.005},
        },
        "scan": {"mode": "still", "axis": [0, 1, 0], "num_images": 1, "num_fractions": 1, **(scan or {})},
    }


def write_config(path, told):
    """As both programs do."""
    path.write_text(yaml.safe_dump(told))


def parakeet(folder, kinds=None, told=None, suffixes=("h5",), **options):
    """A folder of one run: `image`, `sample.h5`, `config.yaml`, and the files that led to it. Gives its images."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = molecules(["pdbs/apo.pdb", "pdbs/holo.cif"]) if kinds is None else kinds
    told = headers() if told is None else told
    images = drawn(kinds, told, drift=options.get("motion", {}).get("global_drift", (0, 0)))
    for suffix in suffixes:
        {"h5": write_h5, "mrc": write_mrc}[suffix](folder / f"image.{suffix}", images, told)
    write_sample(folder / "sample.h5", kinds)
    names = {name: ([], []) for name in kinds}
    write_config(folder / "config.yaml", config(names, **options))
    return images


def roodmus(folder, count=2, kinds=None, fractions=1, **options):
    """A folder of micrographs. Gives their molecules and images."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(count):
        own = molecules([f"/md/conf_{n}.pdb" for n in (1, 2, 10)], seed=number) if kinds is None else kinds
        told = headers(fractions=fractions)
        images = drawn(own, told)
        write_mrc(folder / f"{number:06d}.mrc", images, told)
        write_config(folder / f"{number:06d}.yaml", config(own, {"num_fractions": fractions}, **options))
        made.append((own, images))
    return made
