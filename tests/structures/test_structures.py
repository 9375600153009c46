"""`load_dataset("structures", ...)`: rows, streams, workers, resumption, caches."""

import json
import pickle
import time
from itertools import islice, pairwise
from pathlib import Path

import gemmi
import numpy as np
import pytest
import torch
from datasets import Features
from datasets import load_dataset as stock_load_dataset
from datasets.distributed import split_dataset_by_node

import builders
from builders.errors import DiskFullError, FormatError, NotFoundError, OptionError, UnknownOptionError
from builders.hf.streaming import TableStream
from builders.structures.arrays import atoms_of
from builders.structures.reading.parse import load
from builders.structures.structures import _state
from tests.server import Fault
from tests.structures.models import as_cif, as_pdb, protein

IDS = ["4v1w", "P45523", "2BEG", "F4HVG8", "4hhb", "7u6q"]
ENTRIES = ["4v1w", "1q6h", "2beg", "AF-F4HVG8-F1", "4hhb", "7u6q"]
PER_ATOM = [
    *("coordinates", "element", "atom_name", "residue_name", "residue_number", "insertion_code", "sequence_position"),
    *("uniprot_position", "chain", "altloc", "occupancy", "b_factor", "hetero"),
]


@pytest.fixture
def open_dataset(endpoints, tmp_path):
    def open_dataset(ids=IDS, **options):
        options = {"endpoints": endpoints, "cache_dir": str(tmp_path / "cache"), "split": "train", **options}
        return builders.load_dataset("structures", ids=ids, **options)

    return open_dataset


def test_rows_say_what_they_are(open_dataset):
    rows = open_dataset()
    assert [row["entry_id"] for row in rows] == ENTRIES
    assert [row["id"] for row in rows] == ["4v1w", "P45523", "2beg", "F4HVG8", "4hhb", "7u6q"]
    assert [row["source"] for row in rows] == ["pdb", "pdb", "pdb", "alphafold", "pdb", "pdb"]
    assert [row["format"] for row in rows] == ["cif"] * 6
    row = rows[1]
    assert row["uniprot"] == ["P45523"]
    assert row["coverage"] == pytest.approx(0.9)
    assert (row["method"], row["model"]) == ("X-RAY DIFFRACTION", 1)
    assert row["resolution"] == pytest.approx(1.97)
    assert rows[2]["resolution"] is None
    assert rows[4]["uniprot"] == ["P69905", "P68871"]
    chains = rows[4]["chains"]
    assert [(c["name"], c["label"], c["entity"], c["uniprot"]) for c in chains] == [
        ("A", "A", "1", ["P69905"]),
        ("B", "B", "2", ["P68871"]),
    ]
    assert [chain["signal_peptides"] for chain in chains] == [None, None]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
def test_in_the_torch_format_no_text_and_no_number_is_null(open_dataset, streaming, mapped):
    plain = list(open_dataset(["4v1w", "F4HVG8"]))
    assert any(row[name] is None for row in plain for name in ("title", "method"))
    ds = open_dataset(["4v1w", "F4HVG8"], streaming=streaming)
    ds = ds.map(_tagged) if mapped else ds
    names = ["id", "title", "method", "resolution"]
    loader = torch.utils.data.DataLoader(ds.with_format("torch").select_columns(names), batch_size=2)
    (batch,) = loader
    for name in names[:3]:
        assert batch[name] == [row[name] or "" for row in plain]
    resolutions = [np.nan if row["resolution"] is None else row["resolution"] for row in plain]
    np.testing.assert_allclose(batch["resolution"], resolutions)


def _tagged(row):
    return {"tag": 1}


def test_arrays_are_of_one_length_and_are_the_atoms(open_dataset, databases):
    for row, id in zip(open_dataset(["4hhb", "1q6h"]), ["4HHB", "1Q6H"], strict=True):
        assert len({len(row[name]) for name in PER_ATOM}) == 1
        structure = gemmi.read_structure_string(databases.files[f"/download/{id}.cif"].decode())
        structure.remove_alternative_conformations()
        atoms = {(c.chain.name, c.residue.seqid.num, c.atom.name): c.atom.pos.tolist() for c in structure[0].all()}
        keys = zip(row["chain"], row["residue_number"], row["atom_name"], strict=True)
        assert sorted(keys) == sorted(atoms)
        for key, place in zip(
            zip(row["chain"], row["residue_number"], row["atom_name"], strict=True), row["coordinates"], strict=True
        ):
            assert place == pytest.approx(atoms[key], abs=1e-4)


