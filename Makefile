# `make` alone prints this help. Everything that a target needs, it makes first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# Everything is in the environment of its own: what a shell adds to Python's path would come before it.
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH
# Empty: python3, or what serves better on this machine (infra/interpreter.py).
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
# What is installed: enough to run everything, the local Solana chain as well, what tests and checks need.
RUN := $(VENV)/.run
SOLANA := $(VENV)/.solana
TRACING := $(VENV)/.traces
DEV := $(VENV)/.dev

.PHONY: help run test check static unit format reset lock clean audit conformance vectors simulate chaos skew soak scan cloud deploy destroy bench bench-quick

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Makes the environment on first use, and installs one pinned and hashed set into it.
define install
@python="$(PYTHON)"; test -n "$$python" || test ! -x $(BIN)/python || python=$(BIN)/python; \
 test -n "$$python" || python="$$(python3 infra/interpreter.py)" || exit; \
 "$$python" -m infra.environment $<
endef

$(RUN): requirements-run.txt
	$(install)
	@touch $@

$(SOLANA): requirements-solana.txt
	$(install)
	@touch $@

$(TRACING): requirements-traces.txt
	$(install)
	@touch $@

# It holds the other three.
$(DEV): requirements-dev.txt
	$(install)
	@touch $(RUN) $(SOLANA) $(TRACING) $@

run: $(RUN) $(if $(filter solana,$(CHAIN)),$(SOLANA)) $(if $(filter 1,$(TRACES)),$(TRACING))  ## Start everything on this machine, ready for wscat
	@exec $(BIN)/python -m infra.run start $(ARGS)

test: $(DEV)  ## Run every test, with a real Postgres and the real runtime
	@$(BIN)/python -m pytest -n 4 --dist loadfile $(ARGS)

check: static  ## Format, lint, types, import rules and unit tests
	@$(BIN)/python -m pytest --quiet -n auto --dist worksteal tests/unit

static: $(DEV)  ## The same without the unit tests, which `make test` runs as well
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary .
	@$(BIN)/python -m infra.cli specs --check
	@$(BIN)/lint-imports > $(VENV)/imports.log || (cat $(VENV)/imports.log; false)
	@$(BIN)/python -m infra.cli advisories

unit: $(DEV)  ## Run the unit tests alone
	@$(BIN)/python -m pytest --quiet tests/unit $(ARGS)

format: $(DEV)  ## Format the code and sort its imports
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

simulate: $(DEV)  ## Simulate faults of every kind: SEEDS=10000
	@$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),10000)

chaos: $(DEV)  ## Strike at a real runtime under load, then audit it: ARGS="--minutes 2 --seed 7"
	@$(BIN)/python -m tests.chaos $(ARGS)

skew: $(DEV)  ## Let an older release's functions and this tree's work on one database: ARGS="0.2.0 --seed 7"
	@$(BIN)/python -m tests.skew $(ARGS)

soak: $(DEV)  ## Keep a runtime idle for a week on a clock that leaps: MINUTES=15 at most
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),15) $(ARGS)

conformance: $(DEV)  ## Judge a WebSocket API against AWS's behaviour: URL=wss://... (default: our own gateway)
	@$(BIN)/python -m tests.conformance $(if $(URL),--url $(URL))

audit: $(RUN)  ## Check the running database: nothing lost, nothing doubled, books balanced
	@./orderflow audit

scan: $(DEV)  ## Judge the deployment's templates by checkov as well (it does not fit beside our pins)
	@CHECKOV="$(BIN)/uv tool run --from checkov==3.3.30 checkov" $(BIN)/python -m pytest --quiet tests/deploy/test_security_rules.py

vectors: $(DEV)  ## Check the maths and the Solana adapter against vectors: FILES=...
	@$(BIN)/python -m tests.vectors $(or $(FILES),$(wildcard tests/vectors/*.json tests/vectors/solana/*.json))

bench: $(DEV)  ## Measure against the goals, on a machine that does nothing else
	@$(BIN)/python -m benchmarks

bench-quick: $(DEV)  ## The same in a minute, roughly
	@$(BIN)/python -m benchmarks --quick

cloud: $(RUN)  ## Start an emulated cloud to deploy into: MiniStack and PostgreSQL
	@exec $(BIN)/python -m infra.deploy.emulator $(ARGS)

deploy: $(RUN)  ## Plan a deployment; ARGS=--yes carries it out (STAGE=dev|prod, TARGET=aws|ministack|localstack)
	@$(BIN)/python -m infra.deploy --stage $(or $(STAGE),dev) --target $(or $(TARGET),aws) $(ARGS)

destroy: $(RUN)  ## Plan the removal of a stage; ARGS=--yes carries it out
	@$(BIN)/python -m infra.deploy --destroy --stage $(or $(STAGE),dev) --target $(or $(TARGET),aws) $(ARGS)

reset:  ## Wipe the local state: orders, market, queue
	@test ! -x $(BIN)/python || $(BIN)/python -m infra.run reset

compile = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock"
lock: $(DEV)  ## Pin the requirements anew
	@$(compile) requirements-dev.in -o requirements-dev.txt
	@for set in requirements requirements-run requirements-solana requirements-traces; do \
	   $(compile) -c requirements-dev.txt $$set.in -o $$set.txt || exit; done

clean:  ## Remove the virtual environment and every cache
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
