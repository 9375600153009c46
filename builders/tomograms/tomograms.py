"""`load_dataset("tomograms", ...)`: tomograms as volumes, tiles of them, or cubes at their picks."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import datasets

from builders.archive.builder import PickedFilesBuilder
from builders.hf.features import EMImage
from builders.io.files.header_store import HeaderStore
from builders.quarantine import Quarantine
from builders.stacks.files import SourceFile
from builders.stacks.picked.catalogue import Catalogue, table_of
from builders.stacks.picked.making import Part, held, written
from builders.tomograms.classes import class_names
from builders.tomograms.columns import ORIGIN, picks_feature, subtomogram_features
from builders.tomograms.config import TomogramsConfig
from builders.tomograms.picking import Asking, Picked, files_of, labels_there, pick, side_of
from builders.tomograms.rows import Background, Subtomograms, Tiles, Unit, Whole
from builders.tomograms.splits import held_out


class Tomograms(PickedFilesBuilder):
    """Tomograms as rows `image`, `pixel_size`, `path`, `index`, `tomogram`, and what their unit has besides."""

    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = TomogramsConfig
    WHAT = "tomograms or picks"
    config: TomogramsConfig

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=self._features, **self.config.facts)

    @property
    def _features(self) -> datasets.Features:
        config = self.config
        columns: dict[str, Any] = {
            "image": EMImage(dtype=config.dtype, non_finite=config.non_finite),
            "pixel_size": datasets.Value("float32"),
            "path": datasets.Value("string"),
            "index": datasets.Value("int64"),
            "tomogram": datasets.Value("string"),
        }
        if config.unit != "tomogram":
            columns["origin"] = ORIGIN
        if config.unit == "subtomogram":
            columns |= subtomogram_features(self._names)
        elif config.picks is not None:
            columns["picks"] = picks_feature(self._names)
        for name in config.mask_columns:
            columns[name] = EMImage(dtype=None)
        if config.pairs:
            columns["target"] = EMImage(dtype=config.dtype, non_finite=config.non_finite)
        return datasets.Features(columns)

    @functools.cached_property
    def _names(self) -> list[str]:
        """The classes, in the order of their ids."""
        config = self.config
        there, with_background = labels_there(config.found), bool(config.background)
        return class_names(there, config.found.classes, config.classes, with_background)

    @functools.cached_property
    def _unit(self) -> Unit:
        """The kind of row."""
        config = self.config
        if config.unit == "tomogram":
            return Whole()
        if config.unit == "tile":
            assert config.tile_sides is not None
            return Tiles(config.tile_sides, config.overlap_sides, config.edge)
        assert config.box is not None
        side, skip = side_of(config.found, config.box), config.on_error == "skip"
        own = config.background, config.background_distance, config.seed, len(self._names) - 1, skip
        background = Background(*own) if config.background else None
        return Subtomograms(side, config.edge, config.align, background, skip)

    @property
    def _box(self) -> tuple[int, int, int] | None:
        """Shape `(nz, ny, nx)` of the boxes that rows are."""
        unit = self._unit
        return unit.tile if isinstance(unit, Tiles) else (unit.side,) * 3 if isinstance(unit, Subtomograms) else None

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        config = self.config
        anew = bool(dl_manager.download_config.force_download)
        brought = self.fetched(anew) if config.download else self.files()
        if anew and not config.download:
            HeaderStore(self.folder).forget(file.location for file in brought)
        has_picks = config.picks is not None
        asking = Asking(self._unit, self._names, config.mask_columns, has_picks, config.on_error == "skip")
        made: dict[str, Part | Catalogue] = {}
        self.left_out = list(config.found.left_out)
        for split, names in self._divided().items():
            picked = replace(pick(config.found, asking, names), files=tuple(brought))
            self.left_out += picked.left_out
            made[split] = part = self._made(split, picked, dl_manager.is_streaming)
            if isinstance(part, Part):
                self.left_out += part.left_out
                self.contradicted += part.contradicted
        Quarantine(config.quarantine).begin(self.left_out)
        return [datasets.SplitGenerator(name=name, gen_kwargs={"parts": [part]}) for name, part in made.items()]

    def _divided(self) -> dict[str, frozenset[str] | None]:
        """The tomograms of each split; None: all."""
        config = self.config
        if config.validation_fraction is None:
            return {"train": None}
        names = [tomogram.name for tomogram in config.found.tomograms]
        validation = held_out(names, config.validation_fraction, config.seed)
        return {"train": frozenset(names) - validation, "validation": validation}

    def _made(self, split: str, picked: Picked, is_streaming: bool) -> Part | Catalogue:
        """The rows of a split: as a stream gives them, or with the headers of their files."""
        table = table_of(picked.files, picked.rows, self._box, masks=tuple(self.config.mask_columns))
        if not is_streaming:
            return held(table, self.config.reading, HeaderStore(self.folder), self.config.found.name)
        state = str(self.VERSION), self.config_id, split, [(file.location, file.stamp) for file in picked.files]
        return written(table, state, self.folder, "tomograms")

    def files(self) -> Sequence[SourceFile]:
        """See `ImageFilesBuilder`."""
        return files_of(self.config.found, self.config.mask_columns)

    def forget(self) -> None:
        """See `ImageFilesBuilder`."""
        self.config.__dict__.pop("found", None)
        self.__dict__.pop("_unit", None)