def test_positions_lead_into_the_sequences(open_dataset):
    for row in open_dataset(remove=["signal_peptides"]):
        sequences = {chain["name"]: chain["sequence"] for chain in row["chains"]}
        parts = zip(row["chain"], row["sequence_position"], row["residue_name"], row["hetero"], strict=True)
        for chain, position, name, hetero in parts:
            assert (position is None) == hetero
            if position is not None:
                letter = gemmi.find_tabulated_residue(name).one_letter_code.upper()
                assert sequences[chain][position - 1] == letter


def test_the_whole_is_the_same_streamed(open_dataset):
    table = open_dataset(remove=["water", "signal_peptides"], include_file=True)
    stream = open_dataset(remove=["water", "signal_peptides"], include_file=True, streaming=True)
    assert stream.features == table.features
    assert stream.n_shards == len(IDS)
    assert list(stream) == list(table)


@pytest.mark.parametrize("format", ["numpy", "torch"])
def test_formats(open_dataset, format):
    table, stream = open_dataset().with_format(format), open_dataset(streaming=True).with_format(format)
    for one, other in zip(table, stream, strict=True):
        assert one["coordinates"].shape == (len(one["element"]), 3)
        assert str(one["coordinates"].dtype).endswith("float32")
        assert np.array_equal(one["coordinates"], other["coordinates"])
        assert list(one["element"]) == list(other["element"])
        assert set(one["element"]) <= {
            "C",
            "N",
            "O",
            "S",
            "Se",
            "H",
            "Zn",
            "Mg",
            "Ca",
            "P",
            "Fe",
            "Na",
            "Cl",
            "D",
            "Hg",
        }
        assert np.array_equal(one["residue_number"], other["residue_number"])


def test_removing(open_dataset):
    whole, cut = open_dataset(["P45523"])[0], open_dataset(["P45523"], remove=["signal_peptides", "hetatms"])[0]
    assert any(whole["hetero"])
    assert not any(cut["hetero"])
    assert min(filter(None, whole["uniprot_position"])) == 15
    assert min(filter(None, cut["uniprot_position"])) == 26
    assert cut["chains"][0]["signal_peptides"] == [{"start": 1, "end": 25}]
    assert cut["chains"][0]["sequence"] == whole["chains"][0]["sequence"][11:]
    kept = [p is None or p > 25 for p in whole["uniprot_position"]]
    kept = [k and not h for k, h in zip(kept, whole["hetero"], strict=True)]
    for name in ("coordinates", "atom_name", "residue_number", "uniprot_position", "b_factor"):
        assert cut[name] == [value for value, keep in zip(whole[name], kept, strict=True) if keep]


def test_the_file_of_a_row_holds_its_atoms(open_dataset):
    options = {"include_file": True, "remove": ["water"]}
    for row in [*open_dataset(**options), *open_dataset(["2beg"], models="all", format="pdb", **options)]:
        loaded = load(row["file"], row["id"])
        assert loaded.format == row["format"]
        assert len(loaded.structure) == 1
        names = [atom.atom.name for atom in loaded.structure[0].all()]
        assert sorted(names) == sorted(row["atom_name"])


def test_models(open_dataset):
    assert [row["model"] for row in open_dataset(["2beg", "4hhb"])] == [1, 1]
    for streaming in (False, True):
        rows = open_dataset(["2beg", "4hhb"], models="all", streaming=streaming)
        assert [(row["id"], row["model"]) for row in rows] == [("2beg", 1), ("2beg", 2), ("4hhb", 1)]


@pytest.mark.parametrize("streaming", [False, True])
def test_alternatives(open_dataset, databases, streaming):
    databases.add_entry("1abc", as_cif(protein("MKRLLAAAWTYVEDKSTPQF", name="1ABC", altlocs=3)))
    (one,) = open_dataset(["1abc"], streaming=streaming)
    (each,) = open_dataset(["1abc"], altlocs="all", streaming=streaming)
    assert (set(one["altloc"]), set(each["altloc"])) == ({"", "B"}, {"", "A", "B"})
    assert len(each["altloc"]) == len(one["altloc"]) + 3


def test_only_one_database_is_asked_without_fallback(databases, open_dataset):
    for streaming in (False, True):
        with pytest.raises(NotFoundError, match="pdb: nothing for F4HVG8"):
            list(open_dataset(["F4HVG8"], fallback=False, streaming=streaming))
    assert databases.asked("alphafold") == []


