"""Made-up complexes as files of atoms, and the noisy particles that `load_dataset("synthetic", ...)` makes of them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

import perc_transforms as T
from builders import load_dataset
from examples.projections import BOX, COMPLEXES, PIXEL_SIZE, Points

_RADIUS = 9.0
"""Å, of the blobs that atoms fill."""
_SPACING = 2.6
"""Å between neighbours: as many atoms fit into a volume as in proteins."""
_BACKBONE = ("N", "CA", "C", "O")
_B_FACTOR = 60.0


def structures(folder: Path) -> dict[str, str]:
    """The files of all complexes by their names, `NAME.pdb`: those that are missing are written."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.pdb" for name in COMPLEXES}
    for name, path in files.items():
        if not path.exists():
            path.write_text(_structure(name, _atoms(COMPLEXES[name]())).make_pdb_string(), encoding="ascii")
    return {name: str(path) for name, path in files.items()}


def moving(folder: Path) -> str:
    """The file of a barrel whose arm is down, half raised or raised: `arm.pdb`, three models."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "arm.pdb"
    steps = np.linspace(0, 46, 5)[:, None]
    arms = [np.array([0.0, 0.0, 44.0]) + steps * _towards(degrees) for degrees in (0.0, 40.0, 80.0)]
    still = COMPLEXES["barrel"]()
    path.write_text(
        _structure("arm", *(_atoms(np.concatenate([still, arm])) for arm in arms)).make_pdb_string(), encoding="ascii"
    )
    return str(path)


def particles(files: Mapping[str, str], count: int, **options: Any) -> Dataset:
    """So many particles of any of these structures, seen from anywhere through a microscope.

    Args:
        files: structures by the names of classes.
        count: how many.
        options: more of `synthetic` and of `load_dataset`.
    """
    made = {"box_size": BOX, "pixel_size": PIXEL_SIZE, "defocus": (15_000, 25_000), "max_shift": 6.0}
    return load_dataset("synthetic", structures=dict(files), num_examples=count, split="train", **(made | options))


def images_of(dataset: Dataset, words: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The class and the image of each particle, made by two worker processes.

    Args:
        dataset: particles.
        words: what a progress bar says.
    """
    names = dataset.features["label"].names
    columns = dataset.select_columns(["image", "label"]).with_format("torch")
    with tqdm(total=len(dataset), desc=words, unit=" images", disable=None) as progress:
        for batch in DataLoader(columns, 64, num_workers=2, collate_fn=T.collate):
            for image, label in zip(batch["image"].numpy(), batch["label"].tolist(), strict=True):
                yield names[label], image
                progress.update()


def _atoms(blobs: Points) -> Points:
    """Sites of a grid that lie within a blob, each moved a little: `(atoms, 3)`, Å."""
    low, high = blobs.min(0) - _RADIUS, blobs.max(0) + _RADIUS
    axes = [np.arange(first, last, _SPACING) for first, last in zip(low, high, strict=True)]
    sites = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    apart = np.linalg.norm(sites[:, None] - blobs, axis=-1).min(1)
    inside = sites[apart < _RADIUS]
    return inside + np.random.default_rng(0).uniform(-0.5, 0.5, inside.shape)


def _towards(degrees: float) -> Points:
    """The direction of an arm that is raised by so much from the plane."""
    angle = np.deg2rad(degrees)
    return np.array([np.cos(angle), 0.0, np.sin(angle)])


def _structure(name: str, *states: Points) -> gemmi.Structure:
    """A model of each state: a chain of glycines with these atoms, four each."""
    structure = gemmi.Structure()
    structure.name = name
    for number, atoms in enumerate(states, 1):
        model = gemmi.Model(number)
        model.add_chain(_chain(atoms))
        structure.add_model(model)
    structure.assign_serial_numbers()
    return structure


def _chain(atoms: Points) -> gemmi.Chain:
    chain = gemmi.Chain("A")
    for number, first in enumerate(range(0, len(atoms), len(_BACKBONE)), 1):
        residue = gemmi.Residue()
        residue.name, residue.seqid = "GLY", gemmi.SeqId(number, " ")
        for atom_name, position in zip(_BACKBONE, atoms[first : first + len(_BACKBONE)], strict=False):
            atom = gemmi.Atom()
            atom.name, atom.element, atom.b_iso = atom_name, gemmi.Element(atom_name[0]), _B_FACTOR
            atom.pos = gemmi.Position(*position.tolist())
            residue.add_atom(atom)
        chain.add_residue(residue)
    return chain
