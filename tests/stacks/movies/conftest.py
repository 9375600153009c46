"""An archive of movies, on a server and as a mirror."""

import pytest

from tests.server import serve
from tests.stacks.movies import films


@pytest.fixture
def held(tmp_path):
    return films.write(tmp_path / "mirror")


@pytest.fixture
def archive(tmp_path, held):
    with serve() as server:
        server.publish(tmp_path / "mirror")
        yield server


@pytest.fixture(params=["http", "mirror"])
def place(request, tmp_path, archive):
    return archive.base if request.param == "http" else str(tmp_path / "mirror")