def test_the_accession_that_was_asked_for_is_told_where_the_file_tells_none(databases, open_dataset):
    file = as_cif(protein("MKRLLAAAWTYVEDKSTPQF", name="1ABC", uniprot=None))
    databases.add_entry("1abc", file, chains={"A": ("Q9Y6K9", 1, 20, 1.0)})
    assert open_dataset(["Q9Y6K9"])[0]["uniprot"] == ["Q9Y6K9"]


def test_an_id_that_is_named_twice_is_one_row(open_dataset, databases):
    assert len(open_dataset(["4hhb", "4HHB"])) == 1
    assert len(databases.asked("rcsb_files")) == 1


# streams


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_workers_have_each_row_once(open_dataset, workers):
    stream = open_dataset(streaming=True).with_format("torch")
    loader = torch.utils.data.DataLoader(stream, batch_size=None, num_workers=workers)
    assert sorted(row["entry_id"] for row in loader) == sorted(ENTRIES)


def test_workers_of_a_fresh_process_have_each_row_once(open_dataset):
    stream = open_dataset(streaming=True)
    loader = torch.utils.data.DataLoader(stream, batch_size=None, num_workers=2, multiprocessing_context="forkserver")
    assert sorted(row["entry_id"] for row in loader) == sorted(ENTRIES)


@pytest.mark.parametrize("nodes", [2, 3])
def test_nodes_have_each_row_once(open_dataset, nodes):
    parts = [split_dataset_by_node(open_dataset(streaming=True), rank, nodes) for rank in range(nodes)]
    assert sorted(row["entry_id"] for part in parts for row in part) == sorted(ENTRIES)


@pytest.mark.parametrize("models", ["first", "all"])
@pytest.mark.parametrize("format", [None, "numpy"])
def test_a_stream_goes_on_where_it_stopped(open_dataset, models, format):
    def names(rows):
        return [(str(row["id"]), int(row["model"])) for row in rows]

    stream = open_dataset(streaming=True, models=models).with_format(format)
    whole = names(stream)
    for stop in range(1, len(whole)):
        again = open_dataset(streaming=True, models=models).with_format(format)
        rows = iter(again)
        begun = [next(rows) for _ in range(stop)]
        state = json.loads(json.dumps(again.state_dict()))
        rest = open_dataset(streaming=True, models=models).with_format(format)
        rest.load_state_dict(state)
        assert names(begun) + names(rest) == whole


def test_a_stream_can_be_stopped_again_and_again(open_dataset, databases):
    databases.add_entry("1abc", as_cif(protein("MKRLLAAAWTYVEDKSTPQF", name="1ABC", models=7)))
    state, names = None, []
    for _ in range(3):
        stream = open_dataset(["1abc", "2beg"], streaming=True, models="all")
        if state is not None:
            stream.load_state_dict(state)
        names += [(row["id"], row["model"]) for row in islice(stream, 3)]
        state = stream.state_dict()
    assert names == [*(("1abc", number) for number in range(1, 8)), ("2beg", 1), ("2beg", 2)]


def test_shards_are_ids_and_are_divided_no_further(open_dataset):
    assert open_dataset(streaming=True).num_shards == len(IDS)
    assert TableStream(print, IDS, Features()).reshard_data_sources().num_shards == len(IDS)


def test_shuffling_maps_and_batches(open_dataset):
    stream = open_dataset(streaming=True)
    shuffled = [row["entry_id"] for row in stream.shuffle(seed=3, buffer_size=2)]
    assert sorted(shuffled) == sorted(ENTRIES)
    assert shuffled != ENTRIES
    assert [row["entry_id"] for row in stream.shuffle(seed=3, buffer_size=1)] != ENTRIES  # the shards are, too
    sizes = stream.map(lambda rows: {"atoms": [len(x) for x in rows["element"]]}, batched=True, batch_size=2)
    assert [row["atoms"] for row in sizes] == [len(row["element"]) for row in stream]
    assert [row["id"] for row in stream.skip(1).take(2)] == ["P45523", "2beg"]


def test_the_next_files_are_fetched_while_one_is_used(databases, open_dataset):
    rows = iter(open_dataset(["1q6u", "1q6h", "1q6i", "4v1w", "4hhb", "2beg"], streaming=True))
    next(rows)
    for _ in range(100):
        if len(databases.asked("rcsb_files")) >= 6:
            break
        time.sleep(0.02)
    assert len(databases.asked("rcsb_files")) >= 6
    assert len(list(rows)) == 5


