# edsnb: `make demo` and `make test` need Python 3.11 or newer, make and a network; all else goes into $(VENV).
PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
STAMP := $(VENV)/.edsnb-installed
VERSION := import sys; print("%d.%d" % sys.version_info[:2])

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-binder browser lint bench lock install clean

help: ## Show what can be made
	@echo "make TARGET [PYTHON=python3.12] [VENV=.venv]"
	@sed -n 's/^\([a-z-]*\):.*## /  make \1:/p' Makefile | awk -F: '{ printf "%-14s %s\n", $$1, $$2 }'

demo: $(STAMP) ## Simulate a map, cut, fit and quantify it; pictures in results/demo
	@echo "edsnb: running the demo into results/demo (about a minute)"
	@$(BIN)/edsnb demo --out results/demo --overwrite

test: $(STAMP) browser ## Run the notebooks and the tests, in a real browser too, on two cores
	@echo "edsnb: running the tests in a browser, one at a time (about fifteen minutes)"
	@$(BIN)/python -m pytest tests/browser --ignore tests/browser/test_memory.py
	@echo "edsnb: running the other tests and the notebooks on two cores (about eight minutes)"
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --nbmake notebooks tests --ignore-glob "tests/browser/test_[!m]*"

test-binder: $(STAMP) browser ## Build Binder's environment in a clean folder, and try both of its doors in a browser
	@echo "edsnb: building Binder's environment anew (several minutes)"
	@$(BIN)/python -m pytest -s tests/browser/check_binder.py

lint: $(STAMP) ## Check style, format and types
	@echo "edsnb: ruff check"; $(BIN)/ruff check .
	@echo "edsnb: ruff format --check"; $(BIN)/ruff format --check .
	@echo "edsnb: mypy --strict"; $(BIN)/mypy

bench: $(STAMP) ## Measure speed beside HyperSpy and PyMca (needs PyMca5 in the venv); writes benchmarks/*.json
	@$(BIN)/python benchmarks/peers.py --out benchmarks/results.json
	@$(BIN)/python benchmarks/maps.py --out benchmarks/maps.json

LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --no-annotate --no-header --quiet

lock: $(STAMP) ## Write constraints.txt and binder/requirements.txt anew from pyproject.toml
	@echo "edsnb: resolving the dependencies for every platform (a minute)"
	@$(LOCK) --extra dev -o constraints.txt
	@$(LOCK) --extra notebook --extra build --constraint constraints.txt -o binder/requirements.txt

install: $(STAMP) ## Make the virtual environment, and nothing else

clean: ## Remove the virtual environment, caches and builds; results/ stays
	@if [ -e $(STAMP) ]; then rm -rf $(VENV); fi
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find edsnb tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# The browser tests take an installed Chromium or Chrome, or the one that EDSNB_BROWSER names.
browser:
	@for name in "$$EDSNB_BROWSER" chromium chromium-browser google-chrome google-chrome-stable chrome; do \
		if [ -n "$$name" ] && command -v "$$name" >/dev/null; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
		echo "edsnb: installing chromium"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	else \
		echo "edsnb: no browser for the tests; install one: sudo apt-get install chromium (or set EDSNB_BROWSER)" >&2; \
		exit 1; \
	fi

# Debian and Ubuntu ship python3 without ensurepip, which venv needs: root installs it, others are told how.
$(STAMP): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "edsnb: needs Python 3.11 or newer as $(PYTHON); name another one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		package="python$$($(PYTHON) -c '$(VERSION)')-venv"; \
		if [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
			echo "edsnb: installing $$package"; \
			export DEBIAN_FRONTEND=noninteractive; \
			apt-get -qq update && apt-get -qq install -y "$$package" >/dev/null; \
		else \
			echo "edsnb: Python's venv is missing; install it first: sudo apt-get install $$package" >&2; exit 1; \
		fi; }
	@test -x $(BIN)/pip || { echo "edsnb: making $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "edsnb: installing the pinned dependencies into $(VENV) (about 400 MB to fetch, one to five minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
