"""Augmentation that stands still is noticed; and trainers, who have other names for it, tell the epoch."""

import copy
import pickle
from multiprocessing import context
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import perc_transforms as T
from perc_transforms.core.epochs import Epoch, expect_rereads


class Rows(torch.utils.data.Dataset):
    def __init__(self, transform, count=20):
        self.transform, self.count = transform, count

    def __len__(self):
        return self.count

    def __getitem__(self, place):
        return self.transform({"image": torch.eye(4), "path": f"{place}.mrc"})


def chain():
    return T.Compose([T.RandomShift(1.0), T.Normalize(), T.Compose([T.RandomFlip(), T.AddNoise(std=1.0)])])


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if "set_epoch" in record.getMessage()]


@pytest.mark.parametrize("count", [2, 7, 20, 100])
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_second_pass_without_an_epoch_warns_once(caplog, count, shuffle):
    loader = DataLoader(Rows(chain(), count), batch_size=4, shuffle=shuffle)
    list(loader)
    assert warnings(caplog) == []
    for _ in range(3):
        list(loader)
    (message,) = warnings(caplog)
    assert "RandomShift" in message
    assert "EpochCallback" in message


def test_batches_and_images_without_names_are_known_again(caplog):
    batch = {"image": torch.rand(6, 4, 4), "path": [f"{place}.mrc" for place in range(6)]}
    nameless = torch.rand(6, 4, 4)
    for data, transform in ((batch, T.RandomFlip()), (nameless, T.RandomFlip(spatial_dims=2))):
        transform(data)
        assert warnings(caplog) == []
        transform(data)
        assert len(warnings(caplog)) == 1
        caplog.clear()


def test_no_alarm(caplog):
    told, moving, looked_at, replayed = chain(), chain(), chain(), chain()
    told.set_epoch(0)  # whoever says that it is the first one again means it
    for epoch in range(3):
        moving.set_epoch(epoch)
        list(DataLoader(Rows(told)))
        list(DataLoader(Rows(moving)))
    for _ in range(5):
        Rows(looked_at)[3]
    twice = T.Compose([flip := T.RandomFlip(), flip])  # one transform, two turns
    list(DataLoader(Rows(twice)))
    record = {"image": torch.eye(4), "path": "a.mrc", "index": 0}
    done = T.Compose(replayed.transforms, record=True)(record)
    for _ in range(3):
        replayed.replay(record, done["transforms"])
    expect_rereads(known := chain())
    list(DataLoader(Rows(known)))
    list(DataLoader(Rows(known)))
    assert warnings(caplog) == []


def test_workers_that_are_started_anew_for_each_pass_notice_it_too():
    transform = T.RandomFlip()
    loader = DataLoader(Rows(transform, 8), batch_size=2, num_workers=2, multiprocessing_context="fork")
    asked = []
    for _ in range(2):
        list(loader)
        asked.append(int(transform._epoch._watch[0]))  # told in a worker, whose log is not this one
    assert asked == [0, 1]


def test_workers_that_are_spawned_get_what_was_watched(monkeypatch):
    epoch = Epoch()
    assert "_watch" not in epoch.__getstate__()
    monkeypatch.setattr(context, "get_spawning_popen", lambda: "a process that is being started")
    assert epoch.__getstate__()["_watch"] is epoch._watch


def test_what_was_watched_is_no_part_of_a_transform():
    transform = T.RandomFlip()
    before = pickle.dumps(transform)
    list(DataLoader(Rows(transform)))
    assert pickle.dumps(transform) == before
    assert copy.deepcopy(transform)._epoch is transform._epoch


def test_rows_are_remembered_in_bounded_memory():
    epoch = Epoch()
    size = epoch._watch.nbytes
    assert not epoch.comes_again([str(number).encode() for number in range(10_000)])
    assert epoch._watch.nbytes == size < 2000
    assert epoch.comes_again([str(number).encode() for number in range(8)])
    assert not epoch.comes_again([str(number).encode() for number in range(8)])


@pytest.mark.parametrize(
    "epoch", [3, 3.0, np.int64(3), np.uint8(3), np.float32(3), torch.tensor(3), np.array(3), 0, 2**40]
)
def test_an_epoch_is_a_whole_number_of_any_library(epoch):
    augment = T.Compose([flip := T.RandomFlip(), T.Normalize()])
    for target in (flip, augment, T.EpochCallback(augment)):
        flip.set_epoch(0)
        target.set_epoch(epoch)
        assert flip._epoch.get() == int(epoch)


NO_EPOCHS = [
    -1,
    -1.0,
    1.5,
    None,
    "1",
    True,
    np.bool_(True),
    torch.tensor(True),
    torch.tensor([1, 2]),
    float("nan"),
    2**63,
    [1],
]


@pytest.mark.parametrize("epoch", NO_EPOCHS, ids=repr)
def test_what_is_no_epoch_is_told_and_changes_nothing(epoch):
    augment, plain = T.Compose([flip := T.RandomFlip()]), T.Compose([T.Normalize()])
    augment.set_epoch(5)
    for target in (flip, augment, plain, T.EpochCallback(augment)):
        with pytest.raises(T.TransformError, match=r"the epoch is .*: expected an integer") as told:
            target.set_epoch(epoch)
        assert isinstance(told.value, ValueError)
        assert isinstance(told.value, TypeError)
    assert flip._epoch.get() == 5


class Told:
    def __init__(self):
        self.epochs = []

    def set_epoch(self, epoch):
        self.epochs.append(epoch)


@pytest.mark.parametrize("progress", [[None, 1.0, 2.0], [0, 0.99999, 2.0], [0.0, 1.25, 2]])
def test_a_trainer_of_transformers_tells_its_epoch(progress):
    callback = T.EpochCallback(told := Told(), other := Told())
    for epoch in progress:
        callback.on_epoch_begin(None, SimpleNamespace(epoch=epoch), None, model=None)
        callback.on_step_end(None, None, None, model=None)
    assert told.epochs == other.epochs == [0, 1, 2]


def test_a_trainer_of_lightning_tells_its_epoch():
    callback = T.EpochCallback(told := Told())
    callback.setup(None, None, stage="fit")
    callback.on_train_start(SimpleNamespace(current_epoch=3), None)
    for epoch in (3, 4):
        callback.on_train_epoch_start(SimpleNamespace(current_epoch=epoch), None)
        callback.on_train_batch_end(None, None, None, None, 0)
    assert told.epochs == [3, 3, 4]
    assert callback.state_dict() is None
    assert isinstance(callback.state_key, str)


def test_a_callback_moves_what_it_was_given():
    stack, augment = torch.rand(3, 8, 8), T.Compose([T.RandomFlip(), T.AddNoise(std=1.0)], spatial_dims=2)
    callback = pickle.loads(pickle.dumps(T.EpochCallback(augment)))
    (augment,) = callback.targets
    first = augment(stack)
    callback.set_epoch(1)
    assert not torch.equal(augment(stack), first)
    with pytest.raises(T.TransformError, match="Normalize has no set_epoch"):
        T.EpochCallback(T.Normalize())
    with pytest.raises(T.TransformError, match="nothing to tell the epoch to: expected transforms"):
        T.EpochCallback()
    assert not hasattr(callback, "callbacks")
