"""Build the site: `python -m documentation`. Strictly: whatever the builder warns of is an error."""

import shutil
import subprocess
import sys

from documentation import assembly
from documentation.navigation import ROOT


def main() -> int:
    """Assemble the pages in build/docs and build site/; the builder's exit code, 1 where a link is dead."""
    try:
        config = assembly.assemble(ROOT / "build" / "docs")
    except assembly.DeadLinkError as err:
        print(f"error: {err}", file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", str(config)]
    done = subprocess.run(command, cwd=ROOT)
    if done.returncode == 0:
        shutil.rmtree(ROOT / "site", ignore_errors=True)
        (config.parent / "site").rename(ROOT / "site")
        print(ROOT / "site" / "index.html")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
