# Everything a person or CI runs. The first call of any target makes .venv from the lock file.

PYTHON ?= python3
BIN := .venv/bin
BENCH := .venv-bench/bin

.PHONY: demo test lint format docs lock bench clean

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

# The main job on data/ against the simulated API, and what came out.
demo: .venv/ready
	@$(BIN)/lead-export run data/emails.csv --out build/demo --format parquet --format csv --sandbox
	@$(BIN)/python -c "$$SHOW"
	@echo && ls build/demo/latest/

# Everything that guards the code. Tests start the package some hundred times, and it is compiled once for all of them.
test: .venv/ready lint
	$(BIN)/python -m compileall -q pipeline
	$(BIN)/pytest -n 2

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The generated parts of README.md.
docs: .venv/ready
	$(BIN)/python tests/readme_blocks.py

# Everything in benchmarks/, beside its peers; about ten minutes of two cores.
bench: .venv-bench/ready
	$(BENCH)/python benchmarks/all.py

# Re-resolve the lock files for every supported Python; needs uv. What both hold is of the same version in both.
lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --upgrade --output-file requirements.lock
	uv pip compile pyproject.toml --extra bench --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --upgrade --constraint requirements.lock --output-file requirements-bench.lock

# Hashes are checked for everything, the build tool included; nothing is fetched that the lock file does not name.
.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("lead-export needs Python 3.11 or later; set PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The peers have a folder of their own, so that the tests need none of them.
.venv-bench/ready: requirements-bench.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("lead-export needs Python 3.11 or later; set PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv --clear .venv-bench
	$(BENCH)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-bench.lock
	$(BENCH)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf .venv .venv-bench build .mypy_cache .pytest_cache .ruff_cache .hypothesis
