"""What stood elsewhere in version 0.1 is still found there, and says where it is now."""

import importlib
import pickle
import sys
from pathlib import Path

import pytest

import builders.moved
import perc_transforms as T
import perc_transforms.moved

NAMES = perc_transforms.moved.Moved(perc_transforms.moved.ROOMS | builders.moved.ROOMS).names
ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(("old", "new"), NAMES.items(), ids=NAMES)
def test_an_old_name_is_the_module_as_it_is_now(old, new):
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is {new} now".replace(".", r"\.")):
        found = importlib.import_module(old)
    assert found is importlib.import_module(new)
    assert found.__name__ == found.__spec__.name == new


@pytest.mark.parametrize("old", NAMES)
def test_an_old_name_hides_nothing(old):
    place = ROOT / old.replace(".", "/")
    assert not place.with_suffix(".py").exists()
    assert not place.exists()


def test_transforms_that_were_pickled_by_their_old_places_load():
    transform = T.Compose([T.Normalize(), T.CenterCrop(8), T.RandomFlip()])
    data = pickle.dumps(transform, protocol=0)
    for old, new in (
        (b"perc_transforms.base", b"perc_transforms.core.base"),
        (b"perc_transforms.intensity", b"perc_transforms.intensity.normalization"),
        (b"perc_transforms.cropping", b"perc_transforms.spatial.cropping"),
        (b"perc_transforms.orientation", b"perc_transforms.spatial.orientation"),
    ):
        assert new in data
        sys.modules.pop(old.decode(), None)
        data = data.replace(new, old)
    with pytest.warns(DeprecationWarning, match="now"):
        assert repr(pickle.loads(data)) == repr(transform)


def test_no_other_name_is_found():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("perc_transforms.no_such_module")
    assert sum(isinstance(finder, perc_transforms.moved.Moved) for finder in sys.meta_path) == 2
