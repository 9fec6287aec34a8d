# Everything a person or CI runs. Each target prepares .venv first; nothing else needs to be installed
# but Python 3.11 or newer (with venv) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.prepared

.PHONY: setup demo test faults kill lint bench pin clean

setup: $(STAMP)

$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Variance needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Try: make $(or $(firstword $(MAKECMDGOALS)),setup) PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# DATA=path plays a recorded snapshot instead of the simulated market; PORT=8080 fixes the page's port.
demo: $(STAMP)
	@$(BIN)/python -m bot.demo $(if $(DATA),--data "$(DATA)") $(if $(PORT),--port $(PORT))

# Four at a time, a file in one process (up to 1.1 GB each): much of the suite waits for the pace of sources.
# One at a time: .venv/bin/python -m pytest
# They and the processes they start share compiled modules, also where these are not kept as a rule.
test: export PYTHONDONTWRITEBYTECODE =
test: $(STAMP)
	$(BIN)/python -m pytest -n 4 --dist loadfile

# Every source with every fault: what the user sees and what is stored, a row each.
faults: $(STAMP)
	@$(BIN)/python -m tests.faults

# The bot's process killed KILLS times (200) between the plan of a run and its last post: lost and doubled posts.
kill: $(STAMP)
	@$(BIN)/python -m tests.kill

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python -m bench

# Maintainers: writes the two requirements files anew from the .in files (needs uv).
pin:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q requirements.in -o requirements.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q requirements-dev.in -o requirements-dev.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis build *.egg-info
