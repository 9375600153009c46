"""What builds the site: the extra `docs` of pyproject.toml, without torch and the rest, which it does not need."""

import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"

if __name__ == "__main__":
    with PYPROJECT.open("rb") as file:
        print("\n".join(tomllib.load(file)["project"]["optional-dependencies"]["docs"]))