def test_a_stream_survives_pickling(open_dataset):
    stream = pickle.loads(pickle.dumps(open_dataset(streaming=True)))
    assert [row["entry_id"] for row in stream] == ENTRIES


# caches


def test_a_second_run_asks_nobody(databases, open_dataset):
    first = open_dataset(remove=["signal_peptides"])
    stream = list(open_dataset(remove=["signal_peptides"], streaming=True))
    asked = len(databases.requests)
    assert list(open_dataset(remove=["signal_peptides"])) == list(first) == stream
    assert list(open_dataset(remove=["signal_peptides"], streaming=True)) == stream
    assert len(databases.requests) == asked


def test_other_options_make_other_datasets(open_dataset):
    options = [{}, {"remove": ["water"]}, {"format": "pdb"}, {"altlocs": "all"}, {"models": "all"}, {"db": "alphafold"}]
    made = [open_dataset(["P45523", "2beg"], **chosen)._fingerprint for chosen in options]
    assert len(set(made)) == len(made)
    assert open_dataset(["p45523", "2BEG"])._fingerprint == made[0]


def test_a_changed_list_of_ids_makes_another_dataset(open_dataset, tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text("4v1w\n")
    assert [row["id"] for row in open_dataset(str(path))] == ["4v1w"]
    path.write_text("4v1w\n4hhb\n")
    assert [row["id"] for row in open_dataset(str(path))] == ["4v1w", "4hhb"]


def test_a_changed_file_in_a_folder_makes_another_dataset(open_dataset, databases, tmp_path):
    folder = tmp_path / "pdb"
    folder.mkdir()
    endpoints = {"rcsb_files": str(folder)}
    sizes = []
    for entry in ("1Q6H", "4HHB"):
        (folder / "1abc.cif").write_bytes(databases.files[f"/download/{entry}.cif"])
        sizes.append(len(open_dataset(["1abc"], endpoints=endpoints)[0]["element"]))
    assert sizes[0] != sizes[1]


def test_fetching_anew(databases, open_dataset):
    before = open_dataset(["4hhb"])[0]
    file = databases.files["/download/1Q6H.cif"].decode()
    databases.add_entry("4hhb", file)
    assert open_dataset(["4hhb"])[0] == before
    after = open_dataset(["4hhb"], download_mode="force_redownload")[0]
    assert len(after["element"]) != len(before["element"])


# what goes wrong


def test_what_fails_can_be_left_out(databases, open_dataset, tmp_path, caplog):
    table = tmp_path / "left_out.tsv"
    options = {"on_error": "skip", "quarantine": str(table)}
    for streaming in (False, True):
        rows = open_dataset(["4hhb", "nonsense", "9xyz", "2beg"], streaming=streaming, **options)
        assert [row["id"] for row in rows] == ["4hhb", "2beg"]
        assert [line.split("\t")[0] for line in table.read_text().splitlines()] == ["path", "nonsense", "9xyz"]
    assert "left out 2 of 4 ids" in caplog.text


def test_a_fault_that_passes_leaves_nothing_out_for_good(databases, open_dataset, caplog):
    databases.fail("/download/4HHB.cif.gz", *[Fault(status=503)] * 2)
    assert [row["id"] for row in open_dataset(["4hhb", "2beg"], on_error="skip")] == ["2beg"]
    assert "left out 1 of 2 ids" in caplog.text
    assert [row["id"] for row in open_dataset(["4hhb", "2beg"], on_error="skip")] == ["4hhb", "2beg"]
    asked = len(databases.requests)
    assert len(open_dataset(["4hhb", "2beg"], on_error="skip")) == 2
    assert len(databases.requests) == asked


def test_what_was_left_out_is_listed_also_of_a_dataset_in_the_cache(open_dataset, tmp_path, caplog):
    for name in ("first.tsv", "second.tsv"):
        options = {"on_error": "skip", "quarantine": str(tmp_path / name)}
        assert len(open_dataset(["4hhb", "9xyz", "nonsense"], **options)) == 1
    first, second = ((tmp_path / name).read_text() for name in ("first.tsv", "second.tsv"))
    assert first == second
    assert first.count("\n") == 3
    assert f"structures: ids left out of the dataset in the cache: 2, listed in {tmp_path / name}" in caplog.text
    assert caplog.text.count("in the cache") == 1


def test_a_dataset_that_lacks_what_is_not_there_is_not_built_again(open_dataset):
    (first,), (second,) = (open_dataset(["4hhb", "9xyz"], on_error="skip").cache_files for _ in range(2))
    assert first == second
    made = Path(first["filename"]).stat()
    open_dataset(["4hhb", "9xyz"], on_error="skip")
    assert Path(first["filename"]).stat().st_ino == made.st_ino


def test_a_stream_counts_what_it_left_out(open_dataset, caplog):
    assert len(list(open_dataset(["4hhb", "9xyz", "9xya"], on_error="skip", streaming=True))) == 1
    assert "structures: left out 2 of 3 ids" in caplog.text


def test_a_full_disk_is_no_reason_to_leave_something_out(open_dataset, monkeypatch):
    def full(*args):
        raise DiskFullError("no room left")

    monkeypatch.setattr("builders.io.files.cache.require_room", full)
    monkeypatch.setattr("builders.io.files.cache.Cache._write", full)
    with pytest.raises(DiskFullError):
        open_dataset(["4hhb", "2beg"], on_error="skip")


def test_several_processes_share_what_one_fetched(databases, open_dataset):
    databases.latency = 0.02
    assert [row["entry_id"] for row in open_dataset(num_proc=2)] == ENTRIES
    assert databases.most_under_way <= 8
    assert len({request.path for request in databases.asked("rcsb_files")}) == len(databases.asked("rcsb_files"))
    with pytest.raises(NotFoundError, match="9xyz: no structure of it"):
        open_dataset(["4hhb", "2beg", "9xyz"], num_proc=2)


def test_nothing_at_all_is_an_error(open_dataset):
    with pytest.raises(NotFoundError, match="none of 2 ids gave a structure"):
        open_dataset(["9xyz", "9xya"], on_error="skip")


def test_nothing_at_all_is_asked_for_again(databases, open_dataset, monkeypatch):
    with pytest.raises(NotFoundError):
        open_dataset(["9xyz"], on_error="skip")
    monkeypatch.setattr("builders.structures.databases.services._BELIEVED", 0.0)
    databases.add_entry("9xyz", databases.files["/download/1Q6H.cif"].decode())
    assert len(open_dataset(["9xyz"], on_error="skip")) == 1


def test_what_fails_is_an_error(databases, open_dataset):
    with pytest.raises(NotFoundError, match="9xyz: no structure of it"):
        open_dataset(["4hhb", "9xyz"])
    with pytest.raises(NotFoundError, match="9xyz: no structure of it"):
        list(open_dataset(["4hhb", "9xyz"], streaming=True))
    databases.fail("/download/1Q6I.cif.gz", Fault(body=b"<html>", whole=True, headers={"ETag": None}))
    with pytest.raises(FormatError, match="1q6i"):
        open_dataset(["1q6i"])


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"ids": None}, OptionError, "ids is None: expected a list of ids"),
        ({"ids": []}, OptionError, "at least one id"),
        ({"ids": ["nonsense"]}, OptionError, "'nonsense' is no id"),
        ({"db": "pdbe"}, OptionError, "'pdb' or 'alphafold'"),
        ({"format": "bcif"}, OptionError, "'cif' or 'pdb'"),
        ({"models": 1}, OptionError, "'first' or 'all'"),
        ({"altlocs": "A"}, OptionError, "'first' or 'all'"),
        ({"assembly": 0}, OptionError, "integer of at least 1"),
        ({"include_file": 1}, OptionError, "True or False"),
        ({"remove": ["hydrogen"]}, OptionError, "'hydrogens'"),
        ({"endpoints": {"rcsb": "http://x"}}, UnknownOptionError, "rcsb_files"),
        ({"data_dir": "x"}, OptionError, r"structures takes ids=\[...\]"),
        ({"data_files": __file__}, OptionError, "takes ids"),
        ({"pdb_ids": ["4v1w"]}, UnknownOptionError, "did you mean 'ids'"),
        ({"quarantine": "x"}, OptionError, "on_error='skip'"),
    ],
)
def test_options_that_are_none(open_dataset, options, kind, message):
    with pytest.raises(kind, match=message):
        open_dataset(**options)


