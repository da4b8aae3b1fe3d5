# Two commands: `make demo` and `make test`. Both make .venv the first time and install nothing the second time.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all lint format clean

demo: .venv/installed
	$(BIN)/gcvideo demo

# Two processes of one thread each: with two threads each they would wait for one another most of the time.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test: .venv/installed-test
	$(PYTEST)

test-all: .venv/installed-test
	$(PYTEST) --everything

lint: .venv/installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/installed-test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv build dist *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "gcvideo needs Python 3.11 or newer; name one with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; echo "no virtual environment: on Debian and Ubuntu, apt install python3-venv"; exit 1; }

.venv/installed: pyproject.toml | $(BIN)/python
	@echo "installing (once, a few minutes: torch is large) ..."
	$(BIN)/pip install --quiet --editable .
	@touch $@

.venv/installed-test: pyproject.toml | $(BIN)/python
	@echo "installing with the test tools (once, a few minutes: torch is large) ..."
	$(BIN)/pip install --quiet --editable '.[test]'
	@touch $@ .venv/installed
