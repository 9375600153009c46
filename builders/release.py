"""What is installed is called, and its version: not out of metadata, which a checkout may lack."""

NAME = "perc-cryoem"
"""Of the distribution. `perc`, as the command is called, is another project's on PyPI."""
VERSION = "0.1.0"
