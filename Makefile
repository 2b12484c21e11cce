# Everything runs in .venv, which the first target that needs it makes inside the repository.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
READY := .venv/.ready
SOAK_SEED ?= 1

help:  ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY)  ## a simulated camera on loopback, 400 pictures, and the red giant found in them
	@$(BIN)/python examples/demo.py

test: $(READY)  ## run every test; one whose peer is missing is skipped and says what to install
	@$(BIN)/pytest

check: $(READY)  ## formatting, lint, types, import rules, dead code, documentation
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/vulture
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir site

peers:  ## install the Debian packages that tests run against (apt, as root)
	@.ci/peers

bench: bench-camera bench-link  ## every benchmark: the figures of docs/performance.md

bench-camera: $(READY)  ## the camera on a real wire and on loopback, its peers, the ring, the scorer; a line of headline figures each
	@set -e; for part in wire stream latency many peers ring scorer; do $(BIN)/python benchmarks/$$part.py; echo; done

bench-link: $(READY)  ## files on loopback and over a slow, lossy link beside TCP, the spool, an idle node; a line of headline figures each
	@set -e; for part in files spool idle; do $(BIN)/python benchmarks/$$part.py; echo; done

soak: $(READY)  ## the long campaigns, seeded (SOAK_SEED=1): every property 5000 times, hostile packets, half an hour of streaming, 200 kills and cuts
	@$(BIN)/pytest -m hypothesis --hypothesis-profile=soak --hypothesis-seed=$(SOAK_SEED) --timeout=1800
	@HELIOGRAPH_SOAK=1 SOAK_SEED=$(SOAK_SEED) $(BIN)/pytest tests/soak --timeout=7200

clean:  ## remove .venv and everything built
	rm -rf .venv site dist build data demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): constraints.txt pyproject.toml .ci/venv
	@.ci/venv
	@touch $@

.PHONY: help demo test check peers bench bench-camera bench-link soak clean
