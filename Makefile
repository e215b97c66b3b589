# make demo          train one clean and one backdoored MNIST model, scan both
# make test          run the tests
# make lint          formatter, linter, strict type checker
#
# Each sets up .venv first, once. CPU-only PyTorch from its own index, about 3 GB smaller:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
#
# For CI and releases: test-slow, test-lowest (the lowest declared versions of all dependencies),
# test-wheel (the built wheel in an empty environment), coverage.

PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOWEST := .venv-lowest
WHEEL := build/wheel

.PHONY: venv demo test test-slow test-lowest test-wheel coverage lint types format docs picture clean

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
	$(BIN)/python -m pytest -q -n auto --dist worksteal

test-slow: $(STAMP)
	$(BIN)/python -m pytest -q -m slow

# uv resolves to the lowest version that each line of pyproject.toml allows; pip cannot.
test-lowest:
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet uv
ifneq ($(TORCH_INDEX),)
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --index-url $(TORCH_INDEX) "torch==2.6.0"
endif
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --editable ".[dev]"
	$(LOWEST)/bin/python -m pytest -q -n auto --dist worksteal

# An untrained network: the scan must end in "inconclusive" (3), which also says that all data files
# came along.
test-wheel:
	rm -rf $(WHEEL)
	$(PYTHON) -m venv $(WHEEL)/venv
	$(WHEEL)/venv/bin/python -m pip wheel --quiet --no-deps --wheel-dir $(WHEEL) .
ifneq ($(TORCH_INDEX),)
	$(WHEEL)/venv/bin/python -m pip install --quiet --index-url $(TORCH_INDEX) "torch>=2.6,<2.14"
endif
	$(WHEEL)/venv/bin/python -m pip install --quiet $(WHEEL)/*.whl
	cd $(WHEEL) && venv/bin/triggerfish demo --help
	cd $(WHEEL) && venv/bin/python -c "import torch; from triggerfish.architectures import PaperCNN; torch.save(PaperCNN().state_dict(), 'untrained.pt')"
	cd $(WHEEL) && { venv/bin/triggerfish scan untrained.pt; test $$? -eq 3; }

coverage: $(STAMP)
	$(BIN)/python -m pytest -q -n auto --dist worksteal --cov=triggerfish --cov-report=html --cov-report=term:skip-covered

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

types: $(STAMP)
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP)
	$(BIN)/python docs/make_outline.py
	$(BIN)/python docs/make_cli_reference.py
	$(BIN)/python docs/make_python_reference.py
	$(BIN)/python docs/make_architectures.py
	$(BIN)/python docs/make_schema.py

picture: demo
	$(BIN)/python docs/make_picture.py

clean:
	rm -rf $(VENV) $(LOWEST) build dist htmlcov .coverage .pytest_cache .ruff_cache .mypy_cache
