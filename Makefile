# `make demo` and `make test` set everything up themselves; only python3 and make are needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SLURM := slurm-wlm slurmctld slurmd slurmdbd munge mariadb-server

.PHONY: setup demo check fast test soak times slurm browser smoke bench lint docs clean

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
	$(BIN)/sweep-store report runs/demo.zarr --output runs/demo.html
	@echo "store: runs/demo.zarr   picture: runs/demo.png   report for a browser: runs/demo.html"
	@echo "next: $(BIN)/sweep-store best runs/demo.zarr"

# A process a core, and one for those that mostly wait for SLURM.
PROCESSES := $(shell n=$$(nproc); [ $$n -lt 8 ] && echo $$((n + 1)) || echo 8)
PYTEST = $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

test: setup slurm browser
	$(PYTEST) --durations=40 --durations-min=5

# What to run before a commit.
FAST := tests/test_imports.py tests/test_cache.py tests/noise tests/grid tests/problem \
	tests/solvers/test_newton.py tests/store/test_writer.py tests/clusters/test_clusters.py

check: setup
	$(MAKE) --no-print-directory -j 2 --output-sync=target lint fast

fast: setup
	$(PYTEST) -q -m "not slow and not soak" $(FAST)

# What is longer than in `test`, but not other: before a release. benchmarks/results/soak.json
soak: setup slurm
	XLA_FLAGS= $(PYTEST) -m soak -p tests.times --times benchmarks/results/soak.json

# Where the tests spend their time: benchmarks/results/tests.json.
times: setup slurm browser
	$(PYTEST) -p tests.times --times benchmarks/results/tests.json

# Parts of a SLURM and a browser for the tests, where root can install them; else those tests skip
# and say why.
APT = [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "installing $(1)" \
	  && export DEBIAN_FRONTEND=noninteractive \
	  && { apt-get update -qq && apt-get install -y -qq $(1); } >/dev/null 2>&1 \
	  || echo "not installed here, its tests will be skipped: $(1)"

slurm:
	@{ command -v slurmctld && command -v mariadbd; } >/dev/null || { $(call APT,$(SLURM)); }

browser:
	@command -v chromium >/dev/null || { $(call APT,chromium); }

# Another Python: make smoke PYTHON=python3.13 VENV=.venv-3.13
smoke: setup
	$(PYTEST) tests/problem tests/test_fit.py tests/test_api.py tests/sky/test_synthetic.py
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
