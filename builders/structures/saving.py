"""Structures as files: what they are called, where they lie, and how they are written."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from builders.errors import FormatError, NotEmptyError
from builders.io.files.cache import default_folder
from builders.io.files.whole_file import write_whole
from builders.structures.cleaning.clean import cleaned_name
from builders.structures.cleaning.writing import write
from builders.structures.databases.ids import Id
from builders.structures.databases.resolve import Found, Wish, find, foresee
from builders.structures.databases.services import read_bytes
from builders.structures.databases.sources import sources
from builders.structures.reading import content
from builders.structures.treatment import Treated, Treatment, treat
from builders.structures.uniprot.entries import Peptide

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A structure's file.

    Attributes:
        id: what was asked for, as its database spells it.
        path: the file.
        source: the database that it is from.
        entry_id: the entry.
        format: `cif` or `pdb`.
        coverage: fraction of the UniProt sequence that the entry covers, when it was asked for by accession.
        resolution: Å, as far as the database told it when it was asked by accession.
    """

    id: str
    path: Path
    source: str
    entry_id: str
    format: str
    coverage: float | None = None
    resolution: float | None = None


@dataclass(frozen=True, slots=True)
class Saving:
    """Brings, cleans and saves structures.

    Args:
        wish: where to look for them.
        remove: what is taken away of them.
        folder: where to save them; None: a folder of the cache.
        overwrite: replace files of their names that hold something else.
    """

    wish: Wish
    remove: tuple[str, ...]
    folder: Path | None
    overwrite: bool = False

    def save(self, id: Id) -> Fetched:
        """The file of one id.

        Raises:
            NotEmptyError: another file has its name.
            PercError: as `find` and `treat`, or the disk fails.
        """
        found, path = find(id, self.wish)
        candidate = found.candidate
        if self.remove:
            treated = treat(found, path, Treatment(self.remove), self.wish.services)
            data, peptides = content_of(treated, found), named_peptides(treated)
        else:
            data, peptides = self._plain(found, path), []
        target = self._folder(found) / cleaned_name(stem_of(found), self.remove, peptides, found.format)
        return Fetched(
            found.id,
            save_file(target, data, overwrite=self.overwrite or self.folder is None),
            candidate.source,
            candidate.entry_id,
            found.format,
            candidate.coverage,
            candidate.resolution,
        )

    def foresee(self, id: Id) -> tuple[Fetched, str]:
        """What `save` would bring, and from where; which signal peptides its name will tell is not known before.

        Raises:
            PercError: as `find`.
        """
        found = foresee(id, self.wish)
        candidate = found.candidate
        target = self._folder(found) / cleaned_name(stem_of(found), self.remove, [], found.format)
        fetched = Fetched(found.id, target, candidate.source, candidate.entry_id, found.format)
        return fetched, found.place

    def _plain(self, found: Found, path: Path) -> bytes:
        try:
            return content.plain(read_bytes(path, found.name), found.name)
        except FormatError:
            self.wish.services.drop(found.place)  # it was whole when it came
            raise

    def _folder(self, found: Found) -> Path:
        if self.folder is not None:
            return self.folder
        digest = hashlib.sha256(found.place.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        folder = self.wish.services.folder
        return (default_folder() if folder is None else Path(folder)) / "structures" / digest


def save_file(target: Path, data: bytes, *, overwrite: bool) -> Path:
    """Write a file; one that holds the same already is left alone, as its folder may be one that nobody can write.

    Raises:
        NotEmptyError: another file has its name, and is not to be replaced.
        PercError: the disk fails.
    """
    if target.is_file() and target.stat().st_size == len(data) and read_bytes(target, str(target)) == data:
        return target
    if target.exists() and not overwrite:
        msg = (
            f"{target}: something else is there, which was not replaced: expected the same {len(data)} bytes or"
            " nothing: move it, name another save_dir, or allow it (overwrite=True, --overwrite)"
        )
        raise NotEmptyError(msg)
    return write_whole(target, data)


def stem_of(found: Found) -> str:
    """What a file is called: by the id, and by the entry where that is another one; in small letters."""
    entry = found.candidate.entry_id
    parts = [found.id] if found.id.lower() == entry.lower() else [found.id, entry]
    lower = "_".join(parts).lower()
    source = sources()[found.candidate.source]
    stem = lower if source.claim(entry.lower()) == entry else "_".join(parts)
    if not _NAME.fullmatch(stem):
        msg = f"{found.id}: {found.candidate.source} calls its entry {entry[:100]!r}: no name for a file"
        raise FormatError(msg)
    return stem


def named_peptides(treated: Treated) -> list[Peptide]:
    """The signal peptides that a file's name tells: of the protein that was asked for, or else of its chains."""
    if treated.accession is not None and treated.peptides.get(treated.accession):
        return treated.peptides[treated.accession]
    found = {peptide for cut in treated.cuts or [] for peptide in cut.peptides}
    return sorted(found, key=lambda peptide: (peptide.start, peptide.end))


def content_of(treated: Treated, found: Found) -> bytes:
    """The bytes of what is left: the file's own where all is left."""
    if not treated.is_changed:
        return content.plain(treated.data, found.name)
    return write(treated.loaded, found.format)
