"""Training scripts to copy and change, each with a page in docs/recipes; `make recipes` runs all of them."""
