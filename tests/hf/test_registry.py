import subprocess
import sys
import urllib.request
from pathlib import Path

import datasets
import numpy as np
import pytest
from datasets import (
    Dataset,
    DownloadMode,
    Features,
    List,
    Value,
    get_dataset_config_names,
    get_dataset_split_names,
    load_dataset_builder,
)

import builders
from builders import EMImage, load_dataset
from builders.errors import NotFoundError, OptionError
from builders.hf import exporting, registry, stream_layers
from builders.hf.names import MODULES
from builders.io import mrc


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for label in ("test", "train", "validation"):  # names from which datasets would infer splits
        mrc.write(folder / f"{label}_0.mrc", np.ones((2, 2), np.float32))
    return folder


def test_load_dataset_is_theirs():
    assert load_dataset is datasets.load_dataset
    assert builders.load_dataset is datasets.load_dataset


def test_registering_again_changes_nothing():
    before = datasets.load.PackagedDatasetModuleFactory
    registry.register()
    assert datasets.load.PackagedDatasetModuleFactory is before


@pytest.mark.parametrize("content", ["empty", "full"])
@pytest.mark.parametrize("streaming", [False, True])
def test_the_working_directory_does_not_leak_in(folder, tmp_path, monkeypatch, content, streaming):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if content == "full":
        mrc.write(elsewhere / "leak_0.mrc", np.ones((2, 2), np.float32))
        (elsewhere / "train.csv").write_text("a\n1\n")
    monkeypatch.chdir(elsewhere)
    loaded = load_dataset("local_classes", data_dir=str(folder), streaming=streaming)
    assert list(loaded) == ["train"]
    assert loaded["train"].features["label"].names == ["test", "train", "validation"]
    with pytest.raises(OptionError, match="needs data_dir"):
        load_dataset("local_classes")


def test_a_relative_folder_is_the_working_directorys(folder, tmp_path, monkeypatch):
    other = tmp_path / "other" / "images"
    other.mkdir(parents=True)
    mrc.write(other / "a_0.mrc", np.zeros((2, 2), np.float32))
    monkeypatch.chdir(tmp_path)
    first = load_dataset("local_classes", data_dir="images", split="train")
    monkeypatch.chdir(tmp_path / "other")
    second = load_dataset("local_classes", data_dir="images", split="train")
    monkeypatch.chdir("/")
    assert (len(first), len(second)) == (3, 1)
    assert first[0]["image"].all()
    assert not second[0]["image"].any()


NEARLY = {
    "local_clases": "local_classes",
    "local-classes": "local_classes",
    "LocalClasses": "local_classes",
    "EMPIAR": "empiar",
    "empair": "empiar",
    "structure": "structures",
    "structurs ": "structures",
    "builders/empair": "empiar",
    "./builders/local-classes/": "local_classes",
    "/elsewhere/builders/Structures": "structures",
    "builders\\structure\\structure.py": "structures",
    "builders/empair/empiar.py": "empiar",
    "builders/empiar.py": "empiar",
}


@pytest.mark.parametrize("load", [load_dataset, load_dataset_builder, get_dataset_config_names])
@pytest.mark.parametrize("name", NEARLY)
def test_a_misspelt_name_is_told_before_anybody_is_asked(monkeypatch, name, load):
    monkeypatch.setattr("huggingface_hub.HfApi.__init__", lambda *_, **__: pytest.fail("the Hub was asked"))
    with pytest.raises(NotFoundError) as told:
        load(name)
    assert str(told.value) == f"no builder {name!r}: did you mean {NEARLY[name]!r}?"


OTHERS = ["squad", "me/local_clases", "local", "emnist", "images", "buckets/a/structure", ""]
OTHERS += ["me/empiar", "empiar/empiar.py", "builder/empiar", "builders/images", "builders/empiar/data", "builders/"]
OTHERS += ["hf://datasets/builders/empiar", "hf://datasets/builders/empair", "buckets/builders/empiar"]


@pytest.mark.parametrize("name", OTHERS)
def test_other_names_are_left_to_datasets(monkeypatch, name):
    asked = []
    monkeypatch.setattr(registry, "_stock_module_factory", lambda path, *_, **__: asked.append(path))
    datasets.load.dataset_module_factory(name)
    assert asked == [name]


