"""Mixup: images and labels of a batch mixed alike."""

import logging
import math

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, default_collate

import perc_transforms as T
from builders import EMImage
from perc_transforms.intensity import mixing


@pytest.fixture(autouse=True)
def _said_once_again(monkeypatch):
    monkeypatch.setattr(mixing, "_warned", False)


def images(count, *shape, dtype=torch.float64):
    return torch.randn(count, *shape, dtype=dtype, generator=torch.Generator().manual_seed(3))


def batch(count=6, shape=(4, 5), **columns):
    return {"image": images(count, *shape), "path": ["a.mrcs"] * count, "index": list(range(count)), **columns}


def drawn(records):
    return [r["lam"] for [r] in records], [r["partner"] for [r] in records]


def one_hot(labels, classes):
    return np.eye(classes)[np.asarray(labels)]


@settings(max_examples=25)
@given(
    st.lists(st.integers(1, 20), min_size=2, max_size=3),
    st.integers(1, 9),
    st.floats(0.05, 20),
    st.integers(0, 99),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_images_and_labels_are_mixed_as_recorded(shape, count, alpha, seed, dtype):
    labels = [place % 4 for place in range(count)]
    rows = batch(count, shape, label=labels)
    rows["image"] = rows["image"].to(dtype)
    before = rows["image"].clone()
    done = T.Mixup(alpha, num_classes=5, seed=seed, record=True)(rows)
    lam, partner = (np.array(values) for values in drawn(done["transforms"]))
    assert ((lam >= 0) & (lam <= 1)).all()
    assert set(partner.tolist()) <= set(range(count))
    weights = lam.reshape(-1, *[1] * len(shape))
    x = before.numpy()
    np.testing.assert_allclose(done["image"], weights * x + (1 - weights) * x[partner], rtol=1e-4, atol=1e-5)
    assert done["image"].dtype == dtype
    soft = one_hot(labels, 5)
    np.testing.assert_allclose(done["label"], lam[:, None] * soft + (1 - lam[:, None]) * soft[partner], atol=1e-6)
    assert torch.equal(rows["image"], before)
    assert rows["label"] == labels
    assert done["path"] == rows["path"]


def test_lam_is_beta_and_partners_are_uniform():
    count = 3000
    rows = {"image": torch.zeros(count, 1, 1), "id": list(range(count))}
    for alpha in (0.2, 1.0, 4.0):
        lam, partner = (np.array(values) for values in drawn(T.Mixup(alpha, record=True)(rows)["transforms"]))
        assert lam.mean() == pytest.approx(0.5, abs=4 * lam.std() / math.sqrt(count))
        variance = 1 / (4 * (2 * alpha + 1))
        assert lam.var() == pytest.approx(variance, abs=4 * np.square(lam - 0.5).std() / math.sqrt(count))
        times = np.bincount(partner // 300, minlength=10)
        assert ((times - 300) ** 2 / 300).sum() < 27.9  # chi squared of 9, one in a thousand
        assert abs(np.corrcoef(lam, partner)[0, 1]) < 4 / math.sqrt(count)
    pairs = [T.Mixup(1.0, seed=seed, record=True)({"image": rows["image"][:2], "id": [0, 1]}) for seed in range(20)]
    assert {partner for pair in pairs for partner in drawn(pair["transforms"])[1]} == {0, 1}


def test_lam_is_the_rows_own_whatever_batch_it_is_in():
    rows = batch()
    lam, _ = drawn(T.Mixup(1.0, record=True)(rows)["transforms"])
    some = {name: values[2:5] for name, values in rows.items()}
    assert drawn(T.Mixup(1.0, record=True)(some)["transforms"])[0] == lam[2:5]


def test_alpha_0_is_the_identity_with_soft_labels():
    rows = batch(label=[0, 1, 2, 0, 1, 2])
    done = T.Mixup(0, num_classes=3)(rows)
    assert torch.equal(done["image"], rows["image"])
    assert torch.equal(torch.stack(done["label"]), torch.eye(3)[rows["label"]])


def test_nothing_of_another_image_is_not_even_its_nan():
    rows = batch(8)
    rows["image"][3] = math.nan
    assert T.Mixup(0)(rows)["image"].isnan().any((1, 2)).nonzero().flatten().tolist() == [3]


def test_a_row_alone_keeps_its_image():
    image = images(1, 4, 5)[0]
    mixup = T.Mixup(1.0, num_classes=3)
    assert torch.equal(mixup(image), image)
    assert torch.equal(mixup([image])[0], image)
    row = mixup({"image": image, "label": 2, "path": "a"})
    assert torch.equal(row["image"], image)
    assert torch.equal(row["label"], torch.tensor([0.0, 0.0, 1.0]))
    tensor_row = mixup({"image": image, "label": torch.tensor(2), "path": "a"})
    assert torch.equal(tensor_row["label"], torch.tensor([0.0, 0.0, 1.0]))
    assert torch.equal(mixup({"image": image[None], "label": [1]})["image"][0], image)
    movie = images(3, 4, 5)
    assert torch.equal(T.Mixup(1.0, spatial_dims=2)({"image": movie, "path": "a"})["image"], movie)


def test_bare_stacks_and_lists_are_batches():
    x = images(6, 4, 5)
    expected = T.Mixup(1.0, spatial_dims=2)(x)
    assert not torch.equal(expected, x)
    torch.testing.assert_close(torch.stack(T.Mixup(1.0)(list(x))), expected)
    torch.testing.assert_close(T.Mixup(1.0, spatial_dims=2)(x.reshape(2, 3, 4, 5)).flatten(0, 1), expected)
    assert torch.equal(T.Mixup(1.0)(x), x)  # a volume, alone


@pytest.mark.parametrize("kind", ["list", "numpy", "torch", "numbers of torch", "numbers of numpy"])
def test_labels_may_come_in_any_container(kind):
    labels = [0, 3, 1, 1, 2, 0]
    made = {
        "list": labels,
        "numpy": np.array(labels),
        "torch": torch.tensor(labels),
        "numbers of torch": [torch.tensor(n) for n in labels],
        "numbers of numpy": [np.int64(n) for n in labels],
    }[kind]
    done = T.Mixup(1.0, num_classes=4)(batch(label=made))["label"]
    expected = T.Mixup(1.0, num_classes=4)(batch(label=labels))["label"]
    assert type(done) is type(made)
    np.testing.assert_allclose(np.stack([np.asarray(row) for row in done]), np.stack(expected), atol=1e-6)
    again = T.Mixup(1.0, num_classes=4, seed=1)(batch(label=done))
    twice = T.Mixup(1.0, num_classes=4, seed=1)(batch(label=expected))
    assert type(again["label"]) is type(made)
    found = np.stack([np.asarray(row) for row in again["label"]])
    np.testing.assert_allclose(found, np.stack(twice["label"]), atol=1e-6)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_soft_labels_of_an_earlier_mixing_are_mixed_again(kind):
    soft = [[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]]
    single = kind(soft) if kind is list else np.array(soft, np.float32) if kind is np.array else torch.tensor(soft)
    for made in (single, [kind(row) for row in soft]):
        done = T.Mixup(1.0, record=True)(batch(3, label=made))
        lam, partner = drawn(done["transforms"])
        expected = [[w * a + (1 - w) * b for a, b in zip(soft[i], soft[j], strict=True)] for i, (w, j) in
                    enumerate(zip(lam, partner, strict=True))]  # fmt: skip
        np.testing.assert_allclose(np.stack([np.asarray(row) for row in done["label"]]), expected, atol=1e-6)
        assert type(done["label"]) is type(made)
        assert kind is not np.array or done["label"][0].dtype == made[0].dtype
        assert type(done["label"][0]) is (torch.Tensor if kind is list else type(made[0]))


def test_how_many_classes_is_told_once_where_it_is_not_given(caplog):
    with caplog.at_level(logging.WARNING):
        done = T.Mixup(1.0)(batch(label=[0, 4, 1, 1, 2, 0]))
        assert len(done["label"][0]) == 5
        T.Mixup(1.0)(batch(label=[0] * 6))
        T.Mixup(1.0)(batch(label=[[1.0, 0.0]] * 6))
    assert [record.getMessage() for record in caplog.records] == [
        "Mixup: num_classes is not given: 5 by the labels of this batch; others may show others. Give it."
    ]


def test_gradients_flow():
    x = images(3, 2, 2).requires_grad_()
    mixup = T.Mixup(1.0, spatial_dims=2, record=False)
    records = T.Mixup(1.0, record=True)(batch(3))["transforms"]
    rows = batch(3)
    assert torch.autograd.gradcheck(lambda x: mixup.replay({**rows, "image": x}, records)["image"], (x,))


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        ([0, 1, -1, 0, 1, 2], r"labels \[-1, 0, 1, 2\]: expected classes from 0 to 2.*-1 stands for an unknown class"),
        ([0, 1, 3, 0, 1, 2], "expected classes from 0 to 2"),
        ([0, 1, None, 0, 1, 2], "null.*None.*filter"),
        ([None] * 6, "null"),
        (torch.tensor([0.0, math.nan, 1, 1, 1, 1]), "null"),
        ([0.5, 1.5, 0, 0, 1, 2], "expected integers"),
        (["a"] * 6, "expected integers"),
        ([[0.5, 0.5]] * 6, "a list of 3 weights"),
        ([[0.5, 0.5]] * 5 + [[1.0, 0.0, 0.0]], "expected integers, or"),
        ([[0.5, 0.5, 0.0]] * 5 + [1], "expected integers, or"),
    ],
)
def test_labels_that_are_no_classes_are_told(labels, complaint):
    with pytest.raises(T.TransformError, match="Mixup: .*" + complaint):
        T.Mixup(1.0, num_classes=3)(batch(label=labels))


