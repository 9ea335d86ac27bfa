# `make help` lists what there is.
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
LITELLM := .venv-litellm
# Twice as many as processors: many a test waits for a Prometheus more than it computes.
WORKERS := $(shell expr 2 '*' $$(nproc))
# A dozen SDKs are not to be compiled anew by each process that imports them.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup packages up test tests tests-litellm check format docs bench dashboards \
  constraints clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(INSTALLED) packages ## set everything up: virtual environment and Debian's packages

packages:
	@scripts/debian-packages

$(INSTALLED): pyproject.toml constraints.txt
	@scripts/virtual-environment $(VENV) constraints.txt dev
	@touch $@

$(LITELLM)/.installed: pyproject.toml constraints-litellm.txt
	@scripts/virtual-environment $(LITELLM) constraints-litellm.txt litellm
	@touch $@

up: setup ## run the whole stack in the foreground; Ctrl-C ends it
	@$(BIN)/python -m examples.up

test: ## set everything up, check it and run every test
	@$(MAKE) --jobs --output-sync setup $(LITELLM)/.installed
	@$(MAKE) --jobs tests tests-litellm check

tests: setup
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

tests-litellm: $(LITELLM)/.installed
	$(LITELLM)/bin/pytest tests/litellm

check: $(INSTALLED) ## lint, types, import directions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .

format: $(INSTALLED) ## format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(INSTALLED) $(LITELLM)/.installed ## make docs/metrics.md and docs/sdks.md again
	$(BIN)/python -m scripts.metrics_page
	for bin in $(BIN) $(LITELLM)/bin; do $$bin/python -m tests.instrumentation.clients.calls || exit; done

bench: setup ## measure against peers, in one run
	$(BIN)/python -m benchmarks

dashboards: $(INSTALLED) ## make dashboards/*.json again
	$(BIN)/python -m dashboards.src

COMPILE = $(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 \
  --no-emit-index-url --no-emit-find-links --no-header --no-annotate pyproject.toml
constraints: ## pin the newest versions that fit pyproject.toml
	$(BIN)/python -m pip install -q uv
	$(COMPILE) --all-extras --group dev -o constraints.txt
	$(COMPILE) --extra exporter --group litellm -o constraints-litellm.txt

clean: ## remove what was set up and what `make up` left
	rm -rf $(VENV) $(LITELLM) .run .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
