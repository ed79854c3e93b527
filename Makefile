# What a person and the CI type. `make` alone lists the targets.
# Everything happens in .venv, which the first target that needs it makes from .ci/constraints.txt.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# A machine of containers often forbids compiled files; without them each process compiles every module again.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: $(STAMP) ## make .venv with the pinned dependencies and the project; quick when nothing changed

$(STAMP): pyproject.toml .ci/constraints.txt .ci/setup
	@.ci/setup $(VENV)
	@touch $@

.PHONY: test
test: $(STAMP) ## the default tests, in random order; they need Python, git and make
	@$(BIN)/python -m pytest -n auto --dist worksteal

.PHONY: check
check: lint types contracts generated test ## the gate: format, lint, types, import contracts, generated files, tests

.PHONY: lint
lint: $(STAMP) ## format and lint, changing nothing
	@$(BIN)/ruff format --check --quiet . || { echo "make check: run 'make format'" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .

.PHONY: types
types: $(STAMP) ## mypy, strict
	@$(BIN)/mypy

.PHONY: contracts
contracts: $(STAMP) ## who may import whom
	@$(BIN)/lint-imports --no-cache

.PHONY: generated
generated: $(STAMP) ## schemas/, docs/reference/ and docs/faults.md are what the code says
	@$(BIN)/python -m reconciler.specs.schema --check schemas
	@$(BIN)/python docs/generate.py --check
	@$(BIN)/python -m tests.faults.page --check

.PHONY: real
real: $(STAMP) ## the tests on real servers (kube-apiserver, OpenSSH hosts); builds them once, outside the repository
	@.ci/real $(BIN)/python

.PHONY: model
model: $(STAMP) ## the model of the gate, 500 runs; MODEL="--model-runs 10000 --model-seed 1 --model-report FILE" for others
	@$(BIN)/python -m pytest -q tests/model -n 2 --dist worksteal --model-shares 2 $(or $(MODEL),--model-runs 500)

.PHONY: demo
demo: $(STAMP) ## the whole story on embedded parts, in under a minute
	@$(BIN)/reconciler demo

.PHONY: bench
bench: $(STAMP) ## how fast, small and steady it is, beside other ways; minutes (docs/performance.md)
	@$(BIN)/python -m benchmarks

.PHONY: mutation
mutation: $(STAMP) ## see a test fail for every small change of the core; minutes (tests/mutation/)
	@$(BIN)/python -m tests.mutation

.PHONY: format
format: $(STAMP) ## write the format, the lint fixes and the generated files
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format --quiet .
	@$(BIN)/python -m reconciler.specs.schema schemas
	@$(BIN)/python docs/generate.py
	@$(BIN)/python -m tests.faults.page

.PHONY: lock
lock: ## pin every dependency again, with hashes, into .ci/constraints.txt
	@.ci/lock

.PHONY: clean
clean: ## remove .venv and what tools leave behind
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .mutation
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
