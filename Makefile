# `make` or `make help` lists the targets. Everything is installed into .venv in this folder; nothing else is touched.
# Paths are relative on purpose: the checkout may lie in a folder with spaces in its name.
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench faults simulate up lock clean
.NOTPARALLEL:

TESTS ?= tests
RUNS ?= 1000
SETUP = PYTHON='$(PYTHON)'; export PYTHON; python="$$(sh scripts/find_python.sh)" && "$$python" scripts/setup_env.py

help: ## list the targets
	@echo 'make TARGET [ARGS="..."]; the first run sets up .venv and takes some minutes.'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name what; do printf '%-16s %s\n' "  $$name" "$$what"; done

demo: ## watch a plan trade on the paper exchange: ARGS="--candles FILE.csv --duration 60 --headless --json"
	@$(SETUP) run model
	@exec .venv/bin/kokex demo $(ARGS)

test: ## lint, types, layers and all tests: TESTS="tests/unit" ARGS="-k words" choose
	@$(SETUP) run model test
	@exec .venv/bin/python scripts/check.py --tests $(TESTS) $(ARGS)

lint: ## ruff, import contracts and mypy only
	@$(SETUP) run model test
	@exec .venv/bin/python scripts/check.py

bench: ## latency and throughput of the event path, on loopback; a table and bench-results.json
	@$(SETUP) run model test
	@exec .venv/bin/python -m benchmarks $(ARGS)

faults: ## trade through every fault of the paper exchange and write docs/faults.md
	@$(SETUP) run model test
	@exec env KOKEX_WRITE_FAULTS=1 .venv/bin/pytest -q tests/integration/faults $(ARGS)

simulate: ## many runs of trade, faults and deaths, what is done is kept: RUNS=10000 ARGS="--jobs 2 --first 0" or ARGS="--seed 42"
	@$(SETUP) run model test
	@exec .venv/bin/python -m tests.simulation --runs $(RUNS) $(ARGS)

up: ## run the platform: database, engine, worker
	@$(SETUP) run model
	@exec .venv/bin/kokex up $(ARGS)

lock: ## remake the lock files: ARGS="--upgrade" takes newer versions
	@$(SETUP) run model test
	@exec .venv/bin/python scripts/lock.py $(ARGS)

clean: ## remove .venv, caches and build outputs; your data in .kokex stays
	rm -rf .venv build dist src/kokex.egg-info bench-results.json
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
