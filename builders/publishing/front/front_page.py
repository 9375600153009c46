"""The front page of a published dataset, and all that it tells: gathered from the dataset and its shards."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import datasets

from builders.publishing.front.provenance import Provenance, check_doi, check_license, provenance_of
from builders.publishing.parts import CARD, MARKER, SHEET, Finished, Marker
from builders.publishing.writing.fitting import Fitting
from builders.publishing.writing.pixels import Pixels
from builders.publishing.writing.schema import Schema
from builders.publishing.writing.source import Source


@dataclass(frozen=True)
class Told:
    """What the publisher says of a dataset; None: as it is known otherwise."""

    title: str | None = None
    license: str | None = None
    doi: str | None = None
    citation: str | None = None

    def __post_init__(self) -> None:
        """Check what can be checked.

        Raises:
            OptionError: the licence or the DOI cannot be one.
        """
        if self.license is not None:
            check_license(self.license)
        if self.doi is not None:
            check_doi(self.doi)


@dataclass(frozen=True)
class Front:
    """What the front page needs to know besides the shards.

    Attributes:
        info: of the dataset.
        transforms: what is done to its rows, first to last, as `repr` shows it.
        told: what the publisher says.
        address: what `load_dataset` will take.
    """

    info: datasets.DatasetInfo
    transforms: Sequence[str]
    told: Told
    address: str

    @classmethod
    def of(
        cls, info: datasets.DatasetInfo, sources: Mapping[str, Source], fitting: Fitting, told: Told, address: str
    ) -> "Front":
        """The front page of a dataset."""
        done = [repr(transform) for source in sources.values() for transform in source.transforms]
        return cls(info, [*dict.fromkeys(done), *([str(fitting)] if fitting else [])], told, address)

    def unfinished(self, marker: Marker, done: int, total: int) -> dict[str, bytes]:
        """The files of a dataset of whose shards so many are there."""
        from builders.publishing.front.card import unfinished_card

        title = self._provenance([], quiet=True).title
        return {
            CARD: unfinished_card(title, done, total).encode(),
            MARKER: _json(marker | {"title": title}),
        }

    def complete(self, marker: Marker, schema: Schema, shards: Sequence[Finished]) -> dict[str, bytes]:
        """The files of a dataset whose shards are all there."""
        from builders.publishing.front.card import complete_card
        from builders.publishing.writing.preview import thumbnail_sheet

        provenance = self._provenance(shards)
        names = list(dict.fromkeys(shard.split for shard in shards))
        of_split = {name: [shard for shard in shards if shard.split == name] for name in names}
        pictures = [picture for shard in shards for picture in shard.thumbnails]
        card = complete_card(
            provenance,
            schema.features,
            {name: (sum(s.rows for s in some), sum(s.data_bytes for s in some)) for name, some in of_split.items()},
            {name: len(some) for name, some in of_split.items()},
            sum(shard.file_bytes for shard in shards),
            address=self.address,
            images=schema.images,
            has_sheet=bool(pictures),
            notes=_notes(schema),
        )
        files = {CARD: card.encode(), MARKER: _json(marker | provenance.as_dict())}
        if pictures:
            captions = [caption for caption, _ in pictures]
            files[SHEET] = thumbnail_sheet([base64.b64decode(data) for _, data in pictures], captions)
        return files

    def _provenance(self, shards: Sequence[Finished], quiet: bool = False) -> Provenance:
        sources: dict[str, dict[str, None]] = {}
        for shard in shards:
            for column, values in shard.sources.items():
                sources.setdefault(column, {}).update(dict.fromkeys(values))
        told = self.told
        return provenance_of(
            self.info,
            {column: list(values) for column, values in sources.items()},
            self.transforms,
            title=told.title,
            license="unknown" if quiet else told.license,
            doi=told.doi,
            citation=told.citation,
        )


def _notes(schema: Schema) -> list[str]:
    """What readers should know of the columns."""
    return [
        f"The images of the column {name} are of different shapes, so they are nested lists, not arrays."
        for name, pixels in schema.pixels.items()
        if isinstance(pixels, Pixels) and pixels.shape is None
    ]


def _json(facts: Any) -> bytes:
    return (json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode()
