# Everything installs into .venv from the hash-locked requirements.lock. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STAGE := $(BIN)/python tools/stage.py
# Warnings of pip about itself help nobody here.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The tests start many processes; without bytecode each compiles everything anew, which more than doubles their time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo demo-cluster test test-fast test-slow test-cluster test-servers test-browser lint type contracts generated crds lock bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

demo: $(BIN)/.installed ## an AWS organization on this machine, from nothing to drift, proposals and metrics
	@$(BIN)/python -m sandbox demo

demo-cluster: $(BIN)/.installed ## the same in a real Kubernetes control plane; KEEP=1 keeps it running
	@$(BIN)/python -m tests.servers.demo_cluster $(if $(KEEP),--keep)

test: lint type contracts generated test-fast test-cluster test-servers test-browser test-slow ## every check and every test
	@echo "everything passed"

test-fast: $(BIN)/.installed ## the tests that need only Python, in about a minute
	@$(STAGE) "fast tests" $(BIN)/pytest -q -m "not slow and not cluster and not servers and not browser" -n auto

test-slow: $(BIN)/.installed ## the sandbox server and other processes, and each property with many examples
	@$(STAGE) "slow tests" $(BIN)/pytest -q -m "slow and not cluster and not servers" -n auto --dist loadfile
	@$(STAGE) "properties" $(BIN)/pytest -q -m "hypothesis and not cluster and not servers" --hypothesis-profile many --timeout 900 -n auto

test-cluster: $(BIN)/.installed ## the tests in a real Kubernetes control plane, which the first run builds
	@$(STAGE) "control plane" $(BIN)/python -m tests.servers.controlplane.build
	@$(STAGE) "cluster tests" $(BIN)/pytest -q -m cluster -p no:randomly -n 2 --dist loadfile

test-servers: $(BIN)/.installed ## the tests with a Trino, which the first run fetches, and with PostgreSQL
	@$(STAGE) "Trino" $(BIN)/python -m tests.servers.trino.build
	@$(STAGE) "server tests" $(BIN)/pytest -q -m servers -p no:randomly -n 2 --dist loadgroup

test-browser: $(BIN)/.installed ## the web pages in a headless Chromium, which apt installs where it may
	@$(STAGE) "Chromium" $(BIN)/python tools/chromium.py
	@$(STAGE) "browser tests" $(BIN)/pytest -q -m browser -p no:randomly

lint: $(BIN)/.installed ## ruff: rules and format
	@$(STAGE) "lint" $(BIN)/ruff check .
	@$(STAGE) "format" $(BIN)/ruff format --check .

type: $(BIN)/.installed ## mypy, strict
	@$(STAGE) "types" $(BIN)/mypy

contracts: $(BIN)/.installed ## who may import whom
	@$(STAGE) "import contracts" $(BIN)/lint-imports

generated: $(BIN)/.installed ## whether crds/, the overlay of the catalogue and the AWS managed policies are up to date
	@$(STAGE) "generated files" $(BIN)/python -m plumbline.api.crds --check crds
	@$(STAGE) "overlay" $(BIN)/python tools/build_overlay.py --check
	@$(STAGE) "managed policies" $(BIN)/python tools/build_managed_policies.py --check

crds: $(BIN)/.installed ## write crds/ from the models in controller/plumbline/api/
	@$(BIN)/python -m plumbline.api.crds crds

bench: $(BIN)/.installed ## the benchmarks behind docs/performance.md
	@$(BIN)/python -m benchmarks

lock: $(BIN)/.installed ## resolve pyproject.toml into the two lock files
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --extra sandbox --extra dev pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes -c requirements.lock pyproject.toml -o requirements-run.lock

clean: ## remove what was installed and written here
	rm -rf .venv demo plumbline-state build

# --no-deps: the lock names every package, and pip's resolver does not accept extras in a lock with hashes.
$(BIN)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or later is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true). Install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Python's venv module is missing; on Debian and Ubuntu install the package python3-venv" >&2; exit 1; }
	@echo "installing the locked packages into .venv (about a minute the first time)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -q --no-deps --require-hashes -r requirements.lock || { \
	  echo "the packages could not be installed; check the network, or set PIP_INDEX_URL to a mirror" >&2; exit 1; }
	@$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@
