# Each target does its own set-up.  `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CONFIG ?= config.example.yaml

# Kills of `make crash`; those of `make timers` take seconds each.
N ?= 1000
timers: N = 50

.PHONY: help run test check fix crash timers bench lock system-parts clean
.DEFAULT_GOAL := help

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: $(VENV)/runtime ## Run the daemon with the example configuration and the documented sample events
	$(BIN)/zennotify run --demo --config $(CONFIG)

test: $(VENV)/dev ## Run all tests
	$(BIN)/pytest

check: $(VENV)/dev ## Check format, lint, types, import contracts and tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

fix: $(VENV)/dev ## Format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

crash: $(VENV)/dev ## Kill the daemon N times under load and check that nothing is lost
	ZENNOTIFY_KILLS=$(N) $(BIN)/pytest -s tests/acceptance/test_crash.py

timers: $(VENV)/dev ## Kill the daemon N times while windows are open and check that each fires once
	ZENNOTIFY_OPEN_KILLS=$(N) $(BIN)/pytest -s tests/acceptance/test_timers.py

bench: $(VENV)/dev ## Measure against floors and peers in one run
	$(BIN)/python -m benchmarks

lock: $(VENV)/dev ## Pin the newest allowed versions in requirements*.lock
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile $(LOCK) pyproject.toml --group build -o requirements.lock
	$(BIN)/uv pip compile $(LOCK) pyproject.toml --extra postgres --group build --group dev -o requirements-dev.lock

LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

system-parts: ## Install with apt what some tests need: PostgreSQL, Chromium and systemd-analyze (as root)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends postgresql chromium fonts-dejavu-core systemd python3-venv

clean: ## Remove the virtual environment and the example's store
	rm -rf $(VENV) zennotify.db*

# On Debian the module that makes virtual environments is a package of its own.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "zennotify needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV); \
	  echo "Python's venv module is missing; installing it with apt"; \
	  $$([ "$$(id -u)" = 0 ] || echo sudo) sh -c 'apt-get update -qq && apt-get install -qq -y python3-venv' && \
	  $(PYTHON) -m venv $(VENV); }

$(VENV)/runtime: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
