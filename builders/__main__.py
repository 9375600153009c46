"""`python -m builders`: the same as `perc`."""

import sys

from builders.cli import main

sys.exit(main())
