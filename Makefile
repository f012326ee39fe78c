# `make demo` and `make test` set everything up themselves; only python3 and make are needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SLURM := slurm-wlm slurmctld slurmd slurmdbd munge mariadb-server

.PHONY: setup demo test slurm smoke bench lint docs clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"skysweep needs Python 3.11 to 3.13, {sys.executable} is {v.major}.{v.minor}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip -c constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $(READY)

demo: setup
	$(BIN)/sweep -m +experiment=demo
	$(BIN)/sweep-store plot runs/demo.zarr --output runs/demo.png
	@echo "store: runs/demo.zarr   picture: runs/demo.png   next: $(BIN)/sweep-store best runs/demo.zarr"

test: setup slurm
	$(BIN)/python -m pytest

# Parts of a SLURM for the tests, where they can be installed; else those tests skip and say why.
slurm:
	@if { command -v slurmctld && command -v mariadbd; } >/dev/null || [ "$$(id -u)" != 0 ] \
	  || ! command -v apt-get >/dev/null; then exit 0; fi; \
	export DEBIAN_FRONTEND=noninteractive; echo "installing $(SLURM)"; \
	{ apt-get update -qq && apt-get install -y -qq $(SLURM); } >/dev/null 2>&1 \
	  || echo "SLURM cannot be installed here: its tests will be skipped"

# Another Python: make smoke PYTHON=python3.13 VENV=.venv-3.13
smoke: setup
	$(BIN)/python -m pytest tests/problem tests/test_fit.py tests/test_api.py tests/sky/test_synthetic.py
	$(BIN)/sweep sky.nside=8 clusters.beta_dust=4 clusters.temp_dust=1 clusters.beta_pl=1 \
	  solver=scipy_tnc noise.realisations=2 store.path=$(VENV)/smoke/first.zarr
	$(BIN)/sweep-store verify $(VENV)/smoke/first.zarr

bench: setup
	$(BIN)/python -m benchmarks

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: setup
	$(BIN)/python -m sweep.config.document > docs/configuration.new
	mv docs/configuration.new docs/configuration.md

clean:
	rm -rf .venv .venv-* runs
