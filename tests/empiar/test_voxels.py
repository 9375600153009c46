import json

import numpy as np
import pytest

from builders import load_dataset
from builders.empiar.voxels import sign_told_by
from tests.empiar import deposit
from tests.mrc_encoder import header

PIXELS = np.array([[0, 100, 127], [128, 200, 255]], np.uint8)
BYTES = {"UNSIGNED BYTE": (8, False), "SIGNED BYTE": (8, True)}
SIGNS = BYTES | {"UNSIGNED 16 BIT INTEGER": (16, False), "SIGNED 16 BIT INTEGER": (16, True)}


def test_every_voxel_type_of_the_vocabulary_is_understood(shared):
    schema = json.loads((shared / "wire" / "empiar_api" / "empiar_deposition.schema.json").read_text())
    text = schema["properties"]["imagesets"]["items"]["properties"]["voxel_type"]["description"]
    names = [part.strip().split("'") for part in text.split(", 'T")]
    types = {f"T{i}": parts[-2] for i, parts in enumerate(names, 1)}
    assert "'T1' corresponds to 'UNSIGNED BYTE'" in text
    assert "'T2' - 'SIGNED BYTE'" in text
    for code, name in types.items():
        for spelling in (name, name.lower(), f"('{code}', '')", code):
            assert sign_told_by(spelling) == SIGNS.get(name), spelling


@pytest.mark.parametrize(
    ("text", "told"),
    [
        *(("", None), ("BYTE", None), ("(OT,8 BIT UNSIGNED INTEGER)", (8, False)), ("('OT', 'UINT8')", (8, False))),
        *(("int8", (8, True)), ("8-bit signed", (8, True)), ("UINT16", (16, False)), ("unsigned short", (16, False))),
        *(("16 BIT FLOAT", None), ("16 bit", None), ("UNSIGNED 8 BIT OR 16 BIT", None), ("UINT32", None)),
    ],
)
def test_free_text_is_read_for_its_words(text, told):
    assert sign_told_by(text) == told


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


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("voxel_type", ["UNSIGNED 16 BIT INTEGER", "T4", "UNSIGNED BYTE"])
def test_an_image_set_says_of_mode_1_what_its_statistics_leave_open(tmp_path, caplog, voxel_type, streaming):
    folder = tmp_path / deposit.ENTRY / "data"
    folder.mkdir(parents=True)
    values = PIXELS.astype(np.uint16) * 257
    evidence = {"a_none": {}, "b_unsigned": {"statistics": (0, 65535, 30000)}, "c_signed": {"statistics": (-9, 9, 0)}}
    for name, fields in evidence.items():
        (folder / f"{name}.mrc").write_bytes(bytes(header(3, 2, 1, 1, **fields)) + values.tobytes())
    deposit.write_xml(
        tmp_path, [("Micrographs", "data", f"x</category><voxelType>{voxel_type}</voxelType><category>y")]
    )
    cache = str(tmp_path / "c")
    options = {"entry": deposit.ENTRY, "archive": str(tmp_path), "cache_dir": cache, "streaming": streaming}
    found = [row["image"] for row in load_dataset("empiar", split="train", **options)]
    signed = values.view(np.int16)
    np.testing.assert_array_equal(found, [values if "UNSIGNED 16" in voxel_type else signed, values, signed])
    said = [message for message in caplog.messages if "as the image set says" in message]
    assert (
        sorted(("under mode 1" in m, "which counts more" in m) for m in said)
        == {  # several are looked at at once
            "UNSIGNED 16 BIT INTEGER": [(False, True), (True, False)],
            "T4": [(False, True)],
            "UNSIGNED BYTE": [],
        }[voxel_type]
    )
