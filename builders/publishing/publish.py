"""`publish`: any dataset as a dataset repository, which anyone loads with plain `datasets`."""

import functools
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xxhash

from builders.errors import NotEmptyError, NotFoundError, OptionError
from builders.options import check_bytes, check_choice, check_flag, check_integer
from builders.publishing.form import form_of, wider
from builders.publishing.front.front_page import Front, Told
from builders.publishing.parts import Finished, Target, Task
from builders.publishing.targets import address_of, target_of
from builders.publishing.writing import encoding
from builders.publishing.writing.fitting import Fitting, Size
from builders.publishing.writing.job import MARGIN, VERSION, Job
from builders.publishing.writing.pixels import LAYOUTS, is_bytes
from builders.publishing.writing.rows import WiderError, table_of
from builders.publishing.writing.schema import Row, Schema, schema_of
from builders.publishing.writing.shard import part_name
from builders.publishing.writing.source import Publishable, Source, expect_rereads, source_of, splits_of

logger = logging.getLogger(__name__)

Runner = Callable[[Callable[[Task], list[Finished]], Sequence[Task]], Iterator[Finished]]


@dataclass(frozen=True, slots=True)
class Published:
    """What was published.

    Attributes:
        where: the folder, or the repository's address.
        rows: number of rows, by split.
        shards: number of Parquet files.
        file_bytes: size of these files.
        data_bytes: size of the rows in memory.
    """

    where: str
    rows: Mapping[str, int]
    shards: int
    file_bytes: int
    data_bytes: int


def publish(
    dataset: Publishable,
    to: str | os.PathLike[str],
    *,
    title: str | None = None,
    license: str | None = None,
    doi: str | None = None,
    citation: str | None = None,
    crop: Size | None = None,
    pad: Size | None = None,
    layout: str = LAYOUTS[0],
    preview: bool = False,
    max_shard_size: int | str = "500MB",
    num_proc: int | None = None,
    dask: str | None = None,
    private: bool = False,
    token: str | None = None,
    overwrite: bool = False,
    work_dir: str | os.PathLike[str] | None = None,
) -> Published:
    """Publish a dataset as Parquet files with a card, loadable with plain `datasets`, streaming or not.

    Rows are published as they are read: transforms of `with_transform` and `map` are applied. Images become
    `Array2D` or `Array3D` where their shapes agree, else nested lists; or bytes, which are read many times as fast.
    A run that was interrupted goes on when it is started again: shards that are whole are kept. Nothing can be loaded
    before everything is there.

    Args:
        dataset: map-style or a stream, or a dict of them by split. One alone keeps the name of its split.
        to: a folder, or `"hf://datasets/OWNER/NAME"`, with `@REVISION` for a branch.
        title: of the dataset, for its card. Default: that of the entry, or the name of the builder.
        license: an identifier of the Hub, such as `"cc0-1.0"`. Default: that of the archive.
        doi: of the data. Default: that of the entry.
        citation: the paper to cite. Default: that of the entry.
        crop: cut every `image` about its centre, to so many pixels; a number or one for each axis.
        pad: the same, to pad images that are smaller, with their mean.
        layout: of images: `"lists"`, or `"bytes"`: records of `bytes`, `shape` and `dtype`, each image of its own shape
            and type, complex ones as well. Columns of standard features stay as they are.
        preview: add a column `preview` of 8-bit pictures, for the viewer of the Hub.
        max_shard_size: bytes of a file at the most, as a number or as `"500MB"`; a single row may take more.
        num_proc: processes that write shards. The result does not depend on it.
        dask: address of a scheduler, such as `"tcp://10.0.0.1:8786"`, whose workers write the shards.
        private: make a new repository on the Hub private.
        token: for the Hub. Default: that of `hf auth login`, or `HF_TOKEN`.
        overwrite: replace another dataset that was published there, or publish among other files.
        work_dir: where shards lie until they are on the Hub; with `dask`, a folder that all workers share.

    Raises:
        OptionError: an option cannot be, or the dataset has no rows.
        MixedError: rows differ in more than their images' shapes and types.
        NotEmptyError: something else is there, and `overwrite` is False.
        AccessError: no token, or no right to write.
        DiskFullError: there is no room; run it again when there is.
        NotFoundError: workers of a cluster wrote to disks of their own.

    Example:
        >>> import numpy as np
        >>> from datasets import Dataset, Features
        >>> from builders import EMImage
        >>> images = {"image": [np.eye(4, dtype=np.float32)] * 3}
        >>> ds = Dataset.from_dict(images, features=Features({"image": EMImage()}))
        >>> publish(ds, "published", license="cc-by-4.0").rows
        {'train': 3}
    """
    check_choice("layout", layout, LAYOUTS)
    check_flag("preview", preview)
    check_flag("overwrite", overwrite)
    check_flag("private", private)
    if num_proc is not None:
        check_integer("num_proc", num_proc, 1)
    most = check_bytes("max_shard_size", max_shard_size)
    runner = _runner(num_proc, dask)
    told, address = Told(title, license, doi, citation), address_of(to)
    splits = splits_of(dataset)
    sources = {split: source_of(rows) for split, rows in splits.items()}
    for source in sources.values():
        expect_rereads(source)
    fitting = Fitting(crop, pad)
    front = Front.of(next(iter(splits.values())).info, sources, fitting, told, address)
    with target_of(to, private=private, token=token, work_dir=work_dir, shared=dask is not None) as target:
        marker, there = target.open(overwrite)
        said = [(split, source.identity(0)) for split, source in sources.items()]
        options = fitting, preview, most, *([] if layout == LAYOUTS[0] else [layout])  # as before there were layouts
        name = xxhash.xxh3_128_hexdigest(repr((VERSION, encoding.VERSION, said, *options)).encode())
        if marker is not None and marker["dataset"] != name and not overwrite:
            msg = f"{target.where} holds another dataset ({marker.get('title')!r}), or this one made with other options"
            msg += " or from files that have changed since: overwrite=True (--overwrite) replaces it"
            raise NotEmptyError(msg)
        samples = {split: _sample(source, split, fitting) for split, source in sources.items()}
        before = marker if marker and marker["dataset"] == name else None
        schema = form_of(samples, sources, functools.partial(schema_of, preview=preview, layout=layout), before)
        publication = _Publication(target, front, name, there)
        while True:
            job = _job(sources, samples, schema, most, fitting, target)
            try:
                return publication.run(job, runner)
            except WiderError as err:
                schema = wider(schema, str(err))


