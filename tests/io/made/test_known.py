import numpy as np

from builders.io.made.known import Known


class Maker:
    def __init__(self):
        self.made = []

    def pixels(self, indices, names):
        self.made.append((indices.tolist(), [*names]))
        return {name: np.full((len(indices), 2, 2), len(name)) for name in names}


def test_columns_that_are_asked_for_together_are_made_at_once_from_then_on():
    known = Known(maker := Maker(), "recipe.json")
    rows = [np.arange(start, start + 3) for start in range(0, 30, 3)]
    for some in rows[:2]:
        for name in ("image", "clean"):
            assert known.images(some, name)[0, 0, 0] == len(name)
    assert maker.made == [
        *(([0, 1, 2], ["image"]), ([0, 1, 2], ["clean"])),
        ([3, 4, 5], ["clean", "image"]),
    ]
    for some in rows[2:5]:
        known.images(some, "image")
    assert [names for _, names in maker.made[3:]] == [["clean", "image"], ["image"], ["image"]]


def test_rows_that_are_asked_for_again_are_made_again():
    known = Known(maker := Maker(), "recipe.json")
    rows = np.arange(3)
    first, again = known.images(rows, "image"), known.images(rows, "image")
    first += 1
    assert again.max() == len("image")
    assert len(maker.made) == 2
    for _ in range(3):
        known.images(rows, "image")
        known.images(rows, "clean")
    assert [names for _, names in maker.made[2:]] == [["image"], ["clean"], ["clean", "image"], ["clean", "image"]]