def test_unequal_images_are_told_with_the_remedy():
    for unequal in ([torch.zeros(4, 5), torch.zeros(5, 4)], [torch.zeros(4, 5), torch.zeros(4, 5).double()]):
        with pytest.raises(T.TransformError, match=r"Mixup: images of \(4, 5\).*Rescale, CenterCrop or Pad.*batches"):
            T.Mixup()(unequal)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"alpha": -0.1}, "alpha is -0.1"),
        ({"alpha": math.inf}, "alpha is inf"),
        ({"alpha": "1"}, "alpha is '1'"),
        ({"num_classes": 0}, "num_classes is 0"),
        ({"num_classes": 2.0}, "num_classes is 2.0"),
        ({"num_classes": True}, "num_classes is True"),
    ],
)
def test_wrong_options_are_told(options, complaint):
    with pytest.raises(T.TransformError, match=f"Mixup: {complaint}: expected"):
        T.Mixup(**options)


def test_a_replay_needs_the_batch():
    rows = batch(label=[0, 1, 2, 0, 1, 2])
    mixup = T.Mixup(1.0, num_classes=3, record=True)
    done = mixup(rows)
    again = mixup.replay(rows, done["transforms"])
    assert torch.equal(again["image"], done["image"])
    assert torch.equal(torch.stack(again["label"]), torch.stack(done["label"]))
    most = max(drawn(done["transforms"])[1])
    with pytest.raises(T.TransformError, match=f"at place {most} in a batch of {most}: expected the batch"):
        mixup.replay({name: values[:most] for name, values in rows.items()}, done["transforms"][:most])
    lost = next(place for place, partner in enumerate(drawn(done["transforms"])[1]) if partner > 0)
    row = {name: values[lost] for name, values in rows.items()}
    with pytest.raises(T.TransformError, match="in a batch of 1: expected the batch that was recorded"):
        mixup.replay(row, done["transforms"][lost])


