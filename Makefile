# `make demo` and `make test` set themselves up on a machine with Python 3.11 or newer and nothing else.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3.14 python3,$(if $(shell command -v $(p)),$(p))))

.PHONY: setup demo test bench nightly crash lock clean
.DELETE_ON_ERROR:

setup: $(VENV)/.run

define new_venv
	@$(if $(PYTHON),,echo "Dailies needs Python 3.11 or newer, and no python3 was found." >&2; exit 1)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Dailies needs Python 3.11 or newer; $$($(PYTHON) --version) was found. Name another with: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "This Python has no venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
endef

$(VENV)/.run: requirements.lock pyproject.toml
	$(new_venv)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.run
	$(BIN)/dailies demo

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -n auto --dist loadfile

bench: $(VENV)/.dev
	PYTHONPATH=. $(BIN)/python tests/bench/quota.py
	PYTHONPATH=. $(BIN)/python tests/bench/media_in.py
	PYTHONPATH=. $(BIN)/python tests/bench/media_out.py
	PYTHONPATH=. $(BIN)/python tests/bench/media_fit.py
	PYTHONPATH=. $(BIN)/python tests/bench/animatic.py
	PYTHONPATH=. $(BIN)/python tests/bench/delivery.py
	PYTHONPATH=. $(BIN)/python tests/bench/polling.py
	PYTHONPATH=. $(BIN)/python tests/bench/fairness.py
	PYTHONPATH=. $(BIN)/python tests/bench/polls.py

nightly: $(VENV)/.dev
	PYTHONPATH=. $(BIN)/python tests/bench/ledger_model.py 2000 50
	PYTHONPATH=. $(BIN)/python tests/bench/mutants.py
	PYTHONPATH=. $(BIN)/python tests/bench/quota.py 1000

crash: $(VENV)/.dev
	CRASH_KILLS=200 $(BIN)/pytest tests/crash

lock: $(VENV)/.dev
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --group build -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --group build --group dev -c requirements.lock -o requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
