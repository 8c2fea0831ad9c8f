.DEFAULT_GOAL := help
.PHONY: help setup book test lint serve bench clean

PARAMS ?= params/demo.yaml
BUNDLE ?= outputs/demo/bundle
PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.installed
export RAY_USAGE_STATS_ENABLED = 0
export RAY_AUTH_MODE = disabled

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	@touch $@

setup: $(STAMP) ## create or update .venv from the pins

book: $(STAMP) ## run every chapter of PARAMS (params/demo.yaml) and render the book
	$(BIN)/wesad book $(PARAMS)

test: $(STAMP) ## run the tests and every chapter on the smoke profile
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests

lint: $(STAMP) ## check form and docstrings
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

serve: $(STAMP) ## serve BUNDLE (outputs/demo/bundle) until Ctrl-C
	$(BIN)/wesad serve $(BUNDLE)

clean: ## remove the environment and every run
	rm -rf .venv $(filter-out outputs/reference outputs/README.md,$(wildcard outputs/*))
