# Every command of the project. The environment bootstraps itself: nothing is needed but Python 3.11, make and a shell.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(shell sha256sum requirements.lock 2>/dev/null | cut -c1-16)
PYTHON ?= python3
NAME ?= deploy
AT_ONCE ?= 6

.PHONY: help demo test test-fast test-processes test-cluster built check format scenario bench cluster-up cluster-down lock docs clean

help: ## say what can be done
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if v >= (3, 11) else f"found Python {v[0]}.{v[1]}, expected 3.11 or newer: make PYTHON=python3.11")'
	@echo "environment: making $(VENV) (once per change of requirements.lock)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@touch $(READY)

demo: $(READY) ## bring everything up and say what to type first; Ctrl-C takes it down
	@$(BIN)/python -m devtools.demo

test: test-fast ## all tests; those on a real Kubernetes build and start it themselves (root, Linux)
	@if $(BIN)/python -m devtools.machine 2>/dev/null; then \
		$(MAKE) --no-print-directory built && \
		echo "on a Kubernetes, and beside it what starts programs: each is printed when it has ended, after some minutes" && \
		$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target AT_ONCE=3 test-processes test-cluster; \
	else $(MAKE) --no-print-directory test-processes && { $(BIN)/python -m devtools.machine || true; }; fi

# On a fresh checkout two processes compile all tests once, instead of each of five that begin together.
COMPILED := $(VENV)/.compiled
$(COMPILED): $(READY)
	@$(BIN)/pytest --collect-only -qq tests/[a-c]*/ tests/workflows >/dev/null 2>&1 & \
		$(BIN)/pytest --collect-only -qq tests/[d-v]*/ >/dev/null 2>&1; wait; touch $@

# Tests wait longer than they compute: more processes than processors keep these busy.
test-fast: $(COMPILED) ## what plays within the tests' own processes, beside a Temporal server: the one to run at each change
	@$(BIN)/pytest -m "not cluster and not faults and not processes" -n 5 --dist loadfile --no-loadscope-reorder $(ARGS)

test-processes: $(READY) ## what starts, kills or takes away programs: workers, bots, database nodes, browsers; no Kubernetes
	@$(BIN)/pytest -m "(faults or processes) and not cluster" -n $(AT_ONCE) --dist loadfile --no-loadscope-reorder $(ARGS)

test-cluster: built ## what needs a Kubernetes, which waits more than half of the time
	@$(BIN)/pytest --with-cluster -m cluster $(ARGS)

built: $(READY)
	@$(BIN)/python -m devtools.cluster build && $(BIN)/python -m devtools.images build

check: $(READY) ## format, lint, types, imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(READY) ## put the code into shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

scenario: $(READY) ## play a scenario without hands, for example NAME=deploy; ARGS=--help for more
	@$(BIN)/python -m devtools.scenario $(NAME) $(ARGS)

bench: $(READY) ## measure against baselines in the same run
	@$(BIN)/python -m devtools.bench

cluster-up: $(READY) ## start the local Kubernetes (built on the first call)
	@$(BIN)/python -m devtools.cluster up

cluster-down: $(READY) ## stop it; nothing is left behind
	@$(BIN)/python -m devtools.cluster down --purge

lock: $(READY) ## compile requirements.lock again
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--python-version 3.11 --group dev pyproject.toml -o requirements.lock

docs: $(READY) ## write again what is made of the code: reference pages, stored payloads of new messages
	@$(BIN)/python -m bot.reference
	@$(BIN)/python -m tests.operations.samples

clean: ## remove the environment and caches of the checkout (the build cache outside stays)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
