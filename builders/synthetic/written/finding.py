"""Which files of a folder belong together: stacks of images, the samples they show, the configurations of both."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from builders.archive.tree import Tree, shown
from builders.errors import FormatError, NotFoundError
from builders.io.files.location import why_no_text
from builders.io.files.natural_order import natural_path_key
from builders.stacks.files import SourceFile
from builders.synthetic.written.configs import read_config
from builders.synthetic.written.names import run_name
from builders.synthetic.written.runs import Run, run_of
from builders.synthetic.written.samples import read_sample
from builders.synthetic.written.stacks import CLEAN, COUNTS, SAMPLE, Stack, read_any_mrc, read_h5, read_mrc

HDF5 = (".h5", ".hdf5", ".nx", ".nxs", ".nexus")
_MRC = (".mrc",)
_YAML = (".yaml", ".yml")
_NUMBER = re.compile(r"[0-9]+")

Result = TypeVar("Result")
LeftOut = list[tuple[str, object]]


def listed(folder: str, option: str) -> list[SourceFile]:
    """The files of a folder, and of those in it, that may be a simulator's, in natural order.

    Raises:
        NotFoundError: there is no such folder.
    """
    tree = Tree(folder)
    tree.require(option)
    suffixes = (*HDF5, *_MRC, *_YAML)
    found = [(path, child) for path, child in tree.walk() if not child.is_folder and path.lower().endswith(suffixes)]
    found.sort(key=lambda one: natural_path_key(one[0]))
    return [tree.file(path, child) for path, child in found]


@dataclass(slots=True)
class _Folder:
    """What one folder holds."""

    stacks: dict[str, list[tuple[SourceFile, Stack]]] = field(default_factory=lambda: defaultdict(list))
    samples: dict[str, SourceFile] = field(default_factory=dict)
    configs: dict[str, SourceFile] = field(default_factory=dict)


class Finder:
    """Puts runs together.

    Args:
        files: of a folder.
        name: of the folder, for messages.
        skip: whether what is damaged or lacks what belongs to it is left out.

    Attributes:
        left_out: path and reason of it.
    """

    def __init__(self, files: Sequence[SourceFile], name: str, skip: bool) -> None:
        self._files, self._name, self._skip = files, name, skip
        self.left_out: LeftOut = []

    def parakeet(self) -> list[Run]:
        """Runs of Parakeet.

        Of the files of a run, counts of electrons are taken; where there are none, images without noise. Exit waves are
        none, nor are MRC files that another program wrote. What stands there as `.h5` and `.mrc` is taken once.

        Raises:
            NotFoundError: there is none.
            PercError: a file is damaged, or what belongs to it is not there.
        """
        folders: dict[str, _Folder] = defaultdict(_Folder)
        for file in self._files:
            self._safely(file, partial(self._sort_in, file, folders[_folder(file)]))
        runs = []
        for folder in folders.values():
            for name, stacks in folder.stacks.items():
                for file, stack in _chosen(stacks):
                    run = self._safely(file, partial(self._joined, file, stack, folder, name))
                    runs += [] if run is None else [run]
        there = shown([file.path for file in self._files])
        return self._some(runs, f"image of Parakeet's (.h5 of NXtomo, or .mrc as it writes them); there are: {there}")

    def roodmus(self) -> list[Run]:
        """Micrographs of Roodmus: `000000.mrc` with `000000.yaml`, and perhaps `000000_sample.h5`.

        Raises:
            NotFoundError: there is none.
            PercError: a file is damaged, or its partner is not there.
        """
        named: dict[str, dict[str, SourceFile]] = defaultdict(dict)
        for file in self._files:
            stem, _, suffix = file.path.rpartition(".")
            kind = "mrc" if f".{suffix.lower()}" in _MRC else "yaml" if f".{suffix.lower()}" in _YAML else ""
            if kind and _NUMBER.fullmatch(stem.rpartition("/")[2]):
                named[stem][kind] = file
        for file in self._files:
            stem, _, suffix = file.path.rpartition(".")
            if f".{suffix.lower()}" in HDF5 and stem.removesuffix("_sample") in named and stem.endswith("_sample"):
                named[stem.removesuffix("_sample")]["sample"] = file
        runs = []
        for pair in named.values():
            run = self._safely(next(iter(pair.values())), partial(_of_roodmus, pair))
            runs += [] if run is None else [run]
        there = shown([file.path for file in self._files])
        return self._some(runs, f"micrograph of Roodmus' (000000.mrc with 000000.yaml); there are: {there}")

    def _some(self, runs: list[Run], what: str) -> list[Run]:
        if not runs:
            why = f"; the first one left out: {self.left_out[0][1]}" if self.left_out else ""
            msg = f"{self._name}: no {what}{why}"
            raise NotFoundError(msg)
        return sorted(runs, key=lambda run: natural_path_key(run.file.path))

    def _safely(self, file: SourceFile, do: Callable[[], Result]) -> Result | None:
        """What comes of a file; nothing where it is damaged and may be left out."""
        try:
            if why := why_no_text(file.path) or why_no_text(file.location):
                msg = f"{file.path!a}: {why}: rename it"
                raise FormatError(msg)
            return do()
        except (FormatError, NotFoundError) as err:
            if not self._skip:
                raise
            self.left_out.append((file.path if not why_no_text(file.path) else ascii(file.path), err))
            return None

    def _sort_in(self, file: SourceFile, folder: _Folder) -> None:
        """Put a file where it belongs, by what it holds."""
        stem, _, suffix = file.path.rpartition("/")[2].rpartition(".")
        name = run_name(stem)
        if f".{suffix.lower()}" in _YAML:
            folder.configs[file.path] = file
            return
        found = (read_h5 if f".{suffix.lower()}" in HDF5 else read_mrc)(file.location, file.path)
        if isinstance(found, Stack):
            folder.stacks[name].append((file, found))
        elif found == SAMPLE:
            folder.samples[file.path] = file

    def _joined(self, file: SourceFile, stack: Stack, folder: _Folder, name: str) -> Run:
        """A stack with its sample and its configuration."""
        sample = _partner(file, name, folder.samples.values(), "samples")
        config = _partner(file, name, folder.configs.values(), "configurations")
        return run_of(
            file,
            stack,
            None if config is None else read_config(config.location, config.path),
            None if sample is None else read_sample(sample.location, sample.path),
        )


def _folder(file: SourceFile) -> str:
    return file.path.rpartition("/")[0]


def _chosen(stacks: "list[tuple[SourceFile, Stack]]") -> "list[tuple[SourceFile, Stack]]":
    """The stacks of a run that become rows: the MRC files are exports of others."""
    kinds = {stack.kind for _, stack in stacks}
    best = [(file, stack) for file, stack in stacks if stack.kind == (COUNTS if COUNTS in kinds else CLEAN)]
    return [one for one in best if one[0].path.lower().endswith(HDF5)] or best


def _partner(file: SourceFile, name: str, others: Iterable[SourceFile], what: str) -> SourceFile | None:
    """What belongs to a stack: what has its run's name, else what is there alone.

    Raises:
        FormatError: that is not clear.
    """
    there = list(others)
    own = [other for other in there if run_name(other.path.rpartition("/")[2].rpartition(".")[0]) == name]
    candidates = own or there
    if len(candidates) > 1:
        names = shown([one.path for one in candidates])
        msg = f"{file.path}: {len(candidates)} {what} beside it ({names}): expected one, or one that is called as it "
        msg += "is, as in 000001_image.h5 and 000001_sample.h5"
        raise FormatError(msg)
    return candidates[0] if candidates else None


def _of_roodmus(pair: dict[str, SourceFile]) -> Run:
    """A micrograph; of one whose poses did not get into its configuration, the sample has them if it was kept."""
    if "mrc" not in pair or "yaml" not in pair:
        there = pair.get("mrc") or pair["yaml"]
        other = there.path.rpartition(".")[0] + (".yaml" if "mrc" in pair else ".mrc")
        msg = f"{there.path} is there, {other} is not: expected both (on_error='skip' leaves it out)"
        raise NotFoundError(msg)
    image, document, kept = pair["mrc"], pair["yaml"], pair.get("sample")
    config = read_config(document.location, document.path)
    sample = None if config.molecules is not None or kept is None else read_sample(kept.location, kept.path)
    return run_of(image, read_any_mrc(image.location, image.path), config, sample)
