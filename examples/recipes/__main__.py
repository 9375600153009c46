"""Run the recipes one after another, each in a process of its own: `make recipes`."""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
COLOURS = 128


def main(arguments: Sequence[str] | None = None) -> int:
    """1 when a recipe failed, after all have run."""
    parser = argparse.ArgumentParser(prog="python -m examples.recipes", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"by default all: {', '.join(NAMES)}")
    parser.add_argument("--small", action="store_true", help="on little data, to see that they run")
    parser.add_argument("--out", type=Path, default=Path("demo-output/recipes"), help="folder for data and pictures")
    parser.add_argument("--pictures", type=Path, help="folder that gets the pictures too, in few colours: docs/recipes")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"{', '.join(sorted(unknown))}: no such recipe: expected some of {', '.join(NAMES)}")
    codes, seconds = {}, {}
    for name in options.names or NAMES:
        print(f"== {name}", flush=True)
        start = time.perf_counter()
        command = [sys.executable, "-m", f"examples.recipes.{name}", "--out", str(options.out)]
        codes[name] = subprocess.run([*command, *(["--small"] if options.small else [])], check=False).returncode
        seconds[name] = time.perf_counter() - start
        if options.pictures and not codes[name]:
            _shrink(options.out / f"{name}.png", options.pictures / f"{name}.png")
    print(f"== {sum(seconds.values()):.0f} s in all")
    for name, code in codes.items():
        print(f"{seconds[name]:5.0f} s  {name}{f': failed with exit code {code}' if code else ''}")
    return int(any(codes.values()))


def _shrink(path: Path, to: Path) -> None:
    """Write a picture with few colours: a quarter of the bytes, and no difference to see."""
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(to, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
