import json

import pytest

from builders.errors import FormatError
from builders.structures.uniprot.entries import Peptide, peptides_of, told_inactive


def entry(*features, accession="P05067", **facts):
    kind = "UniProtKB reviewed (Swiss-Prot)"
    return {"entryType": kind, "primaryAccession": accession, "features": list(features), **facts}


def signal(start, end, start_is="EXACT", end_is="EXACT"):
    ends = {"start": {"value": start, "modifier": start_is}, "end": {"value": end, "modifier": end_is}}
    return {"type": "Signal", "location": ends}


@pytest.mark.parametrize(
    ("accession", "expected"),
    [
        ("P05067", [Peptide(1, 17)]),
        ("A8Y1C3", [Peptide(1, 19)]),
        ("P0DTR4", [Peptide(1, 27)]),
        ("P35372", []),
        ("P52789", []),
        ("A0A140VJM9", []),
    ],
)
def test_recorded_entries(shared, accession, expected):
    answer = json.loads((shared / "wire" / "uniprot" / f"{accession}.json").read_text())
    assert peptides_of(answer, accession) == (expected, [])


@pytest.mark.parametrize(
    ("name", "expected", "said"),
    [
        ("signal_exact", [Peptide(1, 17)], ""),
        ("signal_outside_start", [Peptide(1, 17)], ""),
        ("signal_unsure_end", [Peptide(1, 22)], "UniProt is unsure"),
        ("signal_unknown_end", [], "the end of a signal peptide is unknown"),
    ],
)
def test_every_kind_of_end(shared, name, expected, said):
    features = json.loads((shared / "wire" / "uniprot" / "RECONSTRUCTED_signal_position_variants.json").read_text())
    peptides, notes = peptides_of(entry(features[name]), "P05067")
    assert peptides == expected
    assert [said in note and note.startswith("P05067: ") for note in notes] == [True] * bool(said)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("deleted_live_2026-09-30", "P99997 was withdrawn (Not part of a reference proteome)"),
        ("demerged_live_2026-09-30", "P99997 was split into P99999, P99998"),
        ("merged_quoted", "P99997 was merged into A6QL63"),
    ],
)
def test_inactive_entries_say_so(shared, name, said):
    answers = json.loads((shared / "wire" / "uniprot" / "QUOTED_error_and_inactive_forms.json").read_text())
    peptides, notes = peptides_of(answers[name]["body"], "P99997")
    assert peptides == []
    assert len(notes) == 1
    assert said in notes[0]


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ({"inactiveReasonType": "MERGED", "mergeDemergeTo": []}, "was merged into other entries"),
        ({"inactiveReasonType": "DEMERGED"}, "was split into other entries"),
        ({"inactiveReasonType": "DELETED"}, "was withdrawn (deleted)"),
        (None, "was withdrawn (no reason told)"),
    ],
)
def test_inactive_entries_that_leave_out_why_or_where_to(reason, said):
    assert told_inactive({"entryType": "Inactive", "inactiveReason": reason}, "P99997") == f"P99997 {said}"
    assert told_inactive(entry(), "P05067") is None


@pytest.mark.parametrize("unsure", ["UNSURE", "OUTSIDE"])
def test_what_is_not_sure_is_said_of_both_ends(unsure):
    """But for a start outside of what was sequenced: all of that is signal peptide."""
    for feature, says in ((signal(2, 22, unsure), unsure == "UNSURE"), (signal(2, 22, "EXACT", unsure), True)):
        peptides, notes = peptides_of(entry(feature), "P05067")
        assert (peptides, len(notes)) == ([Peptide(2, 22)], says)


def test_all_of_them_count_in_order_and_once():
    features = [signal(40, 50), {"type": "Chain"}, signal(1, 25), signal(1, 25)]
    assert peptides_of(entry(*features), "P05067") == ([Peptide(1, 25), Peptide(40, 50)], [])


def test_an_entry_answers_to_its_secondary_accessions_and_to_no_other():
    merged = entry(signal(1, 17), secondaryAccessions=["P09000"])
    assert peptides_of(merged, "P09000")[0] == peptides_of(merged, "P05067-2")[0] == [Peptide(1, 17)]
    with pytest.raises(FormatError, match="P00698: the answer is the UniProt entry of 'P05067'"):
        peptides_of(merged, "P00698")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "<html>",
        {},
        {"messages": ["Resource not found"]},
        {**entry(), "entryType": 5},
        {**entry(), "features": {}},
        {**entry(), "features": ["Signal"]},
        entry({"type": "Signal"}),
        entry({"type": "Signal", "location": {"start": 1, "end": 17}}),
        entry(signal("1", 17)),
        entry(signal(True, 17)),
        entry(signal(1, 17.5)),
        entry(signal(0, 17)),
        entry(signal(1, 10**9)),
        entry(signal(1, float("nan"))),
        entry(signal(18, 17)),
        entry(signal(1, 17, start_is=None)),
    ],
)
def test_what_is_no_entry_is_refused(answer):
    with pytest.raises(FormatError, match="P05067: "):
        peptides_of(answer, "P05067")


def test_remote_text_cannot_act_on_a_terminal():
    with pytest.raises(FormatError) as caught:
        peptides_of("\x1b[2J" * 1000, "P05067")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200
