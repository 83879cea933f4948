# `make help` lists the targets.
# The Python that .venv is made by: the first of these that is there, or another one: make PYTHON=python3.13 ...
VERSIONS := 3.11 3.12 3.13
VENV := .venv
BIN := $(VENV)/bin
WHO := import sys; print(sys._base_executable, "%d.%d" % sys.version_info[:2])
ifdef PYTHON
  FOUND := $(shell "$(PYTHON)" -c '$(WHO)' 2>/dev/null)
else
  # What was installed stays, whichever of them made it and wherever that lies.
  INSTALLED := $(firstword $(wildcard $(VENV)/.installed-*))
  KEPT := $(patsubst $(VENV)/.installed-%,python%,$(INSTALLED))
  FOUND := $(shell for python in $(KEPT) $(KEPT:%=$${PYENV_ROOT:-$$HOME/.pyenv}/versions/*/bin/%) $(VERSIONS:%=python%); do \
    "$$python" -c '$(WHO)' 2>/dev/null && break; done)
endif
ifeq ($(FOUND),)
  # pyenv's are not on the PATH, but for the one that is selected.
  FOUND := $(shell for python in $(patsubst %,$${PYENV_ROOT:-$$HOME/.pyenv}/versions/*/bin/%,$(or $(PYTHON),$(VERSIONS:%=python%))); do \
    "$$python" -c '$(WHO)' 2>/dev/null && break; done)
endif
VERSION := $(lastword $(FOUND))
INSTALLED := $(or $(INSTALLED),$(VENV)/.installed-$(VERSION))
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install repro tune test test-slow test-all test-random test-jax test-versions release notebooks bench built-in fuzz mutants check docs dvc-yaml format lock clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## Make .venv from the lock (requirements.txt)

$(INSTALLED): requirements.txt requirements-uv.txt pyproject.toml
	$(if $(filter $(VERSIONS),$(VERSION)),,$(error ferflow needs Python $(VERSIONS:3.13=or 3.13), found \
	  $(or $(FOUND),no $(or $(PYTHON),python3.11, python3.12 or python3.13)): install one, or name it: make PYTHON=/path/to/python))
	"$(filter-out $(VERSION),$(FOUND))" -m venv --clear $(VENV)
	$(BIN)/python scripts/locked.py install
	@# So that $(BIN)/dvc finds the stages' command without 'source $(BIN)/activate'.
	$(BIN)/python -m ferflow.path_hook
	@touch $@

repro: install  ## Run the pipeline that params.yaml describes; then register its model and print its figures
	@# A killed dvc can leave an empty lock file behind, which the next one cannot read.
	@find .dvc/tmp -name rwlock -empty -delete 2>/dev/null || true
	@dvc repro
	@# An outage of the store costs no result.
	@ferflow register || echo "not registered: run 'ferflow register' once that is mended"
	@ferflow summary

tune: install  ## Search for better parameters (section tune) and put them into params.yaml; then train the winner
	@dvc repro split
	@ferflow tune --apply
	@$(MAKE) --no-print-directory repro

SEED := $(shell echo $$PPID)
# What is marked slow or real_data only adds cost: more kills, workers, backends, browsers, data.
FAST := not slow and not real_data
# Each core computes for one worker: more threads than cores take turns. A worker that is through takes half of what
# the other has left. Compiled code is kept, whatever the environment says: each process would compile all of it anew.
PYTEST := TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 2 --dist worksteal

test: install  ## Run the tests that are fast, which see all of the code at work
	$(PYTEST) -m "$(FAST)" $(OPTIONS)

test-slow: install  ## Run the tests that `make test` leaves out
	$(PYTEST) -m "not ($(FAST))" $(OPTIONS)

test-all: test test-slow  ## Run all tests, the fast ones first

test-random: install  ## Run the fast tests in a random order; SEED=7 repeats one
	$(PYTEST) -m "$(FAST)" --random-order-bucket=module --random-order-seed=$(SEED) $(OPTIONS)

