# Every target installs what it needs into .venv. The first run of a fresh clone takes about half a minute.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

# With this variable set, every process and test run would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run test check format e2e bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.dev ## install the project and its development tools into .venv

run: $(VENV)/.run ## start the fleet, with its page on http://localhost:41790
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

e2e: $(VENV)/.e2e ## run the tests with real Docker, a real browser, and killed processes
	$(BIN)/python -m pytest -o addopts='-v -ra -p no:simcord --strict-markers --tb=short --durations=10 --import-mode=importlib' tests/e2e

bench: $(VENV)/.dev ## run the benchmarks and write docs/performance.md
	$(BIN)/python -m tests.bench

clean: ## remove the virtual environment and build files, but never the fleet's state
	rm -rf $(VENV) dist artifacts .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is required. On Debian: apt install python3 python3-venv" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip' 2>/dev/null || \
		{ echo "$(PYTHON) cannot create a virtual environment. On Debian: apt install python3-venv" >&2; exit 1; }
	@echo "creating $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing (about half a minute the first time)"
	@$(PIP) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing the development tools"
	@$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.run

$(VENV)/.e2e: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing the development tools, Docker and the browser"
	@$(PIP) -e '.[dev,e2e]'
	@touch $@ $(VENV)/.dev $(VENV)/.run
