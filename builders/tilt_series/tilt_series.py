"""`load_dataset("tilt_series", ...)`: the images of tilt series with their angles, doses and alignment."""

import logging
from collections.abc import Sequence
from typing import Any

import datasets

from builders.archive.builder import PickedFilesBuilder
from builders.errors import FormatError, NotFoundError, OptionError, PercError
from builders.hf.features import EMImage
from builders.io.files.header_store import HeaderStore
from builders.options import (
    with_advice,
)
from builders.quarantine import Quarantine
from builders.stacks.files import SourceFile
from builders.stacks.picked.catalogue import Catalogue, table_of
from builders.stacks.picked.making import Part, held, written
from builders.tilt_series.assembling import Series
from builders.tilt_series.columns import series_rows, tilt_rows
from builders.tilt_series.config import TiltSeriesConfig
from builders.tilt_series.sources import LeftOut

logger = logging.getLogger(__name__)


class TiltSeries(PickedFilesBuilder):
    """Images of tilt series, or whole series, as rows `image`, `pixel_size`, `path`, `index`, `tilt_series`, ..."""

    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = TiltSeriesConfig
    WHAT = "files, images or series"
    config: TiltSeriesConfig

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=self._features, **self.config.facts)

    @property
    def _features(self) -> datasets.Features:
        config = self.config
        columns = {
            "image": EMImage(dtype=config.dtype, non_finite=config.non_finite),
            "pixel_size": datasets.Value("float32"),
            "path": datasets.Value("string"),
            "index": datasets.Value("int64"),
        }
        return datasets.Features(columns | datasets.Features.from_arrow_schema(config.schema))

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        config, store = self.config, HeaderStore(self.folder)
        anew = bool(dl_manager.download_config.force_download)
        if anew:
            store.forget(file.location for file in self.files())
        brought: dict[str, SourceFile] = {}
        if config.download:
            where = self.fetched(anew)
            brought = {file.location: there for file, there in zip(self.files(), where, strict=True)}
        found, left_out = config.source.series(brought, config.reading, store)
        wanted, more = self._wanted(found)
        files, rows = (tilt_rows if config.unit == "tilt" else series_rows)(wanted)
        made: Part | Catalogue
        table = table_of(files, rows)
        if dl_manager.is_streaming:
            state = self.VERSION, self.config_id, [(file.location, file.stamp) for file in files], rows.num_rows
            made = written(table, state, self.folder, "tilt_series")
            self.contradicted = []
        else:
            made = held(table, config.reading, store, config.source.name)
            more += made.left_out
            self.contradicted = made.contradicted
        self.left_out = [*left_out, *more]
        Quarantine(config.quarantine).begin(self.left_out)
        return [datasets.SplitGenerator(name="train", gen_kwargs={"parts": [made]})]

    def _wanted(self, found: Sequence[Series]) -> tuple[list[Series], LeftOut]:
        """The series that were asked for, in order, each in the order that was asked for.

        Raises:
            OptionError: one is named that is not there.
            NotFoundError: none is left.
            FormatError: the order of one is not known.
        """
        config = self.config
        left_out: LeftOut = []
        names = [one.name for one in found]
        absent = [name for name in config.tilt_series or () if name not in names]
        if absent:
            msg = f"tilt_series names {', '.join(absent)}: {config.source.name} has {', '.join(names) or 'none'}"
            raise OptionError(msg)
        wanted = []
        for one in found:
            if config.tilt_series is not None and one.name not in config.tilt_series:
                continue
            try:
                if one.lost and config.unit == "tilt_series":
                    msg = f"{one.source}: {one.lost} of its {one.lost + len(one.tilts)} images are not there"
                    raise FormatError(msg)
                wanted.append(one.in_order(config.order))
            except PercError as err:
                if config.on_error == "raise":
                    raise with_advice(err) from None
                logger.warning("tilt_series: leaving out %s", err)
                left_out.append((one.name, err))
        if not wanted:
            msg = f"{config.source.name}: no tilt series is left" + (f": {left_out[0][1]}" if left_out else "")
            raise NotFoundError(msg)
        return wanted, left_out

    def files(self) -> Sequence[SourceFile]:
        """See `ImageFilesBuilder`."""
        return self.config.source.files