INSTALLED = Path(builders.__file__).parent
PATHS = ["builders/NAME", "builders/NAME/", "./builders/NAME", "builders/NAME/NAME.py", "builders//NAME//NAME.py"]
PATHS += ["../perc/builders/NAME", "/nowhere/builders/NAME/NAME.py", "builders\\NAME", ".\\builders\\NAME\\NAME.py"]
PATHS += [f"{INSTALLED}/NAME", f"{INSTALLED}/NAME/", f"{INSTALLED}/NAME/NAME.py"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_path_to_a_builder_is_its_name(path, elsewhere, folder, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("huggingface_hub.HfApi.__init__", lambda *_, **__: pytest.fail("the Hub was asked"))
    options = {"data_dir": str(folder), "cache_dir": str(tmp_path / "cache")}
    plain = load_dataset("local_classes", split="train", **options)
    written = Path(plain.cache_files[0]["filename"]).stat().st_mtime_ns
    monkeypatch.chdir(tmp_path if elsewhere else INSTALLED.parent)
    path = path.replace("NAME", "local_classes")
    again = load_dataset(path, split="train", **options)
    assert again.cache_files == plain.cache_files
    assert Path(again.cache_files[0]["filename"]).stat().st_mtime_ns == written
    assert again._fingerprint == plain._fingerprint
    assert again.info == plain.info
    named, ours = (load_dataset_builder(name, **options) for name in ("local_classes", path))
    for known in ("name", "dataset_name", "config_id", "cache_dir", "hash", "repo_id"):
        assert getattr(ours, known) == getattr(named, known)
    streams = [load_dataset(name, split="train", streaming=True, **options) for name in ("local_classes", path)]
    assert len({stream_layers.identity(stream) for stream in streams}) == 1
    assert get_dataset_split_names(path, data_dir=str(folder)) == ["train"]
    assert not caplog.records


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", MODULES)
def test_every_builder_is_found_by_a_path(path, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert get_dataset_config_names(path.replace("NAME", name)) == get_dataset_config_names(name) == ["default"]


def test_another_checkout_is_ours_and_says_which_code_runs(folder, tmp_path, monkeypatch, caplog):
    for name in ("__init__.py", "local_classes/__init__.py", "local_classes/local_classes.py"):
        file = tmp_path / "perc" / "builders" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("raise RuntimeError('this code was run')")
    monkeypatch.chdir(tmp_path / "perc")
    paths = ["builders/local_classes", "builders/local_classes/local_classes.py"]
    for path in [*paths, f"{tmp_path}/perc/{paths[0]}"]:
        caplog.clear()
        assert len(load_dataset(path, data_dir=str(folder), split="train")) == 3
        assert caplog.messages == [f"{path}: the builder that runs is that of the imported package, {INSTALLED}"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # datasets 4.0 leaves a csv file open
@pytest.mark.parametrize("path", ["builders/empiar", "./builders/empiar/", "builders/empair", "/builders/structures"])
def test_a_folder_of_data_at_such_a_path_is_that_folder(path, tmp_path, monkeypatch):
    path = f"{tmp_path}{path}" if path.startswith("/") else path
    (tmp_path / path).mkdir(parents=True)
    (tmp_path / path / "rows.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(tmp_path)
    assert list(load_dataset(path, split="train", streaming=True)) == [{"a": 1, "b": 2}]
    assert load_dataset_builder(path).name == "csv"
    assert get_dataset_split_names(path) == ["train"]


@pytest.mark.parametrize("path", ["builders/structures", "builders/structures/structures.py"])
def test_a_loading_script_of_others_is_refused_as_before(path, tmp_path, monkeypatch):
    (tmp_path / "builders" / "structures").mkdir(parents=True)
    (tmp_path / "builders" / "structures" / "structures.py").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match="Dataset scripts are no longer supported, but found structures"):
        load_dataset(path)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # datasets 4.0 leaves a csv file open
@pytest.mark.parametrize("trust", [True, False])
@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("name", ["local_classes", "builders/local_classes", "builders/local_classes/local_classes.py"])
def test_load_dataset_takes_trust_remote_code_as_elsewhere(name, streaming, trust, folder, caplog, tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    options = {"split": "train", "streaming": streaming}
    load_dataset("csv", data_files=str(tmp_path / "rows.csv"), trust_remote_code=trust, **options)
    of_csv = [message.replace("'csv'", f"'{name}'") for message in caplog.messages]
    caplog.clear()
    trusted = load_dataset(name, data_dir=str(folder), trust_remote_code=trust, **options)
    assert caplog.messages == of_csv
    assert len(of_csv) == trust
    plain = load_dataset("local_classes", data_dir=str(folder), **options)
    assert (trusted.info, len(list(trusted))) == (plain.info, 3)
    if not streaming:
        assert trusted.cache_files == plain.cache_files
        assert trusted._fingerprint == plain._fingerprint


@pytest.mark.parametrize("trust", [True, False])
@pytest.mark.parametrize("load", [load_dataset_builder, get_dataset_config_names, get_dataset_split_names])
def test_what_refuses_trust_remote_code_refuses_it_for_ours(load, trust, folder, tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(TypeError, match="trust_remote_code"):
        load("csv", data_files=str(tmp_path / "rows.csv"), trust_remote_code=trust)
    for name in ("local_classes", "builders/local_classes"):
        with pytest.raises(TypeError, match="trust_remote_code"):
            load(name, data_dir=str(folder), trust_remote_code=trust)


def test_a_path_object_is_taken_no_more_than_elsewhere(folder):
    for name in ("csv", "local_classes", "builders/local_classes"):
        with pytest.raises(TypeError):
            load_dataset(Path(name), data_dir=str(folder))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # datasets 4.0 leaves a csv file open
def test_a_folder_whose_name_is_nearly_ours_is_that_folder(tmp_path, monkeypatch):
    (tmp_path / "structure").mkdir()
    (tmp_path / "structure" / "rows.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(tmp_path)
    assert list(load_dataset("structure", split="train", streaming=True)) == [{"a": 1, "b": 2}]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # datasets 4.0 leaves a csv file open
def test_other_builders_behave_as_before(tmp_path, monkeypatch):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(tmp_path)
    assert load_dataset("csv", data_files="rows.csv", split="train")[0] == {"a": 1, "b": 2}
    assert load_dataset("csv", split="train")[0] == {"a": 1, "b": 2}
    with pytest.raises(FileNotFoundError):
        load_dataset("csv", data_files="none.csv")


def test_no_load_is_counted_remotely(folder, monkeypatch):
    def forbidden(*_args, **_kwargs):
        raise AssertionError("a load of ours was counted")

    monkeypatch.setattr(datasets.load, "increase_load_count", forbidden)
    load_dataset("local_classes", data_dir=str(folder), split="train", streaming=True)


def test_datasets_own_inspection_knows_our_names(folder):
    assert get_dataset_config_names("local_classes", data_dir=str(folder)) == ["default"]
    assert get_dataset_split_names("local_classes", data_dir=str(folder)) == ["train"]


def test_data_files_are_resolved_as_elsewhere(folder, monkeypatch):
    monkeypatch.chdir(folder)
    by_split = load_dataset("local_classes", data_files={"train": "t*_0.mrc", "held": ["validation_0.mrc"]})
    assert {name: len(split) for name, split in by_split.items()} == {"train": 2, "held": 1}
    assert by_split["held"].features["label"].names == ["test", "train", "validation"]
    assert len(load_dataset("local_classes", data_files=str(folder / "*.mrc"), split="train")) == 3
    assert len(load_dataset("local_classes", data_dir=str(folder), data_files="v*.mrc", split="train")) == 1
    with pytest.raises(NotFoundError, match="name no file"):
        load_dataset("local_classes", data_files="none_*.mrc")


def test_force_redownload_starts_anew(folder):
    options = {"data_dir": str(folder), "split": "train"}
    first = load_dataset("local_classes", **options).cache_files[0]["filename"]
    stamp = Path(first).stat().st_mtime_ns
    assert Path(load_dataset("local_classes", **options).cache_files[0]["filename"]).stat().st_mtime_ns == stamp
    load_dataset("local_classes", download_mode=DownloadMode.FORCE_REDOWNLOAD, **options)
    assert Path(first).stat().st_mtime_ns > stamp


def test_it_works_offline_and_touches_no_network(folder, monkeypatch):
    def forbidden(*_args, **_kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr(urllib.request, "urlopen", forbidden)
    monkeypatch.setattr("socket.socket.connect", forbidden)
    monkeypatch.setattr("socket.getaddrinfo", forbidden)
    assert len(load_dataset("local_classes", data_dir=str(folder), split="train")) == 3


def test_a_fresh_process_reads_a_saved_dataset_only_with_builders(folder, tmp_path):
    load_dataset("local_classes", data_dir=str(folder), split="train").save_to_disk(tmp_path / "saved")
    code = """
import sys
from datasets import load_from_disk
try:
    load_from_disk(sys.argv[1])
except ValueError as err:
    print(err)
import builders
print(load_from_disk(sys.argv[1])[0]["image"].sum())
"""
    command = [sys.executable, "-c", code, str(tmp_path / "saved")]
    without, with_us = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "EMImage" in without
    assert with_us == "4.0"


def test_num_proc(folder):
    ds = load_dataset("local_classes", data_dir=str(folder), split="train", num_proc=2)
    assert sorted(row["path"] for row in ds) == ["test_0.mrc", "train_0.mrc", "validation_0.mrc"]


def test_the_torch_format_of_other_columns_is_untouched():
    ds = Dataset.from_dict({"x": [[1.0, 2.0]], "n": [3], "s": ["a"]}).with_format("torch")
    row = ds[0]
    assert row["x"].tolist() == [1.0, 2.0]
    assert (int(row["n"]), row["s"]) == (3, "a")


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("by_split", [False, True])
def test_push_to_hub_says_that_others_cannot_load_images(streaming, by_split, folder, caplog):
    rows = load_dataset("local_classes", data_dir=str(folder), streaming=streaming)
    with pytest.raises(ConnectionError, match="offline"):  # as soon as it reaches for the Hub
        (rows if by_split else rows["train"]).push_to_hub("me/set", token="hf_x")
    assert caplog.text.count("'EMImage' not found") == 1
    assert "push_to_hub: only this project can load its images (image)" in caplog.text
    assert "builders.publish(dataset, to)" in caplog.text


@pytest.mark.parametrize("streaming", [False, True])
def test_to_parquet_says_it_and_writes_as_before(streaming, folder, tmp_path, caplog):
    rows = load_dataset("local_classes", data_dir=str(folder), split="train", streaming=streaming)
    rows.to_parquet(str(tmp_path / "own.parquet"))
    assert caplog.text.count("to_parquet: only this project can load its images (image)") == 1
    again = Dataset.from_parquet(str(tmp_path / "own.parquet"), cache_dir=str(tmp_path / "cache"))
    assert again.features == rows.features
    assert again[0]["image"].tolist() == next(iter(rows))["image"].tolist()


def test_what_writes_by_another_says_it_once(folder, tmp_path, caplog):
    rows = load_dataset("local_classes", data_dir=str(folder), split="train")
    write = exporting.telling_who_can_load(Dataset.to_parquet)
    for _ in range(2):
        write(rows, str(tmp_path / "own.parquet"))
    assert caplog.text.count("'EMImage' not found") == 2


def test_images_within_other_columns_are_told_and_others_are_not(tmp_path, caplog):
    image = np.zeros((2, 2), np.float32)
    features = Features({"pair": List(EMImage()), "pose": {"mask": EMImage()}, "n": Value("int64")})
    rows = Dataset.from_dict({"pair": [[image]], "pose": [{"mask": image}], "n": [1]}, features=features)
    rows.select_columns(["n"]).to_parquet(str(tmp_path / "n.parquet"))
    assert not caplog.text
    rows.to_parquet(str(tmp_path / "all.parquet"))
    assert "(pair, pose)" in caplog.text
    assert Dataset.to_parquet.__doc__.startswith("Exports the dataset to parquet")