class _Publication:
    """One dataset on its way to a target."""

    def __init__(self, target: Target, front: Front, name: str, there: dict[str, Finished]) -> None:
        self._target, self._front, self._name, self._there = target, front, name, there

    def run(self, job: Job, runner: Runner) -> Published:
        """Write the shards that are not there, then the front page.

        Raises:
            WiderError: the schema has to be widened.
        """
        tasks = job.tasks()
        shards = {task: self._found(task) for task in tasks}
        missing = [task for task in tasks if not shards[task]]
        done = [shard for found in shards.values() for shard in found]
        marker = {"format": 1, "dataset": self._name, "complete": False, "schema": job.schema.as_json()}
        self._target.begin(self._front.unfinished(marker, len(tasks) - len(missing), len(tasks)))
        for shard in runner(job.write, missing):
            _require_here(job, shard)
            self._target.add(shard)
            done.append(shard)
            self._there[shard.name] = shard
        done.sort(key=lambda shard: shard.name)
        rows = {split: sum(shard.rows for shard in done if shard.split == split) for split in job.sources}
        for split, count in rows.items():
            if not count:
                raise _no_rows(split)
        files = self._front.complete(marker | {"complete": True}, job.schema, done)
        self._target.finish(files, {shard.name for shard in done})
        sizes = sum(shard.file_bytes for shard in done), sum(shard.data_bytes for shard in done)
        return Published(self._target.where, rows, len(done), *sizes)

    def _found(self, task: Task) -> list[Finished]:
        """The shards of a task, if all of them are there."""
        found: list[Finished] = []
        while not found or not found[-1].last:
            shard = self._there.get(part_name(task, len(found)))
            if shard is None or shard.recipe != task.recipe:
                return []
            found.append(shard)
        return found


def _require_here(job: Job, shard: Finished) -> None:
    """Refuse a shard that was written where this process cannot see it."""
    if not (job.work / shard.name).is_file():
        msg = f"{shard.name} was written, but is not in {job.work}: the folder, or work_dir= (--work-dir), must be on"
        msg += " a disk that all workers share"
        raise NotFoundError(msg)


def _runner(num_proc: int | None, dask: str | None) -> Runner:
    if dask is None:
        from builders.publishing.running import run

        return lambda write, tasks: run(write, tasks, num_proc)
    if num_proc is not None:
        msg = f"num_proc={num_proc} is of this machine, dask={dask!r} of a cluster: give one of them"
        raise OptionError(msg)
    from builders.publishing.cluster import run_on_cluster

    return lambda write, tasks: run_on_cluster(write, tasks, dask)


def _sample(source: Source, split: str, fitting: Fitting) -> list[Row]:
    rows = [fitting(row) if fitting else row for row in source.sample()]
    if not rows:
        raise _no_rows(split)
    return rows


def _no_rows(split: str) -> OptionError:
    return OptionError(f"the split {split!r} has no rows: there is nothing to publish")


def _job(
    sources: Mapping[str, Source],
    samples: Mapping[str, Sequence[Row]],
    schema: Schema,
    most: int,
    fitting: Fitting,
    target: Target,
) -> Job:
    """The dataset, divided into tasks by the size of the rows that were looked at."""
    sizes = {split: max(1.0, MARGIN * table_of(rows, schema).nbytes / len(rows)) for split, rows in samples.items()}
    divided = {split: source.divided(sizes[split], most) for split, source in sources.items()}
    as_bytes = any(map(is_bytes, schema.features.values()))
    group = encoding.rows_per_group(int(np.max(list(sizes.values()))), as_bytes)
    return Job(divided, schema, max(1, min(group, most // int(max(sizes.values())) or 1)), most, fitting, target.work)
