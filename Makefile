# The Python that makes the environment: 3.11 or newer.
PYTHON ?= python3
# Test processes, and the rules that `make bench` times.
WORKERS ?= 2
RULES ?= sgd adam adamw nadam nadamw amsgrad lion rmsprop adagrad adafactor lamb lars clip+adamw

BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test bench bench-gpu test-gpu test-optax tune generate lint clean

help:  ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | expand -t 12

demo: .venv/.stamp  ## define a rule, verify it, and train on real images with it
	$(BIN)/optgen demo

test: lint .venv/.chips  ## lint, then run every test that needs no accelerator
	$(BIN)/pytest -q -n $(WORKERS) --dist worksteal

bench: .venv/.stamp  ## time RULES against jitted optax; and building, lowering and importing
	$(BIN)/optgen bench $(RULES) --against update --tree matrix --tree gpt2-small --tree deep-300
	$(BIN)/python -m optgen_bench.costs

test-optax: .venv/.stamp  ## run all of optax's own tests with our functions in them; takes minutes
	$(BIN)/pytest -q -n $(WORKERS) -m optax_suite

test-gpu: .venv/.gpu  ## run the tests that need an NVIDIA GPU
	$(BIN)/pytest -q -m gpu

bench-gpu: .venv/.gpu  ## time the triton target against optax, torch and flashoptim-jax on a GPU
	$(BIN)/python -m optgen_bench.gpu

tune: .venv/.gpu  ## measure the options of GPU kernels, for all who have this GPU
	mkdir -p optgen/runtime/execution/triton/tuned
	for rule in $(filter-out clip+%,$(RULES)); do for dtype in float32 bfloat16; do \
	  $(BIN)/optgen tune $$rule --dtype $$dtype -o optgen/runtime/execution/triton/tuned || exit; \
	done; done

generate: .venv/.stamp  ## emit every stock optimizer again into generated/
	$(BIN)/optgen generate --all -o generated/optgen_kernels

lint: .venv/.stamp  ## ruff's rules and format, then mypy's types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:  ## remove the environment, and whatever tools left behind
	rm -rf .venv build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Touched last, so an install cut short is done again.
.venv/.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "optgen needs Python 3.11 or newer, and $(PYTHON) is: $$($(PYTHON) --version 2>&1)" >&2; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; \
	  exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -e '.[dev]'
	@touch $@

# What runs on an NVIDIA GPU, and the peers.
.venv/.gpu: .venv/.stamp
	$(BIN)/pip install -q -e '.[dev,cuda,bench]' flashoptim-jax
	@touch $@

# The compilers of chips that are not here, of JAX's version and without NVIDIA's libraries. They
# stay out of the environment: JAX complains of each plugin whose chip is missing. Without them
# the tests that compile for a GPU or a TPU are skipped.
.venv/.chips: .venv/.stamp
	@rm -rf .venv/chips
	@jax=$$($(BIN)/python -c 'from importlib.metadata import version; print(version("jax"))'); \
	$(BIN)/pip install -q --no-deps --target .venv/chips \
	  jax-cuda13-plugin==$$jax jax-cuda13-pjrt==$$jax libtpu \
	  && touch $@ || echo "No compilers for GPUs and TPUs: the tests that need them are skipped" >&2
