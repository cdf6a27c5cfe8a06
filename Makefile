# counterpoint: every target works as the first command on a fresh machine.

VENV   := .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
ARGS   ?=
# Three processes share the fast tests out, two of which wait most of the time (tests/lanes.py); a
# debugger needs `make test SHARE=`.
SHARE  ?= -n 3 --dist loadscope --no-loadscope-reorder
# `make ALL=1` installs all that a user and a developer need at once, and compiles what is imported when
# it is: continuous integration throws the environment away.
ALL    ?=
USER_EXTRAS := desk,alerts
DEV_EXTRAS  := dev,desk,alerts,postgres
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	$(if $(ALL),--no-compile)
BENCHES ?= synthetic exchange bus kills newcomer edge matching start memory

# Bytecode is kept whatever the environment says: without it each process that a test starts compiles
# our sources anew, and pytest rewrites every assertion in every process.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup run keys node kernels test test-all lint check bench up down backup restore clean

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.base: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "counterpoint needs Python 3.11 or newer, found %d.%d: make PYTHON=python3.11 $(MAKECMDGOALS)" % v[:2])'
	@test -x $(BIN)/python || { echo "creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing counterpoint (about a minute, once)"
	@$(INSTALL) -e '.[$(if $(ALL),$(DEV_EXTRAS),$(USER_EXTRAS))]'
	@touch $@

$(VENV)/.dev: $(VENV)/.base
ifeq ($(ALL),)
	@echo "installing the tools for development"
	@$(INSTALL) -e '.[$(DEV_EXTRAS)]'
endif
	@touch $@

docs/examples/node_modules/.made: docs/examples/package.json
	@command -v npm >/dev/null || { echo "npm is not installed: tests of the JavaScript agent are skipped"; exit 1; }
	@npm install --prefix docs/examples --no-package-lock --ignore-scripts --no-audit --no-fund --silent
	@touch $@

setup: $(VENV)/.base ## create the environment

run: $(VENV)/.base ## run the whole stack on the bundled recording (ARGS="--hours 8 ...")
	@$(BIN)/counterpoint run $(ARGS)

keys: $(VENV)/.base ## make the roster, every private key, and what the containers need
	@$(BIN)/counterpoint keys new $(ARGS)
	@$(BIN)/counterpoint keys stack $(ARGS)

node: docs/examples/node_modules/.made ## what the agent in JavaScript needs, where node and npm are

kernels: $(VENV)/.base ## compile the market's kernels now, once, and not in each process that asks
	@$(BIN)/python -c 'from market.warm import warm; warm()'

test: $(VENV)/.dev ## the fast tests
	@$(BIN)/python -m pytest $(SHARE) $(ARGS)

test-all: $(VENV)/.dev ## every test, the slow ones too
	@$(BIN)/python -m pytest -m '' $(ARGS)

lint: $(VENV)/.dev ## format, lint, types, import floors, schemas
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check --no-cache .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m protocol.schema.generate --check

check: lint test ## lint and the fast tests

bench: $(VENV)/.dev ## every benchmark that needs no recording; each prints a table and one JSON line
	@for name in $(BENCHES); do echo "== $$name"; $(BIN)/python -m bench.$$name || exit 1; done

up: ## the stack in containers
	@docker-compose up --build

down: ## end the containers and their volumes
	@docker-compose down -v

backup: ## the volumes of the stack into one archive (ARGS=FOLDER)
	@deploy/backup.sh $(ARGS)

restore: ## an archive into empty volumes (FROM=FILE)
	@deploy/restore.sh $(FROM)

clean: ## remove the environment and all data of runs
	rm -rf $(VENV) counterpoint-data
