# Everything goes through `make install`, which builds .venv once and does nothing the second time.
#
#   make clean install PYTHON=/path/to/python3.12     another Python than the one that is found

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# What the built front end and the package's metadata depend on. Python sources are not here: the install is editable.
INSTALL_INPUTS := pyproject.toml $(addprefix tools/,install_env.sh pip_install.sh find_python.sh) \
  labextension/package.json labextension/yarn.lock labextension/tsconfig.json labextension/.yarnrc.yml \
  labextension/install.json $(wildcard labextension/views.build.mjs) \
  $(shell find labextension/src labextension/style labextension/jupyter-config -type f)

# Fast: no process, no browser, seconds. Slow: real processes, real Redis, real JupyterLab.
FAST := $(wildcard tests/unit tests/contract tests/sim)
SLOW := $(wildcard tests/system tests/notebooks tests/ui)

.PHONY: help install demo test lab check bench format clean

help:
	@echo 'make demo      run the demonstration'
	@echo 'make lab       JupyterLab on notebooks/'
	@echo 'make check     format, lint, types, fast tests (under two minutes)'
	@echo 'make test      everything, in real processes and a real browser too'
	@echo 'make bench     measure'
	@echo 'make format    format and mend what ruff can mend'
	@echo 'make install   build .venv (every other target does it when it is needed)'
	@echo 'make clean     remove everything that was built'

install: $(STAMP)

$(STAMP): $(INSTALL_INPUTS)
	@PYTHON="$(PYTHON)" tools/install_env.sh
	@touch $@

demo: install
	$(BIN)/python notebooks/run_demo.py

lab: install
	$(BIN)/jupyter lab notebooks

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(FAST)

# The long run comes last, so that its summary is what one reads at the end.
test: check
	@tools/system_packages.sh chromium redis-server
	tools/fast_tests_on.sh $(FAST)
	$(BIN)/python -m pytest $(SLOW)

bench: install
	$(BIN)/python -m tests.bench

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .venvs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf labextension/node_modules labextension/lib
	rm -rf labextension/cellray_lab/labextension kernel_ext/cellray_kernel/widgets/static tests/ui/screenshots
