import json

import numpy as np
import pytest

from builders import load_dataset
from builders.empiar.voxels import are_signed_bytes
from tests.empiar import deposit
from tests.mrc_encoder import header

PIXELS = np.array([[0, 100, 127], [128, 200, 255]], np.uint8)
BYTES = {"UNSIGNED BYTE": False, "SIGNED BYTE": True}


def test_every_voxel_type_of_the_vocabulary_is_understood(shared):
    schema = json.loads((shared / "wire" / "empiar_api" / "empiar_deposition.schema.json").read_text())
    text = schema["properties"]["imagesets"]["items"]["properties"]["voxel_type"]["description"]
    names = [part.strip().split("'") for part in text.split(", 'T")]
    types = {f"T{i}": parts[-2] for i, parts in enumerate(names, 1)}
    assert "'T1' corresponds to 'UNSIGNED BYTE'" in text
    assert "'T2' - 'SIGNED BYTE'" in text
    for code, name in types.items():
        for spelling in (name, name.lower(), f"('{code}', '')", code):
            assert are_signed_bytes(spelling) == BYTES.get(name), spelling


@pytest.mark.parametrize(
    ("text", "signed"),
    [
        *(("", None), ("BYTE", None), ("(OT,8 BIT UNSIGNED INTEGER)", False), ("('OT', 'UINT8')", False)),
        *(("int8", True), ("8-bit signed", True), ("UNSIGNED 16 BIT INTEGER", None), ("UINT16", None)),
    ],
)
def test_free_text_is_read_for_its_words(text, signed):
    assert are_signed_bytes(text) is signed


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("voxel_type", ["UNSIGNED BYTE", "SIGNED BYTE", "32 BIT FLOAT"])
def test_an_image_set_says_of_bytes_what_their_file_leaves_open(tmp_path, caplog, voxel_type, streaming):
    folder = tmp_path / deposit.ENTRY / "data"
    folder.mkdir(parents=True)
    evidence = {"a_none": {}, "b_statistics": {"statistics": (0, 255, 135)}, "c_stamp": {"imod_flags": 1}}
    for name, fields in evidence.items():
        (folder / f"{name}.mrc").write_bytes(bytes(header(3, 2, 1, 0, **fields)) + PIXELS.tobytes())
    deposit.write_xml(
        tmp_path, [("Micrographs", "data", f"x</category><voxelType>{voxel_type}</voxelType><category>y")]
    )
    ds = load_dataset(
        "empiar",
        entry=deposit.ENTRY,
        archive=str(tmp_path),
        cache_dir=str(tmp_path / "c"),
        streaming=streaming,
        split="train",
    )
    found = [row["image"] for row in ds]
    signed = PIXELS.view(np.int8)
    expected = [PIXELS if voxel_type == "UNSIGNED BYTE" else signed, PIXELS, signed]
    np.testing.assert_array_equal(found, expected)
    contradicted = {"UNSIGNED BYTE": "c_stamp", "SIGNED BYTE": "b_statistics"}.get(voxel_type, "nothing")
    said = [r.message for r in caplog.records if "though the file's header says" in r.message]
    assert [contradicted in message for message in said] == [True] * (voxel_type in BYTES)
