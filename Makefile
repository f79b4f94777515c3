# Everything here makes its own virtual environment. Needs python3 (3.11 or newer), make and a package index.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
PORT ?= 4000

.PHONY: serve test fuzz lint format bench clean

serve: $(VENV)/serve.stamp  ## install and start the gateway on port 4000
	@$(BIN)/headgate serve --port $(PORT) $(if $(CONFIG),--config $(CONFIG))

test: $(VENV)/test.stamp  ## install what tests need and run them
	@$(BIN)/python -m pytest -n auto $(ARGS)

fuzz: $(VENV)/test.stamp  ## the tests whose input is made up, with examples never tried before
	@$(BIN)/python -m pytest -n auto -m hypothesis --hypothesis-profile=new $(ARGS)

lint: $(VENV)/lint.stamp  ## style, types, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/lint.stamp
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/test.stamp  ## CPU, latency, memory against nginx: docs/performance.md
	@$(BIN)/python -m bench $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Headgate needs Python 3.11 or newer; set PYTHON=python3.x')"
	@echo "making $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check "pip>=25.1"

$(VENV)/serve.stamp: pyproject.toml | $(VENV)/bin/python
	@echo "installing …"
	@$(BIN)/pip install --quiet --disable-pip-version-check -e ".[all]"
	@$(BIN)/python -m compileall -q src  # or the first start would
	@touch $@

$(VENV)/test.stamp: pyproject.toml | $(VENV)/bin/python
	@echo "installing what tests need …"
	@$(BIN)/pip install --quiet --disable-pip-version-check -e ".[all]" --group test
	@touch $@

$(VENV)/lint.stamp: pyproject.toml | $(VENV)/bin/python
	@echo "installing linters …"
	@$(BIN)/pip install --quiet --disable-pip-version-check -e ".[all]" --group lint
	@touch $@