test-jax: install  ## Run the tests of the networks and of training on JAX
	@# The same small networks are compiled again and again: keep what was compiled. Only TensorFlow exports, and
	@# tests that start a process for each backend do so on TensorFlow, too.
	KERAS_BACKEND=jax JAX_COMPILATION_CACHE_DIR=$(CURDIR)/.pytest_cache/jax \
	  JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 \
	  $(BIN)/pytest -n 2 $(addprefix --ignore=tests/model/test_,export.py backends.py devices.py) tests/model \
	  tests/stages/test_train.py tests/stages/test_train_kills.py $(OPTIONS)

bench: install  ## Run the benchmarks; SOURCE=fer2013.zip DETECTOR=yunet.onnx: data stages too; RESULTS=folder
	$(if $(and $(SOURCE),$(DETECTOR)),$(BIN)/python -m benchmarks.data_stages $(SOURCE) --detector $(DETECTOR))
	@# One after the other: what runs beside a benchmark spoils its figures.
	for name in input_pipeline training_step memory; do \
	  $(BIN)/python -m benchmarks.$$name $(if $(RESULTS),--output $(RESULTS)/$$name.json) || exit; done

test-versions: install  ## Install the core with each Python that is at hand, and compare what it answers
	$(BIN)/python -m scripts.versions

release: install  ## Build and check source archive and wheel of the commit, twice, into dist/ (docs/release.md)
	$(BIN)/python -m scripts.release

notebooks: install  ## Run the notebooks and compare them with their kept outputs; KEEP=1: keep those of this run
	$(BIN)/python -m scripts.notebooks $(if $(KEEP),--keep)

built-in: install  ## Pack a network as the one that comes with ferflow; WEIGHTS=models/model.keras, REPOSITORY=., TRAIN_REPORT=
	$(BIN)/python -m benchmarks.built_in $(or $(WEIGHTS),models/model.keras) --repository $(or $(REPOSITORY),.) \
	  $(if $(TRAIN_REPORT),--train-report $(TRAIN_REPORT))

fuzz: install  ## Mutate the inputs of each parser; SECONDS=600 (each), TARGETS="tar zip"
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),600) $(addprefix --target ,$(TARGETS))

check: install  ## Lint, format check and types; the Dockerfile, too
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

mutants: install  ## Change the code in one place after the other and list what no test notices; TARGETS="gate split"
	$(BIN)/python scripts/mutants.py $(TARGETS) $(OPTIONS)

docs: install  ## Build the documentation site, strictly, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

dvc-yaml: install  ## Write dvc.yaml from the table of stages (src/ferflow/stages/table.py)
	$(BIN)/python scripts/dvc_yaml.py

format: install  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: install  ## Resolve pyproject.toml into the lock; what still fits stays; UPGRADE=1: all anew
	$(BIN)/python scripts/locked.py lock $(if $(UPGRADE),--upgrade)

pipelines: install  ## Compile the Kubeflow pipelines (pipelines/compiled)
	$(BIN)/python -m pipelines compile

image:  ## Build the image of the pipelines' steps; IMAGE=registry/name:tag, ACCELERATOR=cuda or cuda-jax for NVIDIA GPUs
	docker build --build-arg ACCELERATOR=$(or $(ACCELERATOR),cpu) --build-arg COMMIT="$$(git rev-parse HEAD)" \
	  --build-arg VERSION="$$(PYTHONPATH=src "$(filter-out $(VERSION),$(FOUND))" -m ferflow.version)" \
	  --build-arg DIRTY="$$(git diff --quiet HEAD && echo false || echo true)" --tag $(or $(IMAGE),ferflow:0.1.0) .

clean:  ## Remove what runs wrote (data, models, reports, export, checkpoints); DVC's cache and .venv stay
	rm -rf data models reports export .ferflow/checkpoints
