# `make help` lists what there is.
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup up test check format docs bench dashboards constraints clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(INSTALLED) ## set everything up: virtual environment and Debian's packages
	@scripts/debian-packages

$(INSTALLED): pyproject.toml constraints.txt
	@scripts/virtual-environment $(VENV)
	@touch $@

up: setup ## run the whole stack in the foreground; Ctrl-C ends it
	@$(BIN)/python -m examples.up

test: setup check ## set everything up and run every test
	$(BIN)/pytest --numprocesses auto --dist loadfile

check: $(INSTALLED) ## lint, types, import directions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .

format: $(INSTALLED) ## format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(INSTALLED) ## make docs/metrics.md again
	$(BIN)/python -m scripts.metrics_page

bench: setup ## measure against peers, in one run
	$(BIN)/python -m benchmarks

dashboards: $(INSTALLED) ## make dashboards/*.json again
	$(BIN)/python -m dashboards.src

constraints: ## pin the newest versions that fit pyproject.toml
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --all-extras --group dev \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  pyproject.toml -o constraints.txt

clean: ## remove what was set up and what `make up` left
	rm -rf $(VENV) .run .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
