# Every target sets up what it needs: the first run of a fresh clone installs into .venv, later runs start at once.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

# Where a shell forbids compiled modules, every process and every test run would compile ours anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run test check format e2e bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.dev ## install everything that development needs into .venv

run: $(VENV)/.run ## start the fleet; the page is then on http://localhost:41790
	@$(BIN)/fleet up

test: $(VENV)/.dev ## run the tests that need no Docker and no browser
	$(BIN)/python -m pytest

check: $(VENV)/.e2e ## check format, lint, types, the import contract and the voice
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.voice

format: $(VENV)/.dev ## format the code and fix lint errors where possible
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

e2e: $(VENV)/.e2e ## run the tests on real Docker, in a real browser, and of whole processes that are killed
	$(BIN)/python -m pytest -o addopts='-v -ra -p no:simcord --strict-markers --tb=short --durations=10 --import-mode=importlib' tests/e2e

bench: $(VENV)/.dev ## measure, and write docs/performance.md
	$(BIN)/python -m tests.bench

clean: ## remove what was installed and built, never your fleet's state
	rm -rf $(VENV) dist artifacts .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found. On Debian: apt install python3 python3-venv" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make a virtual environment. On Debian: apt install python3-venv" >&2; exit 1; }
	@echo "making $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing (about half a minute the first time)"
	@$(PIP) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing the tools for development"
	@$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.run

$(VENV)/.e2e: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing the tools for development, Docker and the browser"
	@$(PIP) -e '.[dev,e2e]'
	@touch $@ $(VENV)/.dev $(VENV)/.run
