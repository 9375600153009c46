"""`load_dataset("empiar", entry=...)`: the images of an EMPIAR entry, read where they lie or from a local mirror."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import datasets
import pyarrow as pa

from builders.archive.builder import ImageFilesBuilder
from builders.empiar.config import EmpiarConfig
from builders.errors import FormatError, NotFoundError, PercError
from builders.hf.features import EMImage
from builders.hf.streaming import ShardStream
from builders.io import image_file
from builders.io.files import location
from builders.io.files.header_store import HeaderStore
from builders.options import with_advice
from builders.quarantine import Quarantine
from builders.stacks.columns import all_rows
from builders.stacks.cutting import Shards
from builders.stacks.files import SourceFile
from builders.stacks.movies.development import COLUMNS
from builders.stacks.rows import Images, look_at_all
from builders.stacks.shards import ShardReader
from builders.terminal import printable

logger = logging.getLogger(__name__)


class Empiar(ImageFilesBuilder):
    """Images of an EMPIAR entry as rows `image`, `pixel_size`, `path`, `index`, `entry`, `imageset`.

    Rows of frames have `frame`, `dose` and `pre_exposure` besides.
    """

    VERSION = datasets.Version("1.3.0")
    BUILDER_CONFIG_CLASS = EmpiarConfig
    WHAT = "files or parts of them"
    config: EmpiarConfig

    @property
    def _features(self) -> datasets.Features:
        features = {
            "image": EMImage(dtype=self.config.dtype, non_finite=self.config.non_finite),
            "pixel_size": datasets.Value("float32"),
            "path": datasets.Value("string"),
            "index": datasets.Value("int64"),
            "entry": datasets.Value("string"),
            "imageset": datasets.Value("string"),
        }
        if self.config.item == "frame":
            features |= {name: datasets.Value(kind) for name, kind in COLUMNS.items()}
        return datasets.Features(features)

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=self._features, **self.config.facts)

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        anew = bool(dl_manager.download_config.force_download)
        files = list(self.fetched(anew) if self.config.download else self.files())
        if dl_manager.is_streaming:
            Quarantine(self.config.quarantine).begin()
            shards = Shards(files, self.config.reading, self.folder)
            return [datasets.SplitGenerator(name="train", gen_kwargs={"shards": shards})]
        return [datasets.SplitGenerator(name="train", gen_kwargs={"images": self._usable(files, anew)})]

    def files(self) -> Sequence[SourceFile]:
        """See `ImageFilesBuilder`."""
        taken = self.config.gain_reference
        return [file for file in self.config.found.files if taken is None or file.location != taken.path]

    def look_again(self) -> None:
        """See `ImageFilesBuilder`."""
        self._usable(list(self.brought or self.files()))

    def _usable(self, files: list[SourceFile], anew: bool = False) -> list[Images]:
        """The files whose headers can be read, in order; with `anew`, none of them by what is remembered."""
        usable: list[Images] = []
        left_out: list[tuple[str, object]] = []
        damaged: list[PercError] = []
        store = HeaderStore(self.folder)
        if anew:
            store.forget(file.location for file in files)
        with contextlib.closing(look_at_all(files, self.config.reading, store)) as looked_at:
            for file, found in zip(files, looked_at, strict=True):
                no_text = location.why_no_text(file.path) or location.why_no_text(file.location)
                if no_text:  # nor could its row be written
                    found = FormatError(f"{printable(file.path)}: {no_text}")
                if isinstance(found, Images):
                    usable.append(found)
                    if found.lost:
                        left_out.append((file.path, found.lost))
                        logger.warning("empiar: %s: %s", file.path, found.lost)
                    continue
                if self.config.on_error == "raise":
                    raise with_advice(found)
                left_out.append((file.path, found))
                damaged.append(found)
                logger.warning("empiar: leaving out %s", found)
        Quarantine(self.config.quarantine).begin(left_out)
        if damaged:
            logger.warning("empiar: left out %d of %d files of EMPIAR-%s", len(damaged), len(files), self.config.entry)
        image_file.report_contradictions(f"EMPIAR-{self.config.entry}", [images.image for images in usable])
        self.contradicted = [
            (images.file.path, images.image.contradiction)
            for images in usable
            if images.image.contradicts_header and not images.lost
        ]
        if not usable:
            msg = f"EMPIAR-{self.config.entry}: none of {len(files)} files can be read; the first one: {damaged[0]}"
            raise NotFoundError(msg)
        self.left_out = left_out
        return usable

    def _generate_tables(self, images: list[Images]) -> Iterator[tuple[int, pa.Table]]:
        reading, schema = self.config.reading, self._features.arrow_schema
        for number, rows in enumerate(all_rows(images)):
            yield number, self.columns_asked_for(rows.table(reading, schema))

    def _get_examples_iterable_for_split(self, split_generator: datasets.SplitGenerator) -> ShardStream:
        config = self.config
        reader = ShardReader(config.reading, self.folder, config.quarantine, config.shuffle_memory * 2**20)
        return ShardStream(reader, split_generator.gen_kwargs["shards"], self.info.features)
