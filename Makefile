# `make` alone prints this help. Everything that a target needs, it makes first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# Empty: python3, or what serves better on this machine (infra/interpreter.py).
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help run test check unit format reset lock clean audit conformance vectors simulate chaos soak scan cloud deploy destroy bench bench-quick

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# uv installs in seconds what takes pip a minute; where it cannot (a registry that only pip is
# configured for), pip installs the same pinned and hashed set.
$(STAMP): requirements-dev.txt
	@test -x $(BIN)/python || { \
	   python="$(PYTHON)"; test -n "$$python" || python="$$(python3 infra/interpreter.py)" || exit; \
	   "$$python" -c 'import sys; sys.exit("Python 3.11 or later is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)' \
	   && "$$python" -m venv $(VENV); }
	@echo "Installing the pinned requirements into $(VENV); what else was installed there is removed ..."
	@grep -A 1000 '^uv==' requirements-dev.txt | awk 'NR > 1 && /^[^ ]/ {exit} {print}' > $(VENV)/uv.txt
	@( $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt \
	   && $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.txt ) 2> $(VENV)/uv.log \
	 || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

run: $(STAMP)  ## Start everything on this machine, ready for wscat
	@exec $(BIN)/python -m infra.run start $(ARGS)

test: $(STAMP)  ## Run every test, with a real Postgres and the real runtime
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(STAMP)  ## Format, lint, types, import rules and unit tests
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary .
	@$(BIN)/python -m infra.cli specs --check
	@$(BIN)/lint-imports > $(VENV)/imports.log || (cat $(VENV)/imports.log; false)
	@$(BIN)/python -m infra.cli advisories
	@$(BIN)/python -m pytest --quiet -n auto --dist worksteal tests/unit

unit: $(STAMP)  ## Run the unit tests alone
	@$(BIN)/python -m pytest --quiet tests/unit $(ARGS)

format: $(STAMP)  ## Format the code and sort its imports
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

simulate: $(STAMP)  ## Simulate faults of every kind: SEEDS=10000
	@$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),10000)

chaos: $(STAMP)  ## Strike at a real runtime under load, then audit it: ARGS="--minutes 2 --seed 7"
	@$(BIN)/python -m tests.chaos $(ARGS)

soak: $(STAMP)  ## Keep a runtime idle for a week on a clock that leaps: MINUTES=15 at most
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),15) $(ARGS)

conformance: $(STAMP)  ## Judge a WebSocket API against AWS's behaviour: URL=wss://... (default: our own gateway)
	@$(BIN)/python -m tests.conformance $(if $(URL),--url $(URL))

audit: $(STAMP)  ## Check the running database: nothing lost, nothing doubled, books balanced
	@./orderflow audit

scan: $(STAMP)  ## Judge the deployment's templates by checkov as well (it does not fit beside our pins)
	@CHECKOV="$(BIN)/uv tool run --from checkov==3.3.30 checkov" $(BIN)/python -m pytest --quiet tests/deploy/test_security_rules.py

vectors: $(STAMP)  ## Check the maths and the Solana adapter against vectors: FILES=...
	@$(BIN)/python -m tests.vectors $(or $(FILES),$(wildcard tests/vectors/*.json tests/vectors/solana/*.json))

bench: $(STAMP)  ## Measure against the goals, on a machine that does nothing else
	@$(BIN)/python -m benchmarks

bench-quick: $(STAMP)  ## The same in a minute, roughly
	@$(BIN)/python -m benchmarks --quick

cloud: $(STAMP)  ## Start an emulated cloud to deploy into: MiniStack and PostgreSQL
	@exec $(BIN)/python -m infra.deploy.emulator $(ARGS)

deploy: $(STAMP)  ## Plan a deployment; ARGS=--yes carries it out (STAGE=dev|prod, TARGET=aws|ministack|localstack)
	@$(BIN)/python -m infra.deploy --stage $(or $(STAGE),dev) --target $(or $(TARGET),aws) $(ARGS)

destroy: $(STAMP)  ## Plan the removal of a stage; ARGS=--yes carries it out
	@$(BIN)/python -m infra.deploy --destroy --stage $(or $(STAGE),dev) --target $(or $(TARGET),aws) $(ARGS)

reset:  ## Wipe the local state: orders, market, queue
	@test ! -x $(BIN)/python || $(BIN)/python -m infra.run reset

lock: $(STAMP)  ## Pin the requirements anew
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock" requirements-dev.in -o requirements-dev.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock" -c requirements-dev.txt requirements.in -o requirements.txt

clean:  ## Remove the virtual environment and every cache
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
