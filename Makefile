# make demo    train one clean and one backdoored MNIST model, scan both
# make test    run the tests
# make lint    formatter, linter, strict type checker
#
# Each sets up .venv first, once. CPU-only PyTorch from its own index, about 3 GB smaller:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: venv demo test lint format docs picture clean

venv: $(STAMP)

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
ifneq ($(TORCH_INDEX),)
	$(BIN)/python -m pip install --quiet --index-url $(TORCH_INDEX) "torch>=2.6,<2.14"
endif
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

demo: $(STAMP)
	$(BIN)/triggerfish demo --out demo

test: $(STAMP)
	$(BIN)/python -m pytest -q -n auto

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP)
	$(BIN)/python docs/make_cli_reference.py
	$(BIN)/python docs/make_architectures.py

picture: demo
	$(BIN)/python docs/make_picture.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache
