"""`fetch` and `clean`: the examples of the paper, names of files, many ids at once, and what can go wrong."""

import gzip
import logging
import threading
from typing import ClassVar

import gemmi
import pytest

from builders.errors import (
    DiskFullError,
    FormatError,
    NotEmptyError,
    NotFoundError,
    OptionError,
    PercError,
    ReadError,
    UnreachableError,
)
from builders.io.files.whole_file import write_whole
from builders.structures import Candidate, Fetched, clean, fetch, register
from builders.structures.cleaning.clean import REMOVABLE
from builders.structures.databases.resolve import Found
from builders.structures.saving import stem_of
from tests.server import Fault


@pytest.fixture
def bring(endpoints, tmp_path):
    def bring(ids, *args, **kwargs):
        return fetch(ids, *args, endpoints=endpoints, cache_dir=str(tmp_path / "cache"), **kwargs)

    return bring


def residues(path):
    return [(r.seqid.num, r.name) for r in gemmi.read_structure(str(path))[0][0]]


# the paper


def test_4v1w_as_cif(bring, databases, tmp_path):
    result = bring("4v1w", format="cif", save_dir=tmp_path)
    assert result == Fetched("4v1w", tmp_path / "4v1w.cif", "pdb", "4v1w", "cif")
    assert result.path.read_bytes() == databases.files["/download/4V1W.cif"]


def test_p45523_as_pdb_with_everything_removed(bring, tmp_path):
    result = bring("P45523", format="pdb", save_dir=tmp_path, remove=REMOVABLE)
    assert result.path.name == "p45523_1q6h_nosignal1to25_nohydrogens_nowater_nohetatm.pdb"
    structure = gemmi.read_structure(str(result.path))
    structure.setup_entities()
    assert {residue.entity_type for residue in structure[0]["A"]} == {gemmi.EntityType.Polymer}
    assert not any(atom.is_hydrogen() for chain in structure[0] for residue in chain for atom in residue)
    assert structure[0]["A"][0].seqid.num == 1  # the author's 1 is what follows the signal peptide; 15-25 were there
    assert len(structure.entities[0].full_sequence) == 257 - 25


def test_without_removing_the_file_is_what_the_database_has(bring, databases, tmp_path):
    result = bring("P45523", save_dir=tmp_path)
    assert result.path.name == "p45523_1q6h.cif"
    assert result.path.read_bytes() == databases.files["/download/1Q6H.cif"]
    assert (result.coverage, result.resolution) == (pytest.approx(0.9), 1.97)


def test_numbers_of_the_author_are_no_numbers_of_uniprot(bring, tmp_path):
    """2beg numbers residues 1 to 42 of a protein whose signal peptide is 1 to 17: none of it is there."""
    whole, cut = (bring("2beg", format="pdb", save_dir=tmp_path, remove=r) for r in ((), ["signal_peptides"]))
    assert residues(cut.path) == residues(whole.path)
    assert cut.path.name == "2beg_nosignal1to17.pdb"
    assert cut.path.read_bytes() == whole.path.read_bytes()  # nothing was taken away: it is the file as it came


def test_a_predicted_model_loses_its_signal_peptide(bring, tmp_path):
    whole, cut = (bring("AF-P45523-F1", save_dir=tmp_path, remove=r) for r in ((), ["signal_peptides"]))
    assert residues(cut.path) == residues(whole.path)[25:]
    assert cut.path.name == "af-p45523-f1_nosignal1to25.cif"


# many ids


def test_one_in_one_out_and_a_list_for_a_list(bring):
    assert isinstance(bring("4v1w"), Fetched)
    assert [item.entry_id for item in bring(["4v1w"])] == ["4v1w"]
    assert [item.id for item in bring(("P69905", "4v1w", "p69905"))] == ["P69905", "4v1w", "P69905"]


def test_a_list_in_a_file(bring, tmp_path):
    (tmp_path / "ids.txt").write_text("# ours\n4v1w\nP69905 # haemoglobin\n")
    assert [item.entry_id for item in bring(tmp_path / "ids.txt")] == ["4v1w", "4hhb"]


