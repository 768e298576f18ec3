# What people and CI run. The first call of a target creates the environment that it needs from a lock file.

PYTHON ?= python3
LOWEST_PYTHON ?= python3.11
BIN := .venv/bin
BENCH := .venv-bench/bin
LOWEST := .venv-lowest/bin
UV := build/uv/bin/uv

PIP_INSTALL := pip install --quiet --disable-pip-version-check
LOCK := $(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
  --quiet --upgrade

.PHONY: demo test lint format docs bench dist test-lowest lock clean

define SHOW
import pandas as pd
for name, columns in (
    ("leads", ["id", "email", "first_name", "last_name", "score", "date_joined"]),
    ("tags", ["lead_id", "position", "tag_name"]),
    ("transactions", ["lead_id", "product_name", "transaction_type", "transaction_date"]),
):
    table = pd.read_parquet(f"build/demo/latest/{name}.parquet")
    print(f"\n{name}: {len(table):,} rows, {len(table.columns)} columns\n{table[columns].head().to_string()}")
endef
export SHOW

# Exports data/emails.csv from the sandbox and shows the tables. One row fails, as the sandbox gives the lead of another
# address: exit code 3, with which tables are published all the same.
demo: .venv/ready
	@$(BIN)/lead-export run data/emails.csv --out build/demo --format parquet --format csv --sandbox || [ $$? -eq 3 ]
	@$(BIN)/python -c "$$SHOW"
	@echo && ls build/demo/latest/

# Everything that guards the code. Compiling the package once saves time: the tests start it some hundred times.
test: .venv/ready lint
	$(BIN)/python -m compileall -q pipeline
	$(BIN)/pytest -n 2 --dist worksteal

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Brings everything up to date that is generated from the code: blocks of the documentation, and configs/default.toml.
docs: .venv/ready
	$(BIN)/python tests/docs/docs_blocks.py

# All benchmarks, about a quarter of an hour on two cores.
bench: .venv-bench/ready
	$(BENCH)/python benchmarks/all.py

# Builds wheel and sdist, then installs each into clean environments and tries it there.
dist: .venv/ready
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist
	$(BIN)/python tests/packaging/try_dist.py dist

# The tests with the lowest versions that pyproject.toml allows, on the lowest Python.
test-lowest: .venv-lowest/ready
	$(LOWEST)/python -m compileall -q pipeline
	$(LOWEST)/pytest -n 2 --dist worksteal

# Resolves all lock files again, with the newest uv in an environment of its own. A package that is in several files has
# the same version in all of them, except in requirements-lowest.lock.
lock: $(UV)
	$(LOCK) --group dev --output-file requirements.lock
	$(LOCK) --group bench --constraint requirements.lock --output-file requirements-bench.lock
	$(LOCK) --group test --resolution lowest-direct --output-file requirements-lowest.lock

$(UV):
	$(PYTHON) -m venv --clear build/uv
	build/uv/bin/$(PIP_INSTALL) uv

# Installs exactly what a lock file names, with hashes checked, then the package itself.
.venv/ready: requirements.lock pyproject.toml
	$(call create,$(PYTHON),.venv,$<)

.venv-bench/ready: requirements-bench.lock pyproject.toml
	$(call create,$(PYTHON),.venv-bench,$<)

.venv-lowest/ready: requirements-lowest.lock pyproject.toml
	$(call create,$(LOWEST_PYTHON),.venv-lowest,$<)

define create
	$(1) -c 'import sys; sys.exit("lead-export needs Python 3.11 or later; set PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(1) -m venv --clear $(2)
	$(2)/bin/$(PIP_INSTALL) --require-hashes --requirement $(3)
	$(2)/bin/$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@
endef

clean:
	rm -rf .venv .venv-bench .venv-lowest build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