def test_stock_load_dataset_knows_it(endpoints, tmp_path):
    rows = stock_load_dataset("structures", ids="4v1w", endpoints=endpoints, cache_dir=str(tmp_path), split="train")
    assert rows[0]["id"] == "4v1w"


def test_an_assembly(open_dataset, shared, tmp_path):
    folder = tmp_path / "pdb"
    folder.mkdir()
    (folder / "4hhb.cif").write_bytes((shared / "wire" / "rcsb" / "4hhb.cif").read_bytes())
    options = {"endpoints": {"rcsb_files": str(folder)}, "include_file": True}
    deposited, whole = (open_dataset(["4hhb"], assembly=number, **options)[0] for number in (None, 1))
    assert len(whole["element"]) == len(deposited["element"])
    assert len(whole["chains"]) == 4
    with pytest.raises(NotFoundError, match="assembly"):
        open_dataset(["4hhb"], assembly=7, **options)


def test_shards_are_taken_in_order(open_dataset):
    order = [IDS.index(next(i for i in IDS if i.lower() == row["id"].lower())) for row in open_dataset(streaming=True)]
    assert all(one < other for one, other in pairwise(order))


def test_the_file_of_an_assembly_of_as_many_atoms_has_them_in_their_places(open_dataset, tmp_path):
    structure = protein("MKRLLAAAWTYVEDKSTPQF", name="1ABC", waters=0, ligand=False)
    assembly, generator, operator = gemmi.Assembly("1"), gemmi.Assembly.Gen(), gemmi.Assembly.Operator()
    operator.name, operator.transform = "1", gemmi.Transform(gemmi.Mat33(), gemmi.Vec3(50, 0, 0))
    generator.subchains = ["A"]
    generator.operators.append(operator)
    assembly.generators.append(generator)
    structure.assemblies.append(assembly)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "1abc.cif").write_text(as_cif(structure))
    (row,) = open_dataset(["1abc"], assembly=1, include_file=True, endpoints={"rcsb_files": str(tmp_path / "files")})
    atoms = atoms_of(load(row["file"], "again"), 0)
    np.testing.assert_allclose(atoms.coordinates, np.array(row["coordinates"]), atol=1e-3)
    assert atoms.coordinates[:, 0].min() > 40


