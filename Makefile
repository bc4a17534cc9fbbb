# Every target bootstraps what it needs into .venv; Python >= 3.11 is all a machine must have.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
# Found by name, so that a shell's own settings do not leak into tools.
unexport PYTHONPATH

SCHEDULES ?= 2000
SEED ?= 1

.PHONY: help install up demo test prove quick check format lint types contracts shell-lint scripts-lint \
        validate synth diff deploy destroy package bench pictures-notices clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/\1|\2/' | \
	  awk -F'|' '{ printf "  make %-16s %s\n", $$1, $$2 }'

# Two sizes of .venv: the demo needs no CDK and no test tools.
$(BIN)/.runtime: local_runtime/requirements.txt lambda_functions/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.12 …" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing what the one-machine mode needs into .venv …" >&2
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r local_runtime/requirements.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(BIN)/.everything: requirements.txt $(BIN)/.runtime
	@echo "installing the stack's and the tests' tools into .venv …" >&2
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	@touch $@

install: $(BIN)/.everything ## Everything into .venv

up: $(BIN)/.runtime ## The hub and the core on http://127.0.0.1:8080 (PORT=…), until Ctrl-C
	@$(BIN)/python -m local_runtime.up

demo: $(BIN)/.runtime ## A real service is overloaded, noticed, restarted, verified: under a minute
	@$(BIN)/python -m local_runtime.demo

test: check ## Everything CI runs
	@$(BIN)/python -m pytest -n 2 --dist loadfile

quick: $(BIN)/.everything ## The tests of the common loop: seconds
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" tests/unit tests/integration

prove: $(BIN)/.everything ## Whole system under simulated trouble: SCHEDULES=20000 SEED=7
	@PYTHONPATH=lambda_functions:. $(BIN)/python -m tests.prove --schedules $(SCHEDULES) --seed $(SEED)

check: lint types contracts validate ## Everything that can be said without running the product

format: $(BIN)/.everything ## Format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(BIN)/.everything
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/shellcheck --severity=style --shell=bash .ci/run
	@$(BIN)/deptry . --config .deptry.toml

types: $(BIN)/.everything
	@$(BIN)/mypy

contracts: $(BIN)/.everything
	@PYTHONPATH=lambda_functions:. $(BIN)/lint-imports

validate: $(BIN)/.runtime ## Check config.yaml
	@$(BIN)/autorecovery validate

package: $(BIN)/.everything ## The exact Lambda asset, in build/lambda/ (HOST=1: for this machine)
	@$(BIN)/python -m infra.package $(if $(HOST),--host)

synth: $(BIN)/.everything ## The CloudFormation template, in cdk.out/
	@$(BIN)/python -m infra.cli synth
	@echo "the template: cdk.out/AutoRecovery.template.json" >&2

diff: $(BIN)/.everything ## What a deploy would change
	@$(BIN)/python -m infra.cli diff

deploy: $(BIN)/.everything ## Deploy to the AWS account of your credentials
	@$(BIN)/python -m infra.cli deploy

destroy: $(BIN)/.everything ## Remove the stack; incidents and documents are kept
	@$(BIN)/python -m infra.cli destroy

bench: $(BIN)/.everything ## The benchmarks, as ratios against their floor in the same run
	@$(BIN)/python -m tests.bench

pictures-notices: $(BIN)/.everything ## Every state in every channel, in build/notices/index.html
	@PYTHONPATH=lambda_functions:. $(BIN)/python -m tests.pictures

clean: ## Remove what was built
	@rm -rf build cdk.out .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
