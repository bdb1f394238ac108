# Options: PYTHON=python3.12 (what .venv is made with), ARGS='…' (handed on to the command), WORKERS=4 (test processes).

BIN := .venv/bin
WORKERS ?= 2
AXE := build/axe/node_modules/axe-core/axe.min.js

.DEFAULT_GOAL := help
.PHONY: help setup parity test test-all proof docs test-docs lint format bench goldens wheel clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# PYTHON counts where it is named; otherwise python3 makes .venv, and one that is there already is as good.
define SETUP
	@command -v "$(or $(PYTHON),python3)" >/dev/null || \
		{ echo "error: there is no '$(or $(PYTHON),python3)'; install Python 3.10 to 3.12, or name one: make PYTHON=..." >&2; exit 1; }
	@exec "$(or $(PYTHON),python3)" tools/bootstrap.py $(if $(PYTHON),,--any-python)
endef

setup: ## make .venv and install everything, or bring it up to date (the others do this by themselves)
	$(SETUP)

parity: setup ## compare the three frameworks with the reference, on real images
	@$(BIN)/netparity $(ARGS)

# Hundreds of processes import this code; without its bytecode each would compile it anew, whatever a container says.
unexport PYTHONDONTWRITEBYTECODE

# Each file's tests in one process, so that what several of them need is made once.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test: setup ## run the quick tests: one of each kind
	@$(PYTEST) $(ARGS)

test-all: setup ## run all tests: every layer, format, kill and import order
	@$(PYTEST) -m "not proof" $(ARGS)

# Each unit of a search stands alone, and a file of them is one search: no --dist loadfile.
proof: setup ## search for what the verdict misses, and for false alarms; goes on after a stop (half an hour)
	@$(BIN)/python -m pytest -n $(WORKERS) parity_tests/proof -m proof $(ARGS)

# From nothing each time: every number on a page is of this build's own run, whatever was there before.
docs: ## build the site into build/site, every code cell of it run
	$(SETUP) docs
	@rm -rf build/site build/doctrees build/jupyter_execute
	@$(BIN)/python -m sphinx -W --keep-going -q -d build/doctrees docs build/site

test-docs: docs $(AXE) ## build the site, and test it in Chromium
	@GOOGLENET_SITE=build/site $(PYTEST) parity_tests/project/test_site.py $(ARGS)

$(AXE):
	@command -v npm >/dev/null || { echo "error: npm is needed, to install axe-core" >&2; exit 1; }
	@npm install --prefix build/axe --no-save --no-package-lock --no-audit --no-fund --silent axe-core@4.14.1

lint: setup ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## every way of every backend beside ONNX Runtime, then the other benchmarks (one and a half hours)
	@$(BIN)/netparity bench --inference --training $(ARGS)
	@$(BIN)/netparity bench --inference --training --image-size 224 224 --batch-size 1 --batch-size 8 --batch-size 32 --rounds 3 $(ARGS)
	@set -e; for benchmark in $$(grep -l '^if __name__' benchmarks/*.py); do \
		echo "== $$benchmark"; $(BIN)/python "$$benchmark"; \
	done

goldens: setup ## keep what the three backends compute now as what the tests compare with
	@$(BIN)/python -m pytest parity_tests/compare/test_golden.py -k kept_numbers --parity-update $(ARGS)

wheel: setup ## build the wheel and the source archive into dist/
	@$(BIN)/python -m build

clean: ## remove .venv, caches and built files
	rm -rf .venv build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
