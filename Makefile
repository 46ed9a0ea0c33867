# Every job on Standfast is one command here, and CI runs the same ones. `make` alone lists them.

PYTHON ?= python3# what .venv is made with, 3.11 or later
JOBS ?= 2# test workers
ARGS ?=# handed on, as in `make test ARGS="-k judge"`

VENV := .venv/bin
# Servers live in sbin, which ordinary users lack; .peers holds those that `make peers` fetched.
export PATH := $(PATH):/usr/sbin:/sbin:$(CURDIR)/.peers/bin

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

setup: .venv/.setup-done  ## .venv with the locked dependencies and .venv/bin/standfast
.venv/.setup-done: pyproject.toml uv.lock scripts/setup
	@PYTHON=$(PYTHON) scripts/setup
	@touch $@

drill: setup  ## live through the outage of 20 October 2025, on loopback (ARGS go to the drill)
	@$(VENV)/standfast drill run us-east-1 $(ARGS)

test: setup peers  ## every test (ARGS go to pytest)
	@$(VENV)/pytest -n $(JOBS) --dist worksteal $(ARGS)

lint: setup  ## style, types and import rules
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy --strict src tests $(wildcard bench/*.py)
	$(VENV)/lint-imports --no-logo

fuzz: setup  ## hostile octets for every parser, a minute each (ARGS="query --seconds 600"); what led further stays in .fuzz
	@PYTHONPATH=tests $(VENV)/python -m fuzz $(ARGS)

bench: setup peers  ## measure side by side with Unbound, Knot and others, a table for each benchmark
	@for file in $(sort $(wildcard bench/bench_*.py)); do echo "== $$file"; $(VENV)/python $$file || exit 1; done

peers: setup  ## the DNS servers and clients that tests compare with, fetched into .peers where they are missing
	@scripts/peers

clean:  ## remove what these commands made; state/ stays, it is yours
	rm -rf .venv .uv .peers .fuzz dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.DEFAULT_GOAL := help
.PHONY: help setup drill test lint fuzz bench peers clean
