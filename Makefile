.DEFAULT_GOAL := help
.PHONY: help setup book test test-faults reference open-wrist checked lint serve bench-serve soak clean

PARAMS ?= params/demo.yaml
BUNDLE ?= wesadlib/bundles/open-wrist
PYTHON ?= python3.11
STRIPPED := metadata.papermill cell.metadata.papermill cell.metadata.execution
BIN := .venv/bin
STAMP := .venv/.installed
export RAY_USAGE_STATS_ENABLED = 0
# As `wesad` sets them for kernels: memory of large arrays is kept.
export MALLOC_MMAP_THRESHOLD_ = 33554432
export MALLOC_TRIM_THRESHOLD_ = 268435456

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	@touch $@

setup: $(STAMP) ## create or update .venv from the pins

book: $(STAMP) ## run every chapter of PARAMS (params/demo.yaml) and render the book
	$(BIN)/wesad book $(PARAMS)

test: export OMP_NUM_THREADS = 1
test: $(STAMP) ## run the tests and every chapter on the smoke profile
	$(BIN)/python -m pytest -n 2 --nbval-lax --nbval-sanitize-with tests/nbval.cfg tests book
	$(BIN)/python -m pytest --doctest-modules wesadlib

test-faults: $(STAMP) ## kill, change, end, flood and misuse a running server, 10 min (SHORT=--short: four)
	$(BIN)/python -m pytest tests/faults $(SHORT)

reference: $(STAMP) ## run the book on the real wrist recordings at WESAD_ROOT and keep its small results
	$(BIN)/wesad book params/wesad-wrist.yaml --no-render
	$(BIN)/wesad reference wesad-wrist
	$(BIN)/wesad book params/wesad-wrist.yaml

ifneq (,$(and $(STRESS_PREDICT_ROOT),$(HONGN_ROOT)))
	$(BIN)/python benchmarks/labs.py --reference
endif

open-wrist: $(STAMP) ## train the package's own bundle on the open labs at STRESS_PREDICT_ROOT and HONGN_ROOT
	$(BIN)/python benchmarks/labs.py --bundle

checked: $(STAMP) ## run the chapters on the smoke profile and keep what their checked cells print
	for chapter in book/[0-9]*.ipynb; do $(BIN)/papermill --no-progress-bar --cwd . $$chapter $$chapter || exit 1; done
	$(BIN)/nbstripout --keep-count --extra-keys "$(STRIPPED)" book/*.ipynb book/appendix/*.ipynb

lint: $(STAMP) ## check form and docstrings
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

serve: $(STAMP) ## serve BUNDLE (the package's own) until Ctrl-C
	$(BIN)/wesad serve $(BUNDLE)

bench-serve: $(STAMP) ## measure the server beside a plain app, 10 min (SHORT=--short: two; SHORT=--keep: for the book)
	$(BIN)/python benchmarks/serving.py $(SHORT)

soak: $(STAMP) ## an hour of right and wrong callers, killed replicas and changed bundles (SOAK="--minutes 2"; SOAK=--keep)
	$(BIN)/python benchmarks/soak.py $(SOAK)

clean: ## remove the environment and every run
	rm -rf .venv $(filter-out outputs/reference outputs/README.md,$(wildcard outputs/*))
