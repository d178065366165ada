# demo: everything on this machine. test, check, bench: the same words as in CI.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
    if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-test
NODE_STAMP := tests/interop/node_modules/.installed

.PHONY: demo test check bench install built clean

$(RUN_STAMP): pyproject.toml setup.py $(wildcard server/opcua/wire/*.pyx server/opcua/wire/*.pxi)
	@test -n "$(PYTHON)" || { echo "Fieldloom needs Python 3.11 or newer on PATH" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(TEST_STAMP): $(RUN_STAMP) pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[parquet,postgres,test,check]'
	@# Wheels of the coverage-guided fuzzer exist for some machines only; its one short test says so where it is missing.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary=atheris -e '.[fuzz]' || \
	    echo "atheris is missing: its test will be skipped"
	@touch $@

$(NODE_STAMP): tests/interop/package.json
	@if command -v npm >/dev/null; then \
	    cd tests/interop && npm ci --no-audit --no-fund --silent && touch node_modules/.installed; \
	else echo "npm is missing: the node-opcua tests will be skipped"; fi

install: $(RUN_STAMP)

# NodeSets and packages are built from their sources; neither is in git.
built: $(RUN_STAMP)
	@$(BIN)/fieldloom nodeset build --source nodesets/src --out nodesets > /dev/null
	@$(BIN)/fieldloom package build fdi_packages/src --out fdi_packages > /dev/null

demo: built
	@exec $(BIN)/fieldloom demo

test: $(TEST_STAMP) built $(NODE_STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile --junitxml build/tests.xml tests
	$(BIN)/python -m tests.kit.conformance build/tests.xml

check: $(TEST_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python -m tests.kit.conformance

bench: $(TEST_STAMP) built
	$(BIN)/python -m tests.bench

clean:
	rm -rf $(VENV) build *.egg-info server/opcua/wire/*.so tests/interop/node_modules nodesets/*.xml fdi_packages/*.fdix
