"""Structures, whose rows are tables already, published as they are."""

import datasets
import pytest

from builders import load_dataset, publish
from builders.errors import OptionError
from tests.publishing.datasets_made import contents
from tests.structures.databases.served import serve_databases, standard

IDS = ["4hhb", "1q6h"]


@pytest.fixture
def endpoints():
    with serve_databases() as databases:
        standard(databases)
        yield databases.endpoints


@pytest.mark.parametrize("streaming", [False, True])
def test_structures_are_read_back_row_for_row(streaming, endpoints, tmp_path):
    options = {"ids": IDS, "remove": ["water"], "endpoints": endpoints, "split": "train"}
    source = load_dataset("structures", streaming=streaming, cache_dir=str(tmp_path / "made"), **options)
    publish(source, tmp_path / "out", max_shard_size=100_000, num_proc=2)
    assert len(contents(tmp_path / "out")) == 2
    for again in (False, True):
        found = datasets.load_dataset(
            str(tmp_path / "out"), split="train", streaming=again, cache_dir=None if again else str(tmp_path / "cache")
        )
        assert found.features == source.features
        assert list(found) == list(source)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "10.2210/pdb4hhb/pdb" in card
    assert "cc0-1.0" in card


def test_there_is_nothing_to_make_pictures_of(endpoints, tmp_path):
    source = load_dataset("structures", ids=IDS[:1], endpoints=endpoints, split="train", streaming=True)
    with pytest.raises(OptionError, match="no column of images"):
        publish(source, tmp_path / "out", preview=True)
    with pytest.raises(OptionError, match="'image'"):
        publish(source, tmp_path / "out", crop=8)
