# `make help` lists the targets. Each one first sees to the environment it needs, in .venv, and a stamp file
# keeps that from happening twice; editing pyproject.toml or constraints.txt makes it happen again.

PYTHON ?= python3
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.installed-core
DEV := $(VENV)/.installed-dev
# Errors only. Bytecode is made when a module is first used: compiling all of torch and its kin took over half of
# the processor time of an installation (89 s with it, 37 s without).
# Where this is set, every process compiles all it imports anew: 9 s of processor time instead of 4 for torch and timm.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(BIN)/python -m pip install -qq --no-compile --disable-pip-version-check -c constraints.txt

# Keeps the theme from advertising in every build. (And no --quiet below: with it, --strict lets warnings pass.)
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check fast slow docs serve-docs manual format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(CORE) ## train on the 1,797 images inside scikit-learn; nothing is downloaded but packages
	$(BIN)/mindle train digits

test: check docs fast slow ## everything that CI runs

check: $(DEV) ## the quick half: format, lint, types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One thread for each worker: two test processes with two threads each only wait for one another.
fast: $(DEV) ## the tests that train nothing for long, with coverage over its floor
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not slow" \
		--cov=mindle --cov-report=term:skip-covered

# Tests of one file stay together, for they share trained runs.
slow: $(DEV) ## real trainings, the notebook and the examples of the documentation
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m slow --durations=10

docs: $(DEV) ## the site, built strictly, in site/
	$(BIN)/mkdocs build --strict

serve-docs: $(DEV) ## the site at http://127.0.0.1:8000, rebuilt as you write
	$(BIN)/mkdocs serve

manual: $(DEV) ## write the generated sections of docs/cli/*.md and docs/python.md anew
	$(BIN)/python scripts/manual.py

format: $(DEV) ## format, and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what the tools made; runs/ and the environment stay
	rm -rf site build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis coverage.xml
	rm -f .coverage .coverage.*
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mindle needs Python 3.11 or newer; this one is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(CORE): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing mindle into $(VENV); the first time takes a few minutes."
	$(INSTALL) -e .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing mindle and its tools into $(VENV); the first time takes a few minutes."
	$(INSTALL) -e ".[all,dev]"
	@touch $@ $(CORE)
