"""What is drawn depends on seed, epoch and row, whoever reads it; what was recorded can be replayed."""

import copy
import pickle
import random

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Value, concatenate_datasets
from datasets.fingerprint import Hasher
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import EMImage
from perc_transforms.core import random_draws
from perc_transforms.core.keys import name_of

MAKERS = {
    "AddNoise": lambda **o: T.AddNoise(snr=0.5, **o),
    "AddNoise colour": lambda **o: T.AddNoise(std=2.0, color=(1.0, 0.1), **o),
    "RandomGaussianBlur": lambda **o: T.RandomGaussianBlur((0.5, 3.0), **o),
    "Cutout": lambda **o: T.Cutout(3, 2, **o),
    "RandomShift": lambda **o: T.RandomShift(3.0, **o),
    "RandomRotate": lambda **o: T.RandomRotate(**o),
    "RandomFlip": lambda **o: T.RandomFlip(**o),
    "RandomRotate90": lambda **o: T.RandomRotate90(**o),
    "RandomCrop": lambda **o: T.RandomCrop(9, **o),
    "Pad": lambda **o: T.Pad(16, mode="noise", **o),
}
COUNT = 12
every_class = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def chain(**options):
    """All of them, but Mixup, whose rows are no longer their own."""
    return T.Compose([make(**options) for make in MAKERS.values()])


def image(number, shape=(13, 13)):
    return np.random.default_rng(number).standard_normal(shape).astype(np.float32)


