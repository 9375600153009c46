"""What the parts of publishing tell each other: tasks to do, shards that are finished, and where they go."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Task:
    """One shard that is to be written, by whichever process.

    Attributes:
        name: its path in the repository, `/`-separated: `data/train-00000-of-00012.parquet`.
        split: whose rows it holds.
        part: its number among the split's shards, from 0.
        recipe: digest of all that decides its bytes: the rows, what is done to them, and how they are written.
        thumbnails: of how many of its rows a small picture is kept for the repository's front page.
    """

    name: str
    split: str
    part: int
    recipe: str
    thumbnails: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """A shard that is there whole.

    Attributes:
        name: its path in the repository, `/`-separated.
        split: whose rows it holds.
        recipe: of the task that made it; one task may make several shards.
        rows: how many rows it holds.
        file_bytes: size of the file.
        data_bytes: size of its rows in memory, as Arrow.
        sources: columns that say where rows are from, and the distinct values seen: `{"entry": ["EMPIAR-10943"]}`.
        thumbnails: pictures of some of its rows: a caption, and a PNG in base64.
        last: no other shard of the task comes after it.
    """

    name: str
    split: str
    recipe: str
    rows: int
    file_bytes: int
    data_bytes: int
    sources: Mapping[str, list[str]] = field(default_factory=dict)
    thumbnails: tuple[tuple[str, str], ...] = ()
    last: bool = True

    def as_json(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "Finished":
        """Back from JSON.

        Raises:
            ValueError: it is none of a shard.
        """
        try:
            facts = json.loads(text)
            pictures = tuple((caption, picture) for caption, picture in facts["thumbnails"])
            return cls(**facts | {"thumbnails": pictures})
        except (TypeError, KeyError) as err:
            msg = f"{text[:80]!r}: expected the facts of a shard"
            raise ValueError(msg) from err


Marker = dict[str, Any]
"""What `provenance.json` holds, as JSON: whose dataset this is, whether it is complete, and what it was made from."""

MARKER = "provenance.json"
"""The file that says that a repository is one of ours."""
CARD = "README.md"
SHEET = "thumbnails.png"


class Target(Protocol):
    """A dataset repository that is written to: a folder, or one on the Hub.

    The calls come in the order `open`, `begin`, any number of `add` (and `begin` again, should what is published
    need another form), `finish`. A run that was killed is followed by another that begins with `open`.
    """

    where: str
    """Its name in messages."""
    work: Path
    """The folder that shards are written to, each to `work / name`."""

    def open(self, overwrite: bool) -> tuple[Marker | None, dict[str, Finished]]:
        """See what is there, and that it may be written to; the repository is made where there is none.

        Returns:
            The marker of an earlier run, or None, and the shards that are there whole, by name.

        Raises:
            AccessError: no token, or no right to write.
            NotEmptyError: there are files that publishing did not make, and `overwrite` is False.
        """
        ...

    def begin(self, files: Mapping[str, bytes]) -> None:
        """Write the card and the marker of a dataset that is not complete, before any shard of it."""
        ...

    def add(self, shard: Finished) -> None:
        """Take a finished shard from `work`; it may be bundled with later ones."""
        ...

    def finish(self, files: Mapping[str, bytes], keep: Collection[str]) -> None:
        """Write the card of the complete dataset, last of all, and remove shards that are not in `keep`."""
        ...
