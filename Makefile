# `make demo` converts the sample experiment; `make test` runs all tests. `make help` lists the rest.
# Nothing but git, make and a python3 is assumed; scripts/ fetches the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PY := .venv/bin/python
SAMPLE := examples/crab-loops
DEMO := demo/CrabTracks.zarr

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1	/' | expand -t 18

# Environments: made anew only when what they are made from has changed.
MADE_FROM := pyproject.toml constraints.txt hatch_build.py $(wildcard src/tracks2zarr/native/*.c)

.venv/.made-lean: $(MADE_FROM)
	@scripts/make-env lean

.venv/.made-dev: $(MADE_FROM)
	@scripts/make-env dev

tests/js/node_modules/.made: tests/js/package.json
	@scripts/install-js

.PHONY: env
env: .venv/.made-dev  ## make the development environment in .venv
	@echo "== ready: . .venv/bin/activate"

.PHONY: demo
demo: .venv/.made-lean  ## convert the sample experiment, verify it, show it
	@mkdir -p $(dir $(DEMO))
	.venv/bin/tracks2zarr create $(SAMPLE)/tracks $(SAMPLE)/loop-frames-ffmpeg.csv $(DEMO) --store-mode w --yes --report
	.venv/bin/tracks2zarr verify $(DEMO)
	.venv/bin/tracks2zarr info $(DEMO)
	@echo
	@echo "Pictures of it are in $(DEMO)-report.html, which any browser opens."
	@echo "The dataset is in $(DEMO). To open it, run $(PY) and type:"
	@echo '    import xarray; print(xarray.open_datatree("$(DEMO)", engine="zarr"))'

.PHONY: system
system:  ## install what the tests need from the system
	@scripts/install-system-packages

.PHONY: test
test: env system  ## test the wheels, then run all tests
	@[[ -e src/tracks2zarr/native/libtracks2zarr.so ]] || scripts/make-env dev  # there is a compiler now
	@$(MAKE) --no-print-directory tests/js/node_modules/.made
	@scripts/test-wheel
	@echo "== testing the checkout"
	@$(PY) -m pytest -n auto --durations=20

.PHONY: torture
torture: env system  ## run the tests that take minutes: faults at every moment
	@$(PY) -m pytest -n auto -m torture --durations=20

.PHONY: unit
unit: env  ## run the tests that need no packages of the system, without the wheel
	@$(PY) -m pytest -n auto -m "not system and not torture"

.PHONY: check
check: env  ## check style, types, imports between rooms, documentation, and what the files name
	@echo "== ruff"
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@echo "== mypy"
	@$(PY) -m mypy
	@echo "== imports between rooms"
	@.venv/bin/lint-imports --no-logo --no-cache
	@echo "== documentation"
	@$(PY) -m sphinx --quiet --fail-on-warning --nitpicky --fresh-env docs docs/_build/html
	@echo "== names of hosts and paths"
	@scripts/check-files
	@echo "== all checks passed"

.PHONY: format
format: env  ## format the code and repair what ruff can repair
	@$(PY) -m ruff check --fix
	@$(PY) -m ruff format

.PHONY: docs
docs: env  ## build the documentation into docs/_build/html
	@$(PY) -m sphinx --quiet --fail-on-warning --nitpicky docs docs/_build/html
	@echo "== docs/_build/html/index.html"

.PHONY: bench
bench: env  ## measure speed and memory
	@$(PY) -m benchmarks.run

.PHONY: bench-full
bench-full: env  ## measure a field season: half an hour, 15 GB
	@$(PY) -m benchmarks.run --full --rounds 1

.PHONY: clean
clean:  ## remove all that make has made
	rm -rf .venv .venv-wheel .uv build demo dist docs/_build tests/js/node_modules
	rm -rf docs/crab-loops $(filter-out docs/tutorials/index.md,$(wildcard docs/tutorials/*))
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