# with datasets


@pytest.fixture
def rows():
    data = {"image": list(images(6, 4, 4).float().numpy()), "label": [0, 1, 2, 0, 1, 2], "path": list("abcdef")}
    features = {"image": EMImage(), "label": ClassLabel(names=["x", "y", "z"]), "path": Value("string")}
    return Dataset.from_dict(data, features=Features(features))


def test_datasets_with_class_labels_get_soft_ones(rows):
    mixup = T.Mixup(1.0, num_classes=3)
    expected = mixup(rows[:])
    named = Features({**rows.features, "label": List(Value("float32"))})
    stream = rows.to_iterable_dataset()
    results = {
        "with_transform": rows.with_transform(mixup)[:],
        "map": rows.map(mixup, batched=True)[:],
        "map with features": rows.map(mixup, batched=True, features=named)[:],
        "torch map": rows.with_format("torch").map(mixup, batched=True)[:],
        "loader": next(iter(DataLoader(rows.with_transform(mixup), batch_size=6))),
        "loader with collate": next(iter(DataLoader(rows.with_transform(mixup), batch_size=6, collate_fn=T.collate))),
        "stream": default_collate(list(stream.map(mixup, batched=True))),
        "torch stream": default_collate(list(stream.with_format("torch").map(mixup, batched=True))),
        "torch stream with features": default_collate(
            list(stream.map(mixup, batched=True, features=named).with_format("torch"))
        ),
    }
    assert rows.map(mixup, batched=True).features["label"] == List(Value("float32"))
    for how, found in results.items():
        for name in ("label", "image"):
            values = np.stack([np.asarray(value) for value in found[name]])
            np.testing.assert_allclose(values, np.stack(expected[name]), atol=1e-6, err_msg=how)


@pytest.mark.parametrize("shape", [(6, 6), (3, 6, 6)], ids=["2-D", "3-D"])
@pytest.mark.parametrize("kind", [torch.as_tensor, np.asarray, list])
def test_a_row_of_a_soft_label_is_still_a_row(shape, kind):
    row = {"image": images(1, *shape).float()[0], "path": "a.mrcs", "index": 1, "label": kind([0.25, 0.75, 0.0])}
    done = T.Compose([T.RandomFlip(), T.Rescale(4)])(row)
    assert done["image"].shape == (4,) * len(shape)
    np.testing.assert_array_equal(done["label"], [0.25, 0.75, 0.0])
    stack = {"image": images(3, 6, 6).float(), "label": torch.tensor([0.25, 0.75, 0.0])}
    assert T.Rescale(4)(stack)["image"].shape == (3, 4, 4), "numbers to be learnt, one for each image"


def test_after_a_loader_soft_labels_train(rows):
    mixup = T.Mixup(1.0, num_classes=3)
    for collated in DataLoader(rows.with_transform(T.ToTensor()), batch_size=6, collate_fn=T.collate):
        mixed = mixup(collated)
    assert mixed["label"].shape == (6, 3)
    assert torch.isfinite(torch.nn.functional.cross_entropy(torch.zeros(6, 3), mixed["label"]))
