"""Where series come from: files matched by their names, or a project of RELION; asked the same questions."""

import contextlib
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from builders.errors import PercError
from builders.io.files.header_store import HeaderStore
from builders.options import with_advice
from builders.stacks.files import SourceFile
from builders.stacks.rows import Images, Reading, look_at_all
from builders.tilt_series.assembling import Series, assembled
from builders.tilt_series.files.listing import Listing
from builders.tilt_series.files.matching import Matching
from builders.tilt_series.files.plans import Matched
from builders.tilt_series.relion import Project

logger = logging.getLogger(__name__)

LeftOut = list[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for of tables.

    Attributes:
        images: `"stack"`, `"tilt"` or `"auto"`.
        skip: whether what is damaged or missing is left out.
        exposure: e/Å² of each image where no table tells it.
        pixel_size: Å, where nothing else tells it.
        negated: whether Warp's tilt angles are minus the stage's.
    """

    images: str
    skip: bool
    exposure: float | None
    pixel_size: float | None
    negated: bool


class Source(Protocol):
    """Series, and the files that their images are in."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    @property
    def version(self) -> str:
        """Changes when any of the files does."""
        ...

    @property
    def files(self) -> Sequence[SourceFile]:
        """The files of images, where they were found."""
        ...

    @property
    def has_stacks(self) -> bool:
        """Whether images are sections of stacks."""
        ...

    def series(
        self, brought: Mapping[str, SourceFile], reading: Reading, store: HeaderStore
    ) -> tuple[list[Series], LeftOut]:
        """The series, and names and reasons of what is not among them.

        Args:
            brought: where files are now, by where they were found; those that are not in it are there still.
            reading: how files become rows.
            store: of headers.

        Raises:
            PercError: something is damaged or missing, and is not to be left out.
        """
        ...


class Files:
    """Series of files that belong together by their names.

    Args:
        name: of the source.
        listing: lists the files.
        asked: what is asked for.
    """

    def __init__(self, name: str, listing: Callable[[], Listing], asked: Asked) -> None:
        self.name, self._list, self._asked = name, listing, asked

    @functools.cached_property
    def _listing(self) -> Listing:
        return self._list()

    @functools.cached_property
    def _matched(self) -> Matched:
        asked = self._asked
        return Matching(self._listing, asked.images, skip=asked.skip, negated=asked.negated).matched()

    @property
    def version(self) -> str:
        """See `Source`."""
        return self._listing.version

    @property
    def files(self) -> Sequence[SourceFile]:
        """See `Source`."""
        return self._matched.files

    @property
    def has_stacks(self) -> bool:
        """See `Source`."""
        return any(plan.is_stack for plan in self._matched.plans)

    def series(
        self, brought: Mapping[str, SourceFile], reading: Reading, store: HeaderStore
    ) -> tuple[list[Series], LeftOut]:
        """See `Source`; the headers of stacks are read, those of single images are not."""
        asked, left_out = self._asked, list(self._matched.left_out)
        stacks = [plan.files[0] for plan in self._matched.plans if plan.is_stack and plan.files[0] is not None]
        where = [brought.get(file.location, file) for file in stacks]
        with contextlib.closing(look_at_all(where, reading, store)) as found:
            looked = dict(zip((file.location for file in stacks), found, strict=True))
        series: list[Series] = []
        for plan in self._matched.plans:
            images: Images | PercError | None = None
            if plan.is_stack and plan.files[0] is not None:
                images = looked[plan.files[0].location]
            how = {"exposure": asked.exposure, "pixel_size": asked.pixel_size}
            try:
                series.append(moved(assembled(plan, images, **how, negated=asked.negated), brought))
            except PercError as err:
                if not asked.skip:
                    raise with_advice(err) from err.__cause__
                logger.warning("tilt_series: leaving out %s", err)
                left_out.append((plan.name, err))
        return series, left_out


class Relion:
    """Series of a project of RELION.

    Args:
        project: its tables.
        asked: what is asked for.
    """

    def __init__(self, project: Project, asked: Asked) -> None:
        self.name, self._project, self._asked = project.name, project, asked

    @property
    def version(self) -> str:
        """See `Source`."""
        return self._project.version

    @property
    def files(self) -> Sequence[SourceFile]:
        """See `Source`."""
        return self._project.images.files

    @property
    def has_stacks(self) -> bool:
        """See `Source`."""
        return self._project.has_sections

    def series(
        self, brought: Mapping[str, SourceFile], reading: Reading, store: HeaderStore
    ) -> tuple[list[Series], LeftOut]:
        """See `Source`; no header is read."""
        found = [moved(one, brought) for one in self._project.series()]
        if self._asked.exposure is not None:
            found = [one.with_exposure(self._asked.exposure) for one in found]
        return [one for one in found if one.tilts], list(self._project.left_out)


def moved(series: Series, brought: Mapping[str, SourceFile]) -> Series:
    """A series whose files are where they were brought to."""
    return replace(series, files=tuple(brought.get(file.location, file) for file in series.files))
