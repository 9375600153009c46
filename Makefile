# Every target sets up what it needs in .venv; `make demo` and `make test` on a fresh clone are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NOTEBOOK := .notebook
CONFORMANCE := .conformance
CONFORMANCE_TOMO := .conformance-tomo
CONFORMANCE_MADE := .conformance-made
DOCS := .docs
RECIPES := .recipes
ONLY ?=
SMALL ?=

.PHONY: demo recipes notebook test lint docs bench package conformance conformance-tomo conformance-made formats versions newest clean

demo: $(READY)
	$(BIN)/python -m examples.demo

# the scripts of docs/recipes, one after another; on little data, to see that they run, with SMALL=1
recipes: $(RECIPES)/.ready
	$(RECIPES)/bin/python -m examples.recipes $(if $(SMALL),--small)

# an environment of its own: trainers and models are larger than all that the tests need
$(RECIPES)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(RECIPES)
	$(RECIPES)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[recipes]'
	@touch $@

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 0 tests/test_imports.py

# the site, in site/index.html, in an environment of its own; what the builder warns of is an error
docs: $(DOCS)/.ready
	$(DOCS)/bin/python -m documentation

$(DOCS)/.ready: pyproject.toml
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m documentation.requirements | $(DOCS)/bin/pip install --quiet --disable-pip-version-check -r /dev/stdin
	@touch $@

# runs examples/workflow.ipynb, and writes what came out into it
notebook: $(READY) $(NOTEBOOK)/.ready
	$(NOTEBOOK)/bin/python -m examples.notebook

# what runs notebooks, in an environment of its own over the packages of .venv
$(NOTEBOOK)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(NOTEBOOK)
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> "$$($(NOTEBOOK)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/packages-of-venv.pth"
	$(NOTEBOOK)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[notebook]'
	@touch $@

# beside other packages with CAKED_PYTHON=/path/to/python, EMPIARREADER_PYTHON=, VITRIO_PYTHON=, LITDATA_PYTHON=,
# LANCE_PYTHON=, MOSAIC_PYTHON= (mosaicml-streaming), WEBDATASET_PYTHON=, STARFILE_PYTHON= and COPICK_TORCH_PYTHON=
# (copick-torch 1.2.1 with --no-deps, copick, zarr<3, scipy, tqdm, torch==2.13.0), CRYOJAX_PYTHON= and ASPIRE_PYTHON=
# (cryojax 0.6.0, aspire 0.14.3); a part of it with ONLY="batches casts"
bench: $(READY)
	$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

# builds a source distribution and a wheel, and uses the wheel without the checkout
package: $(READY)
	.ci/package $(BIN)/python

# the table of formats in docs/builders/formats.md, out of the registry of formats
formats: $(READY)
	$(BIN)/python -m builders.io.formats.table docs/builders/formats.md

# an environment of its own: the packages that we compare with want other versions of torch than constraints.txt has
conformance: $(CONFORMANCE)/.ready
	$(CONFORMANCE)/bin/python -m conformance

$(CONFORMANCE)/.ready: pyproject.toml
	$(PYTHON) -m venv $(CONFORMANCE)
	$(CONFORMANCE)/bin/pip install --quiet --disable-pip-version-check -e '.[conformance]'
	@touch $@

# tomograms, picks and tilt series: their part of docs/conformance.md
conformance-tomo: $(CONFORMANCE_TOMO)/.ready
	$(CONFORMANCE_TOMO)/bin/python -m conformance.tomography

$(CONFORMANCE_TOMO)/.ready: pyproject.toml
	$(PYTHON) -m venv $(CONFORMANCE_TOMO)
	$(CONFORMANCE_TOMO)/bin/pip install --quiet --disable-pip-version-check -e '.[conformance-tomo]'
	@touch $@

# images made of a structure: the last part of docs/conformance.md
conformance-made: $(CONFORMANCE_MADE)/.ready
	$(CONFORMANCE_MADE)/bin/python -m conformance.made

$(CONFORMANCE_MADE)/.ready: pyproject.toml
	$(PYTHON) -m venv $(CONFORMANCE_MADE)
	$(CONFORMANCE_MADE)/bin/pip install --quiet --disable-pip-version-check -e '.[conformance-made]'
	@touch $@

versions:
	.ci/datasets-versions

newest:
	.ci/newest-python

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,lint]'
	@touch $@

clean:
	rm -rf $(VENV) $(DOCS) $(NOTEBOOK) $(CONFORMANCE) $(CONFORMANCE_TOMO) $(CONFORMANCE_MADE) $(RECIPES) demo-output build site
	rm -rf examples/workflow-output .mypy_cache .ruff_cache .pytest_cache
