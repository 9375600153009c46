"""Our conventions beside those of other packages: `python -m conformance` checks them, writes docs/conformance.md."""