def test_the_file_of_a_model_speaks_of_nothing_that_only_another_one_has(open_dataset, tmp_path):
    structure = protein("MKRLLAAAWTYVEDKSTPQF", name="1ABC", waters=0, ligand=False, models=2)
    helix = gemmi.Helix()
    helix.start = gemmi.AtomAddress("A", gemmi.SeqId("3"), "ARG", "")
    helix.end = gemmi.AtomAddress("A", gemmi.SeqId("9"), "TRP", "")
    structure.helices.append(helix)
    del structure[1]["A"][7:]
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "1abc.pdb").write_text(as_pdb(structure))
    options = {
        "models": "all",
        "format": "pdb",
        "include_file": True,
        "endpoints": {"rcsb_files": str(tmp_path / "files")},
    }
    ends = []
    for row in open_dataset(["1abc"], **options):
        (helix,) = load(row["file"], "again").structure.helices
        ends.append((helix.end.res_id.seqid.num, helix.end.res_id.name))
    assert ends == [(9, "TRP"), (7, "ALA")]


def test_snapshots_of_a_local_folder_do_not_make_a_dataset_another(tmp_path):
    (tmp_path / "1abc.cif").write_text("data_")
    before = _state(str(tmp_path))
    (tmp_path / ".snapshot" / "hourly").mkdir(parents=True)
    (tmp_path / ".snapshot" / "hourly" / "1abc.cif").write_text("data_")
    assert _state(str(tmp_path)) == before
    (tmp_path / "2abc.cif").write_text("data_")
    assert _state(str(tmp_path)) != before


@pytest.mark.parametrize("streaming", [True, False])
def test_what_is_known_of_the_databases_stays_with_the_rows(open_dataset, streaming):
    ds = open_dataset(["4hhb"], streaming=streaming)
    for kept in (ds, pickle.loads(pickle.dumps(ds)), ds.map(lambda row: {"more": 1})):
        assert kept.info.description == "Structure of 4hhb\nFrom pdb"
        assert kept.info.license == "cc0-1.0"
        assert kept.info.homepage == "https://www.wwpdb.org/"
        assert "Protein Data Bank" in kept.info.citation


def test_rows_that_may_be_of_alphafold_have_its_licence(open_dataset):
    info = open_dataset(["4hhb", "P45523"], streaming=True).info
    assert info.description == "Structures of 4hhb, P45523\nFrom pdb, alphafold"
    assert info.license == "cc-by-4.0"
    assert "AlphaFold" in info.citation
    assert open_dataset(["4hhb", "P45523"], fallback=False, streaming=True).info.license == "cc0-1.0"