def test_ids_as_people_have_them(bring, databases, caplog):
    found = bring("https://www.rcsb.org/structure/4HHB")
    assert isinstance(found, Fetched)
    assert [item.id for item in bring("4hhb, 2beg")] == ["4hhb", "2beg"]
    results = bring(["4HHB:A", "4hhb:B", "AF-P45523-F1-model_v4", "sp|P45523|FKBA_ECOLI", "PDB:2beg"])
    assert [item.id for item in results] == ["4hhb", "4hhb", "AF-P45523-F1", "P45523", "2beg"]
    assert len({item.path for item in results}) == 4
    assert len([message for message in caplog.messages if "stands for the whole entry" in message]) == 1
    assert len([message for message in caplog.messages if "in its present version" in message]) == 1


def test_what_is_named_twice_is_fetched_once(bring, databases):
    results = bring(["4hhb", "4HHB", "4hhb"])
    assert len({item.path for item in results}) == 1
    assert [request.path for request in databases.asked("rcsb_files")] == ["/download/4HHB.cif.gz"]


def test_many_ids_come_several_at_once_but_not_too_many(databases, bring):
    file = databases.files["/download/2BEG.cif"].decode()
    ids = [f"{number}a{letter}{other}" for number in range(1, 6) for letter in "abcdefg" for other in "xyz"]
    for id in ids:
        databases.add_entry(id, file)
    databases.latency = 0.01
    results = bring(ids)
    assert [item.entry_id for item in results] == ids
    assert 2 < databases.most_under_way <= 8


def test_what_fails_is_left_out_and_listed(databases, bring, tmp_path, caplog):
    databases.broken["rcsb_search"] = Fault(status=500)
    table = tmp_path / "left_out.tsv"
    ids = ["4v1w", "nonsense", "9xyz", "P45523", "AF-F4HVG8-F1"]
    with caplog.at_level(logging.WARNING):
        results = bring(ids, on_error="skip", quarantine=str(table))
    assert [item.id for item in results] == ["4v1w", "AF-F4HVG8-F1"]
    lines = [line.split("\t") for line in table.read_text().splitlines()]
    assert [line[0] for line in lines] == ["path", "nonsense", "9xyz", "P45523"]
    assert "is no id" in lines[1][1]
    assert "not there" in lines[2][1]
    assert "HTTP 500" in lines[3][1]
    assert "left out 3 of 5 ids" in caplog.text


def test_a_full_disk_is_no_fault_of_an_id(bring, monkeypatch):
    def full(*args):
        raise DiskFullError("no room left")

    monkeypatch.setattr("builders.structures.saving.write_whole", full)
    with pytest.raises(DiskFullError):
        bring(["4v1w", "AF-F4HVG8-F1"], on_error="skip")


def test_what_fails_is_an_error_by_default_and_the_rest_is_kept(databases, bring):
    with pytest.raises(NotFoundError, match="9xyz"):
        bring(["4v1w", "9xyz"])
    databases.requests.clear()
    assert bring("4v1w").entry_id == "4v1w"
    assert databases.requests == []


@pytest.mark.parametrize("ids", ["nonsense", ["nonsense"], ["4v1w", "nonsense"]])
def test_an_id_of_no_form_is_an_error_before_anything_is_asked(databases, bring, ids):
    with pytest.raises(OptionError, match="'nonsense' is no id"):
        bring(ids)
    assert databases.requests == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"db": "pdbx"}, "db is 'pdbx': expected 'pdb' or 'alphafold'"),
        ({"format": "xml"}, "format is 'xml': expected 'cif' or 'pdb'"),
        ({"remove": ["waters"]}, "expected some of 'signal_peptides', 'hydrogens', 'water', 'hetatms'"),
        ({"remove": 5}, "remove is 5"),
        ({"on_error": "ignore"}, "expected 'raise' or 'skip'"),
        ({"fallback": "no"}, "expected True or False"),
        ({"quarantine": "x.tsv"}, "needs on_error='skip'"),
    ],
)
def test_options_that_are_none(bring, options, message):
    with pytest.raises(OptionError, match=message):
        bring("4v1w", **options)