def rows(count=COUNT, shape=(13, 13)):
    return [{"image": image(n, shape), "path": f"stack_{n % 3}.mrcs", "index": n // 3} for n in range(count)]


def batch(of):
    return {name: [row[name] for row in of] for name in of[0]}


def dataset(count=COUNT):
    features = Features({"image": EMImage(), "path": Value("string"), "index": Value("int64")})
    return Dataset.from_dict(batch(rows(count)), features=features)


def images(data):
    """The images of rows, of a batch of them, or bare ones, as one array."""
    if isinstance(data, dict):
        data = data["image"]
    return np.stack([np.asarray(one["image"] if isinstance(one, dict) else one) for one in data])


def same(found, expected):
    np.testing.assert_allclose(images(found), images(expected), atol=2e-5, rtol=2e-5)


def unlike(found, expected):
    """Whether most of the rows differ: of flips and turns, some draws are the same."""
    found, expected = images(found), images(expected)
    alike = sum(np.allclose(one, other, atol=1e-3) for one, other in zip(found, expected, strict=True))
    assert alike <= 2 * len(found) // 3, f"{alike} of {len(found)} rows are the same"


# the same


@every_class
@pytest.mark.parametrize("shape", [(13, 13), (12, 12, 12)], ids=["2-D", "3-D"])
def test_a_row_gets_the_same_in_every_run_and_form(make, shape):
    data = rows(shape=shape)
    expected = [make()(row) for row in data]
    unlike([expected[0]["image"]] * COUNT, [make()({**data[0], "index": n})["image"] for n in range(1, COUNT + 1)])
    again = make()
    again(data[3])
    same([again(row) for row in data], expected)
    same(again(batch(data)), expected)
    stack = torch.from_numpy(images(data))
    same(again({**batch(data), "image": stack, "index": torch.tensor([row["index"] for row in data])}), expected)
    order = np.random.default_rng(0).permutation(COUNT)
    same(again(batch([data[n] for n in order])), [expected[n] for n in order])


@every_class
def test_an_index_may_be_any_number_and_other_columns_do_not_matter(make):
    expected = make()(rows()[5])["image"]
    index = rows()[5]["index"]
    for kind in (float, np.int32, np.float32, np.array, torch.tensor, lambda n: torch.tensor(float(n))):
        row = {**rows()[5], "index": kind(index), "id": "other", "entry": 7}
        np.testing.assert_allclose(make()(row)["image"], expected, atol=1e-6)
    row = {"image": rows()[5]["image"], "id": np.str_("abc")}
    np.testing.assert_allclose(make()(row)["image"], make()({**row, "id": "abc", "path": None, "index": 3})["image"])


@pytest.mark.parametrize("missing", [None, float("nan"), torch.tensor(float("nan"))])
def test_no_index_is_the_same_as_null(missing):
    row = {"image": image(0), "path": "a.mrc"}
    same([T.AddNoise(std=1.0)({**row, "index": missing})], [T.AddNoise(std=1.0)(row)])


def test_names_are_told_apart():
    names = [("a", 1, None), ("a", 11, None), ("a1", 1, None), ("a", None, None), ("a", "1", None), (None, 1, "a"),
             (None, 1, 1), (None, 1, "1"), ("a", 1.5, None)]  # fmt: skip
    assert len({name_of(*name) for name in names}) == len(names)
    assert name_of("a", 1, None) == name_of("a", 1.0, "other")
    assert name_of(None, 2, None) is None


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_a_loader_gives_the_same_whatever_its_workers(workers):
    expected = [chain()(row) for row in rows()]
    ds = dataset().with_transform(chain())
    for size in (1, 5):
        loader = DataLoader(ds, batch_size=size, num_workers=workers, collate_fn=T.collate)
        same(np.concatenate([one["image"] for one in loader]), expected)
        if workers == 4:
            break


def test_workers_that_know_what_they_are_sent_get_the_same_and_are_told_the_epoch():
    transform = T.Compose([T.AddNoise(snr=1.0), T.RandomGaussianBlur((0.5, 2.0))])
    stack = [torch.from_numpy(image(n)) for n in range(4)]
    loader = DataLoader(
        stack, batch_size=2, num_workers=1, collate_fn=transform, multiprocessing_context="forkserver",
        persistent_workers=True,
    )  # fmt: skip
    for epoch in (0, 3):
        transform.set_epoch(epoch)
        same([one for part in loader for one in part], [transform(one) for one in stack])


def test_datasets_and_streams_get_the_same():
    expected = [chain()(row) for row in rows()]
    ds, stream = dataset(), dataset().to_iterable_dataset()
    results = {
        "row by row": [ds.with_transform(chain())[n] for n in range(COUNT)],
        "batch": ds.with_transform(chain())[:],
        "map": list(ds.map(chain())),
        "batched map": list(ds.map(chain(), batched=True, batch_size=5)),
        "torch map": list(ds.with_format("torch").map(chain(), batched=True, batch_size=5)),
        "stream": list(stream.map(chain())),
        "batched stream": list(stream.map(chain(), batched=True, batch_size=5)),
        "torch stream": list(stream.with_format("torch").map(chain(), batched=True, batch_size=5)),
        "shards": list(dataset().to_iterable_dataset(num_shards=3).map(chain(), batched=True, batch_size=2)),
        "selected": [row for n in range(COUNT) for row in [ds.select([n, 0]).with_transform(chain())[0]]],
    }
    for how, found in results.items():
        try:
            same(found, expected)
        except AssertionError as err:
            pytest.fail(f"{how}: {err}")


# another


@every_class
def test_another_seed_epoch_path_index_or_id_draws_another(make):
    first = make()
    data = rows()
    expected = first(batch(data))
    unlike(make(seed=1)(batch(data)), expected)
    unlike(make(seed=-1)(batch(data)), expected)
    unlike(first(batch([{**row, "path": "other"} for row in data])), expected)
    unlike(first(batch([{**row, "index": row["index"] + 100} for row in data])), expected)
    unlike(first(batch([{**row, "path": None, "id": f"x{n}"} for n, row in enumerate(data)])), expected)
    first.set_epoch(1)
    second = first(batch(data))
    unlike(second, expected)
    first.set_epoch(0)
    same(first(batch(data)), expected)
    other = make()
    other.set_epoch(1)
    same(other(batch(data)), second)


@every_class
def test_of_two_of_one_class_each_draws_its_own_whatever_stands_between(make):
    name = type(make()).__name__
    twice = T.Compose([make(record=True), make(record=True)])
    between = T.Compose([T.ToTensor(), make(record=True), torch.clone, T.AddNoise(std=0.0), make(record=True)])
    if name == "AddNoise":
        between = T.Compose([make(record=True), T.MinMax(), T.RandomFlip(), make(record=True)])
    drawn = twice(batch(rows()))["transforms"]
    others = between(batch(rows()))["transforms"]
    alone = make(record=True)(batch(rows()))["transforms"]
    of = [name_ for name_ in drawn[0][0] if name_ in ("seed", "sigma", "corner", "shift", "angle", "flip", "matrix")]
    assert of
    for column in of:
        firsts, seconds = ([records[turn][column] for records in drawn] for turn in (0, 1))
        assert firsts == [records[0][column] for records in alone]
        assert any(one != other for one, other in zip(firsts, seconds, strict=True)) or name in ("RandomCrop", "Pad")
        if name not in ("Pad",):
            assert firsts == [records[0][column] for records in others]
            assert seconds == [records[1][column] for records in others]


# the epoch


def test_the_epoch_reaches_copies_and_persistent_workers():
    transform = chain()
    ds = dataset(6).with_transform(transform)
    copies = [copy.deepcopy(ds), ds.select(range(6)), ds.shuffle(seed=0)]
    loader = DataLoader(ds, batch_size=3, num_workers=2, persistent_workers=True, collate_fn=T.collate)
    seen = []
    for epoch in (0, 1, 0, 2):
        transform.set_epoch(epoch)
        fresh = chain()
        fresh.set_epoch(epoch)
        expected = images([fresh(row) for row in rows(6)])
        same(np.concatenate([one["image"] for one in loader]), expected)
        for one in copies[:2]:
            same(one[:], expected)
        by_name = {(row["path"], row["index"]): pixels for row, pixels in zip(rows(6), expected, strict=True)}
        plain = copies[2].with_format(None)
        same(copies[2][:], [by_name[row["path"], row["index"]] for row in plain])
        seen.append(expected)
    unlike(seen[0], seen[1])
    unlike(seen[0], seen[3])
    same(seen[0], seen[2])
    same(copy.deepcopy(transform)(rows(6)[1])["image"][None], seen[3][1][None])


def test_two_transforms_have_epochs_of_their_own():
    one, other = T.AddNoise(std=1.0), T.AddNoise(std=1.0)
    one.set_epoch(5)
    same([other(rows()[0])], [T.AddNoise(std=1.0)(rows()[0])])
    nested = T.Compose([T.Compose([torch.abs, other])])
    nested.set_epoch(5)
    same([other(rows()[0])], [one(rows()[0])])


def test_where_there_is_no_shared_memory_transforms_can_still_be_made(monkeypatch):
    def fail(tensor):
        raise RuntimeError("unable to open shared memory object </torch_1> in read-write mode: No such file (2)")

    expected = T.AddNoise(std=1.0)
    monkeypatch.setattr(torch.Tensor, "share_memory_", fail)
    alone = T.AddNoise(std=1.0)
    for transform in (expected, alone):
        transform.set_epoch(2)
    same([alone(rows()[0])], [expected(rows()[0])])


@every_class
def test_pickling_keeps_seed_and_epoch(make):
    transform = make(seed=7)
    transform.set_epoch(3)
    again = pickle.loads(pickle.dumps(transform))
    assert repr(again) == repr(transform)
    same(again(batch(rows())), transform(batch(rows())))
    again.set_epoch(4)
    fresh = make(seed=7)
    fresh.set_epoch(3)
    same(transform(batch(rows())), fresh(batch(rows())))


@every_class
def test_fingerprints_of_datasets_know_equal_transforms(make):
    told = make()
    told.set_epoch(1)
    same_as, other = Hasher.hash(make()), {Hasher.hash(make(seed=1)), Hasher.hash(told)}
    used = make()
    used(rows()[0])
    assert same_as == Hasher.hash(used) == Hasher.hash(pickle.loads(pickle.dumps(make())))
    assert len({same_as, *other}) == 3


# records


def recorded_forms(transform, count=5):
    """Rows before, what became of them with their records, as every form of datasets gives them back."""
    data = rows(count)
    ds, stream = dataset(count), dataset(count).to_iterable_dataset()
    mapped = ds.map(transform, batched=True, batch_size=3)
    few = {
        "row": [transform(row) for row in data],
        "batch": transform(batch(data)),
        "torch map batch": mapped.with_format("torch")[:],
    }
    if not isinstance(transform, T.Compose):
        return data, few
    return data, few | {
        "with_transform": ds.with_transform(transform)[:],
        "map": list(mapped),
        "map batch": mapped[:],
        "torch map": list(mapped.with_format("torch")),
        "numpy map": list(mapped.with_format("numpy")),
        "numpy map batch": mapped.with_format("numpy")[:],
        "torch stream": list(stream.with_format("torch").map(transform, batched=True)),
        "loader": next(iter(DataLoader(ds.with_transform(transform), batch_size=count, collate_fn=T.collate))),
        "loader of torch": next(iter(DataLoader(mapped.with_format("torch"), batch_size=count, collate_fn=T.collate))),
    }


@pytest.mark.parametrize("make", [*MAKERS.values(), chain], ids=[*MAKERS, "Compose"])
def test_a_replay_is_the_same_from_every_form_of_the_records(make):
    transform = make(record=True)
    data, forms = recorded_forms(transform)
    other = make(seed=99)
    for how, done in forms.items():
        records = done["transforms"] if isinstance(done, dict) else [row["transforms"] for row in done]
        try:
            by_row = [other.replay(row, params)["image"] for row, params in zip(data, records, strict=True)]
            np.testing.assert_array_equal(images(by_row), images(forms["row"]), err_msg=how)
            same(other.replay(batch(data), records), done)
            same(other.replay([row["image"] for row in data], list(records)), done)
        except (AssertionError, T.TransformError, TypeError, ValueError) as err:
            pytest.fail(f"{how}: {type(err).__name__}: {err}")


def test_records_are_a_list_of_one_dict_a_transform():
    done = chain(record=True)(rows()[0])
    assert [record["transform"] for record in done["transforms"]] == [name.split()[0] for name in MAKERS]
    assert T.AddNoise(std=1.0)(rows()[0]).keys() == rows()[0].keys()
    twice = T.Cutout(2, record=True)(T.AddNoise(std=1.0, record=True)(rows()[0]))
    assert [record["transform"] for record in twice["transforms"]] == ["AddNoise", "Cutout"]
    some = T.Compose([T.AddNoise(std=1.0), T.Cutout(2, record=True)])(batch(rows()))["transforms"]
    assert [[record["transform"] for record in records] for records in some] == [["Cutout"]] * COUNT


def test_mapping_again_adds_to_what_is_recorded():
    mapped = dataset().map(T.AddNoise(std=1.0, record=True), batched=True)
    for form in (None, "torch", "numpy"):
        again = mapped.with_format(form).map(T.Cutout(3, record=True), batched=True).with_format(None)
        assert [record["transform"] for record in again[0]["transforms"]] == ["AddNoise", "Cutout"], form
        one = T.Cutout(3, record=True)(mapped.with_format(form)[0])
        assert [record["transform"] for record in one["transforms"]] == ["AddNoise", "Cutout"], form


def test_a_replayed_row_may_be_recorded_again():
    shift = T.RandomGaussianBlur((1.0, 2.0), record=True)
    done = shift(rows()[0])
    assert shift.replay(rows()[0], done["transforms"])["transforms"] == done["transforms"]
    # a record of one transform, alone, and for a bare image
    expected = done["image"][None]
    same(T.RandomGaussianBlur((5.0, 6.0)).replay(rows()[0], done["transforms"][0])["image"][None], expected)
    same(shift.replay({**rows()[0]}, {"sigma": done["transforms"][0]["sigma"]})["image"][None], expected)
    quiet = T.RandomGaussianBlur((5.0, 6.0))
    same(quiet.replay(rows()[0]["image"], done["transforms"])[None], expected)


@pytest.mark.parametrize(
    ("replay", "complaint"),
    [
        (lambda row, done: T.Cutout(2).replay(row, done), "Cutout: nothing to replay"),
        (lambda row, done: T.RandomShift(1).replay(row, {"shift": None}), "RandomShift: no 'shift' among"),
        (lambda row, done: T.AddNoise(std=1.0).replay(row, []), "AddNoise: nothing to replay"),
        (lambda row, done: T.Compose([T.AddNoise(std=1)] * 2).replay(row, done), "AddNoise: nothing to replay"),
        (lambda row, done: T.AddNoise(std=1.0).replay(batch([row] * 2), [done] * 3), "3 rows for 2.*collate"),
        (lambda row, done: T.AddNoise(std=1.0).replay(row, None), "AddNoise: .*None"),
        (lambda row, done: T.AddNoise(std=1.0).replay(batch([row] * 2), [done, None]), "AddNoise: .*None"),
        (lambda row, done: T.AddNoise(std=1.0).replay(row, [{"transform": "AddNoise"}]), "AddNoise.*seed"),
    ],
)
def test_what_cannot_be_replayed_is_told(replay, complaint):
    row = rows()[0]
    done = T.AddNoise(std=1.0, record=True)(row)["transforms"]
    with pytest.raises(T.TransformError, match=complaint) as caught:
        replay(row, done)
    assert "expected" in str(caught.value)


def test_bare_images_have_no_column_to_record_in():
    for bare in (torch.rand(4, 4), [torch.rand(4, 4)], np.ones((2, 4, 4))):
        with pytest.raises(
            T.TransformError, match=r"AddNoise: record=True for a (tensor|list) of images: expected a row"
        ):
            T.AddNoise(std=1.0, record=True)(bare)


# images without a name


@every_class
def test_bare_images_are_known_by_their_pixels(make):
    stack = torch.from_numpy(images(rows()))
    expected = [make()(one) for one in stack]
    same(make()(list(stack)), expected)
    same(make(spatial_dims=2)(stack), expected)
    same(make(spatial_dims=2)(stack.reshape(3, 4, 13, 13)).flatten(0, 1), expected)
    same(make()({"image": list(stack)}), expected)
    same([make()({"image": one, "label": 3}) for one in stack], expected)
    same(make()([one.double() for one in stack]), expected) if "noise" not in repr(make()).lower() else None
    equal = torch.from_numpy(image(0)).expand(COUNT, 13, 13)
    first = make(spatial_dims=2)(equal)
    same(first[:1], [expected[0]])
    unlike(first, first[[0] * COUNT])
    same(make()(list(equal)), first)


# nothing else


def test_a_callable_may_change_how_many_bare_images_there_are():
    chain = T.Compose([lambda stack: stack[:2], T.RandomFlip()], spatial_dims=2)
    assert chain(torch.rand(3, 5, 5)).shape == (2, 5, 5)


def test_no_state_of_others_is_read_or_touched():
    transform = T.Compose([*chain(record=True).transforms, T.Mixup(0.5, record=True)])
    states = lambda: (random.getstate(), np.random.get_state(), torch.get_rng_state())  # noqa: E731
    before = states()
    first = transform(batch(rows()))
    after = states()
    assert before[0] == after[0]
    assert all(np.array_equal(one, other) for one, other in zip(before[1], after[1], strict=True))
    assert torch.equal(before[2], after[2])
    with torch.random.fork_rng():
        torch.manual_seed(5)
        state = np.random.get_state()
        np.random.seed(6)
        random.seed(7)
        same(transform(batch(rows())), first)
        np.random.set_state(state)
        random.setstate(before[0])


def test_noise_is_each_seeds_own_whatever_stands_beside_it():
    like = torch.zeros(3, 4, 33)
    made = random_draws.noise([5, 2**62 - 1, 5], like)
    assert torch.equal(made[0], made[2])
    assert not torch.equal(made[0], made[1])
    assert torch.equal(random_draws.noise([2**62 - 1], like[:1])[0], made[1])
    assert random_draws.noise([1], like[:1].double()).dtype == torch.float64


def test_seeds_spread():
    seeds = {random_draws.draw_seed(np.random.default_rng(n)) for n in range(100)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("seed", ["1", 1.0, None])
def test_a_seed_is_an_integer(seed):
    with pytest.raises(T.TransformError, match=f"Cutout: seed is {seed!r}: expected an integer"):
        T.Cutout(2, seed=seed)


def test_a_compose_records_for_all_of_its_own():
    chain = T.Compose([T.RandomShift(2.0), T.Normalize(), T.Compose([T.RandomRotate()])], record=True)
    row = {"image": np.random.default_rng(0).standard_normal((9, 9)), "path": "a.mrcs", "index": 1}
    done = chain(row)
    assert [record["transform"] for record in done["transforms"]] == ["RandomShift", "RandomRotate"]
    assert torch.equal(chain.replay(row, done["transforms"])["image"], done["image"])
    assert repr(chain).endswith(", record=True)")
    plain = T.Compose(chain.transforms)(row)
    assert torch.equal(plain["image"], done["image"])
    assert "transforms" not in plain


def test_copies_of_rows_are_told_apart_by_an_index_or_an_id():
    paths, image = ["a.mrc", "b.mrc"], np.ones((4, 4), np.float32)
    ds = Dataset.from_dict({"image": [image, image], "path": paths}).with_format("numpy")
    copies, numbers = concatenate_datasets([ds] * 3), list(range(6))
    indexed, named = copies.add_column("index", numbers), copies.remove_columns("path").add_column("id", numbers)
    for rows, count in ((copies, 2), (indexed, 6), (named, 6)):
        drawn = rows.with_transform(T.AddNoise(std=1.0))[:]["image"]
        assert len({image.numpy().tobytes() for image in drawn}) == count
