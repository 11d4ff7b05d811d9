# Everything a newcomer needs: `make demo` to see Optline, `make test` to trust it. `make` alone lists the targets.
# Needs Python 3.11 or later with its venv module, and make. Nothing is installed outside .venv.

PYTHON ?= python3
PORT ?= 8000
# Extra words for pytest, as in: make test ARGS="-k stop -x"
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Where tests and checks keep their files, so that var/ with its data is never theirs.
SCRATCH := $(CURDIR)/$(VENV)/scratch

# The embedded default, whatever the shell or a .env file says: a setting that is blank counts as not given, and one
# in the environment, blank or not, wins over .env. The other settings lose what the shell gave them.
NAMED := $(shell sed -n 's/^[^A-Z ]\([A-Z][A-Z_]*\)=.*/\1/p' .env.example)
EMBEDDED := env $(NAMED:%=-u %) DATA_DIR="$(SCRATCH)" DATABASE_URL= REDIS_URL= PUBLIC_URL= \
	SECRET_KEY= SUPPRESSION_KEY= TWILIO_ACCOUNT_SID= TWILIO_AUTH_TOKEN= TWILIO_BASE_URL= SIMULATOR=true DEBUG=false
# For tests the keys are given, so that they also run where no key file may be made.
TEST_KEYS := SECRET_KEY=only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz \
	SUPPRESSION_KEY=only-for-tests-abcdefghijklmnopqrstuvwxyz-0123456789

# The oldest supported Python, and the resolver that `make lock` puts into a place of its own.
LOCK_PYTHON := 3.11
LOCK_TOOL := pip-tools==7.6.2
# As in: make lock LOCK_ARGS="--upgrade", or LOCK_ARGS="--upgrade-package django"
LOCK_ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-pg test-browser pictures bench soak faults check fmt lock clean

help: ## List these targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | \
		while IFS='|' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

setup: $(STAMP) ## Create .venv and install the pinned dependencies (quick when nothing changed)

$(STAMP): requirements-dev.lock
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
			found=$$("$(PYTHON)" -V 2>/dev/null) || found=missing; \
			echo "Optline needs Python 3.11 or later, but '$(PYTHON)' is $$found." \
				"Install a newer one and name it: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; exit 1; }; \
		"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
			echo "'$(PYTHON)' comes without its venv module." \
				"Install it (Debian and Ubuntu: apt-get install python3-venv) and try again." >&2; exit 1; }; \
		echo "Creating $(VENV) with $$("$(PYTHON)" -V)"; \
		"$(PYTHON)" -m venv --clear $(VENV); \
	fi
	@echo "Installing the pinned dependencies into $(VENV): half a minute, more on a slow line"
	@$(BIN)/python -m pip --disable-pip-version-check --no-input install -qq --no-compile --require-hashes \
		-r requirements-dev.lock
	@# On all cores, where pip would use one.
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	@mkdir -p "$(SCRATCH)" && touch $@

demo: setup ## Run Optline with example data on 127.0.0.1 (PORT=8000 moves it); Ctrl-C stops it
	@exec $(EMBEDDED) $(BIN)/python manage.py demo --port $(PORT)

test: setup ## Run the tests on SQLite, with no server and no network (ARGS="-k stop" picks some)
	@$(EMBEDDED) $(TEST_KEYS) $(BIN)/python -m pytest -n auto $(ARGS)

# Not those of the example, which brings its own database: `manage.py demo --once` plays it on this one.
test-pg: setup ## Run the same tests on PostgreSQL and Redis (DATABASE_URL=, REDIS_URL=)
	@$(EMBEDDED) $(TEST_KEYS) DATABASE_URL="$${DATABASE_URL:-postgres://postgres@127.0.0.1:5432/optline}" \
		REDIS_URL="$${REDIS_URL:-redis://127.0.0.1:6379/0}" $(BIN)/python -m pytest -n auto --ignore=tests/demo $(ARGS)

test-browser: setup ## People at work in Chromium, against the running example (needs Chromium)
	@$(EMBEDDED) $(TEST_KEYS) $(BIN)/python -m pytest -m browser tests/browser $(ARGS)

pictures: setup ## Take the README's pictures anew from the example (needs Chromium)
	@$(EMBEDDED) $(TEST_KEYS) $(BIN)/python -m pytest -q -m browser tests/browser/take_pictures.py $(ARGS)

# Each measures us and the limit in the same run; those of the database need PostgreSQL (DATABASE_URL=).
BENCHMARKS := webhook settle send gate gate_bulk check_http check_bulk_http classify_texts changelist dashboard \
	snapshot_csv snapshot_xlsx snapshot_as_of snapshot_page import_consents verify_ledger
bench: setup ## Measure against the limits, on PostgreSQL, about fifteen minutes on a quiet machine (BENCHMARKS=)
	@failed=0; for name in $(BENCHMARKS); do echo "== $$name"; \
		DATA_DIR="$(SCRATCH)" $(BIN)/python -m tests.benchmarks.$$name || failed=1; done; \
		DATA_DIR="$(SCRATCH)" $(BIN)/python -m tests.benchmarks.ground; exit $$failed

soak: setup ## Play many random histories against the rules of what must never happen (HISTORIES=300)
	@$(EMBEDDED) $(TEST_KEYS) HISTORIES=$${HISTORIES:-300} $(BIN)/python -m pytest tests/messaging/test_never.py $(ARGS)

faults: setup ## Kill and starve the running engine, on PostgreSQL (FAULTS_SCALE=long: a quarter of an hour; FAULTS_TIMES=5)
	@for time in $$(seq "$${FAULTS_TIMES:-1}"); do echo "== run $$time"; \
		$(EMBEDDED) $(TEST_KEYS) DATABASE_URL="$${DATABASE_URL:-postgres://postgres@127.0.0.1:5432/postgres}" \
		FAULTS_SCALE="$${FAULTS_SCALE:-short}" $(BIN)/python -m pytest -q -s -m faults tests/faults $(ARGS) || exit 1; done

check: setup ## Format, lint, types, migrations, then the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@echo mypy; $(EMBEDDED) $(BIN)/mypy
	@echo manage.py check; $(EMBEDDED) $(BIN)/python manage.py check
	@echo manage.py makemigrations --check --dry-run; $(EMBEDDED) $(BIN)/python manage.py makemigrations --check --dry-run
	@$(MAKE) --no-print-directory test

fmt: setup ## Format the code and put imports in order
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

lock: export CUSTOM_COMPILE_COMMAND := make lock
lock: ## Make the lock files anew from pyproject.toml (LOCK_ARGS="--upgrade" takes newer releases)
	@"$(PYTHON)" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$(LOCK_PYTHON)")' 2>/dev/null || { \
		echo "The lock is made with the oldest Python that Optline supports: make lock PYTHON=python$(LOCK_PYTHON)" >&2; \
			exit 1; }
	@lock_venv=$$(mktemp -d) && trap 'rm -rf "$$lock_venv"' EXIT && \
		"$(PYTHON)" -m venv "$$lock_venv" && \
		"$$lock_venv/bin/python" -m pip --disable-pip-version-check install --quiet $(LOCK_TOOL) && \
		compile() { "$$lock_venv/bin/pip-compile" --quiet --generate-hashes --strip-extras --no-emit-index-url \
			--no-emit-trusted-host --no-emit-find-links $(LOCK_ARGS) "$$@" pyproject.toml; } && \
		compile --output-file requirements.lock && \
		compile --extra dev --constraint requirements.lock --output-file requirements-dev.lock

clean: ## Remove .venv and what the tools left behind; var/ with its data stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