def test_two_who_want_one_structure_make_one_download(databases, bring):
    databases.latency = 0.05
    threads = [threading.Thread(target=bring, args=("4hhb",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(databases.asked("rcsb_files")) == 1


def test_anew_asks_each_thing_once_whatever_wants_it(databases, bring):
    """Others read what it brought: it is not taken away from under them."""
    ids = ["P45523", "1q6h", "AF-P45523-F1", "P69905", "4hhb", "P68871"]
    bring(ids, remove=["signal_peptides"])
    for _ in range(5):
        databases.requests.clear()
        bring(ids, remove=["signal_peptides"], anew=True)
        asked = [(request.path, request.body) for request in databases.requests]
        assert asked
        assert len(asked) == len(set(asked))


def test_anew_keeps_what_there_was_where_a_server_fails(databases, bring):
    first = bring("P45523")
    for service in ("rcsb_search", "rcsb_files"):
        databases.broken = {service: Fault(status=500)}
        with pytest.raises(PercError, match="HTTP 500"):
            bring("P45523", anew=True)
    assert bring("P45523") == first


def test_nothing_half_written_is_left(databases, bring, tmp_path):
    databases.fail("/download/4HHB.cif.gz", Fault(cut=100), Fault(cut=0), Fault(cut=0), Fault(cut=0))
    with pytest.raises(PercError, match="4HHB"):
        bring("4hhb", save_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert bring("4hhb", save_dir=tmp_path / "out").path.read_bytes() == databases.files["/download/4HHB.cif"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["4hhb.cif"]


def test_a_file_that_cannot_take_its_place_leaves_nothing(tmp_path):
    (tmp_path / "4v1w.cif" / "x").mkdir(parents=True)
    with pytest.raises(ReadError, match="4v1w"):
        write_whole(tmp_path / "4v1w.cif", b"data_4V1W")
    assert [path.name for path in tmp_path.iterdir()] == ["4v1w.cif"]


def test_a_file_of_the_cache_is_written_once(bring):
    path = bring("4v1w").path
    written = path.stat().st_ino, path.stat().st_mtime_ns
    assert bring("4v1w").path == path
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == written


def test_a_connection_that_breaks_is_gone_on_with(databases, bring):
    packed = databases.files["/download/4HHB.cif.gz"]
    databases.fail("/download/4HHB.cif.gz", Fault(cut=len(packed) // 2, reset=True))
    assert bring("4hhb").path.read_bytes() == gzip.decompress(packed)


@pytest.mark.parametrize("remove", [(), ["water"]])
def test_a_damaged_file_in_the_cache_is_fetched_again(databases, bring, tmp_path, remove):
    bring("4hhb")
    packed = databases.files["/download/4HHB.cif.gz"]
    (copy,) = [p for p in (tmp_path / "cache").rglob("*") if p.is_file() and p.read_bytes() == packed]
    copy.write_bytes(packed[:-20] + bytes(20))  # of the right size
    with pytest.raises(FormatError, match="4hhb"):
        bring("4hhb", remove=remove)
    assert bring("4hhb", remove=remove).path.stat().st_size > 0


def test_a_damaged_answer_in_the_cache_is_asked_for_again(databases, bring, tmp_path):
    first = bring("P45523", remove=["signal_peptides"])
    answers = [p for p in (tmp_path / "cache").rglob("*") if p.name.isalnum() and p.is_file()]
    answers = [p for p in answers if p.read_bytes().startswith(b"{")]
    assert len(answers) == 3
    for answer in answers:
        answer.write_bytes(bytes(answer.stat().st_size))  # as a disk without power leaves it
    databases.requests.clear()
    assert bring("P45523", remove=["signal_peptides"]) == first
    assert len(databases.requests) == 3


# what is there already


@pytest.mark.parametrize("remove", [(), ["water"]])
def test_a_file_of_somebody_is_not_replaced(bring, wash, tmp_path, remove):
    target = tmp_path / ("4hhb_nowater.cif" if remove else "4hhb.cif")
    target.write_bytes(b"mine")
    with pytest.raises(NotEmptyError, match=rf"{target.name}: something else is there, which was not replaced"):
        bring("4hhb", save_dir=tmp_path, remove=remove)
    if remove:
        with pytest.raises(NotEmptyError, match="something else is there"):
            wash(bring("4hhb", save_dir=tmp_path).path, remove)
    assert target.read_bytes() == b"mine"
    assert bring(["4hhb"], save_dir=tmp_path, remove=remove, on_error="skip") == []
    assert bring("4hhb", save_dir=tmp_path, remove=remove, overwrite=True).path == target
    assert target.read_bytes() != b"mine"
    written = target.stat().st_ino
    assert bring("4hhb", save_dir=tmp_path, remove=remove).path.stat().st_ino == written  # the same: left alone


# databases that others add


class _Evil:
    """A database that calls its entries as no file may be called."""

    name = "evil"
    services: ClassVar = {}
    formats = ("cif",)

    def claim(self, text):
        return text if text.startswith("evil") else None

    def candidates(self, id, services):
        return [Candidate("evil", "../../x")]

    def places(self, candidate, format, services):
        return services.places("rcsb_files", "/download/4HHB.cif.gz")

    def check(self, data, format, name):
        pass


def test_a_database_that_is_added_is_known_and_names_no_path(bring, monkeypatch):
    from builders.structures.databases import sources

    monkeypatch.setattr(sources, "_sources", dict(sources._sources))
    register(_Evil())
    with pytest.raises(FormatError, match="no name for a file"):
        bring("evil1")


def test_names_are_taken_once():
    class Other:
        name = "pdb"
        services: ClassVar = {}
        formats = ("cif",)

    with pytest.raises(OptionError, match="called 'pdb' is there already"):
        register(Other())

    class Services(Other):
        name = "other"
        services: ClassVar = {"alphafold": "https://example.org"}

    with pytest.raises(OptionError, match="a service called 'alphafold' is there already"):
        register(Services())


def test_files_of_accessions_are_named_by_both():
    assert stem_of(Found("P45523", Candidate("pdb", "1q6u"), "pdb", "")) == "p45523_1q6u"
    assert stem_of(Found("4v1w", Candidate("pdb", "4v1w"), "cif", "")) == "4v1w"
    assert stem_of(Found("1cukA01", Candidate("cath", "1cukA01"), "pdb", "")) == "1cukA01"


# clean


@pytest.fixture
def wash(endpoints, tmp_path):
    def wash(path, *args, **kwargs):
        return clean(path, *args, endpoints=endpoints, cache_dir=str(tmp_path / "cache"), **kwargs)

    return wash


def test_a_file_is_cleaned_beside_itself(bring, wash, tmp_path):
    file = bring("P45523", format="pdb", save_dir=tmp_path).path
    result = wash(file)
    assert result == tmp_path / "p45523_1q6h_nosignal1to25_nohydrogens_nowater_nohetatm.pdb"
    assert (
        result.read_bytes()
        == bring("P45523", format="pdb", save_dir=tmp_path / "b", remove=REMOVABLE).path.read_bytes()
    )


@pytest.mark.parametrize("name", ["1q6h.pdb", "pdb1q6h.ent", "1q6h.pdb1", "1Q6H.PDB"])
def test_cleaning_a_cleaned_file_again_is_as_cleaning_it_at_once(databases, wash, tmp_path, name):
    file = tmp_path / name
    file.write_bytes(databases.files["/download/1Q6H.pdb"])
    once = wash(file, ["hydrogens", "water", "signal_peptides"], tmp_path / "once")
    steps = wash(wash(wash(file, ["water"]), ["signal_peptides"]), ["hydrogens"])
    assert steps.name == once.name == f"{file.stem}_nosignal1to25_nohydrogens_nowater.pdb"
    assert steps.read_bytes() == once.read_bytes()
    assert wash(steps, ["water"]) == steps


def test_a_packed_file_is_cleaned(databases, wash, tmp_path):
    file = tmp_path / "1q6h.cif.gz"
    file.write_bytes(databases.files["/download/1Q6H.cif.gz"])
    result = wash(file, ["water", "hetatms"], tmp_path / "out")
    assert result == tmp_path / "out" / "1q6h_nowater_nohetatm.cif"
    assert len(gemmi.read_structure(str(result))[0]) == 1


def test_a_file_that_says_no_accession_can_be_told_it(databases, wash, tmp_path, caplog):
    text = databases.files["/download/1Q6H.pdb"].decode()
    file = tmp_path / "mine.pdb"
    file.write_text("".join(line for line in text.splitlines(True) if not line.startswith("DBREF")))
    result = wash(file, ["signal_peptides"], accession="p45523")
    assert result.name == "mine_nosignal1to25.pdb"
    assert residues(result)[0] == residues(file)[11]
    assert wash(file, ["signal_peptides"]) == file
    assert "does not say which proteins of UniProt it has" in caplog.text
    assert "nothing of it is to go" in caplog.text


def test_a_result_that_would_replace_the_file_needs_a_folder(bring, wash, tmp_path):
    file = bring("2beg", save_dir=tmp_path).path
    with pytest.raises(OptionError, match="the result would replace it: name a save_dir"):
        wash(file, [], models="first")
    result = wash(file, [], tmp_path / "out", models="first")
    assert [len(gemmi.read_structure(str(path))) for path in (file, result)] == [2, 1]


def test_a_file_without_sequence_records_loses_its_signal_peptide_too(databases, wash, tmp_path):
    file = tmp_path / "mine.pdb"
    text = databases.files["/download/1Q6H.pdb"].decode()
    file.write_text("".join(line for line in text.splitlines(True) if line.startswith(("ATOM", "HETATM", "TER"))))
    result = wash(file, ["signal_peptides"], accession="P45523")
    assert residues(result) == residues(file)[11:]


def test_files_that_cannot_be_cleaned(wash, tmp_path):
    with pytest.raises(NotFoundError, match=r"none\.pdb: no such file"):
        wash(tmp_path / "none.pdb")
    (tmp_path / "page.pdb").write_text("<html>")
    with pytest.raises(FormatError, match=r"page\.pdb"):
        wash(tmp_path / "page.pdb")
    with pytest.raises(OptionError, match="expected a UniProt accession"):
        wash(tmp_path / "page.pdb", accession="4v1w")


def test_who_is_offline_is_told_what_can_be_removed_all_the_same(bring, endpoints, tmp_path):
    file = bring("P45523", save_dir=tmp_path).path
    offline = {**endpoints, "uniprot": "http://127.0.0.1:9"}
    with pytest.raises(
        UnreachableError, match=r"UniProt is asked.*--remove hydrogens water hetatms\) needs no network"
    ):
        clean(file, endpoints=offline, cache_dir=str(tmp_path / "other"))
    assert clean(file, REMOVABLE[1:], endpoints=offline, cache_dir=str(tmp_path / "other")).is_file()


def test_a_structure_without_polymer(wash, shared):
    with pytest.raises(FormatError, match=r"no-polymer\.pdb: no atom is left .*no polymer"):
        wash(shared / "data" / "struct" / "no-polymer.pdb", ["hetatms"])


def test_unknown_ends_cut_nothing_and_say_so(databases, wash, bring, tmp_path, caplog):
    databases.add_protein("P45523", "M" * 270, [(1, None)])
    file = bring("P45523", save_dir=tmp_path).path
    assert wash(file, ["signal_peptides"]) == file
    assert "P45523: the end of a signal peptide is unknown: it cannot be cut" in caplog.text


def test_an_unset_variable_of_the_shell_and_a_folder_are_no_files(bring, wash, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (lambda: bring("4v1w", save_dir=""), lambda: wash(""), lambda: wash("x.cif", save_dir="")):
        with pytest.raises(OptionError, match=r"(save_dir|path) is '': expected a path"):
            call()
    with pytest.raises(IsADirectoryError, match=r"a folder: expected a file in PDB or mmCIF format.*\*\.cif"):
        wash(tmp_path)
    assert not list(tmp_path.glob("*.cif"))
