# `make demo` and `make test` need only make and Python 3.11+ with venv; they install the rest into .venv.
# That path is no variable: these rules write to it and remove it, and must never meet another folder.

PYTHON ?= python3
TEST_JOBS ?= auto

.PHONY: help demo test test-tools test-lowest test-pythons torture bench bench-full pages release-check requirements clean

help:
	@echo "make demo    make a small reduction, package it, verify it and show the result"
	@echo "make test    lint, check the types and run the tests"
	@echo "make test-tools  install what tests use beside Python, on Debian and Ubuntu (root, or sudo without a password; network)"
	@echo "make test-lowest run the tests with the lowest versions that are allowed of what the program needs"
	@echo "make test-pythons  run the tests with every newer Python that is installed"
	@echo "make torture run the long versions of the fault tests (hours)"
	@echo "make bench   measure the jobs beside peers, in turn, for some ten minutes (BENCH_DIR=FOLDER to say where, BENCH_DISK=FOLDER on a disk, BENCH_PAGE=PAGE)"
	@echo "make bench-full  with more peers and trees, growth, system calls and clusters (hours; BENCH_PAGE=docs/measurements.md)"
	@echo "make pages   run the commands on the pages of README and docs, and write down what they print"
	@echo "make release-check  build what is released, install it by pipx, uv and pip, and run the README from it"
	@echo "make requirements  write release/requirements.txt: exact versions with hashes of what the program needs"
	@echo "make clean   remove what the other targets made"

demo: .venv/installed.stamp
	PYTHONPATH=tests .venv/bin/python demo/walkthrough.py

test: .venv/installed.stamp
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/pytest -n $(TEST_JOBS) --dist worksteal

# Without these, tests are skipped with a reason; with QA2PACK_REQUIRE_TOOLS=1 a skipped test is a failure.
test-tools: build/snakemake/bin/snakemake
	@sh tests/support/install_tools.sh

# Fifty packages for one test: not among those that every test needs.
build/snakemake/bin/snakemake:
	@rm -rf build/snakemake
	@mkdir -p build
	$(PYTHON) -m venv build/snakemake
	build/snakemake/bin/python -m pip install --quiet --disable-pip-version-check 'snakemake>=9'

# Lint and types are checked by `make test` alone: newer libraries come with other type hints.
test-lowest: build/lowest/installed.stamp
	build/lowest/bin/python -m pytest -n $(TEST_JOBS) --dist worksteal

build/lowest/installed.stamp: pyproject.toml tests/support/lowest.py
	@rm -rf build/lowest
	@mkdir -p build
	$(PYTHON) -m venv build/lowest
	build/lowest/bin/python tests/support/lowest.py >build/lowest/constraints.txt
	build/lowest/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint build/lowest/constraints.txt --editable '.[test]'
	@touch $@

# Pythons are looked for on the PATH, and where pyenv and uv put them.
PYTHONS ?= 3.12 3.13
PYTHON_PLACES = "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version*/bin \
  "$${XDG_DATA_HOME:-$$HOME/.local/share}"/uv/python/cpython-$$version*/bin

test-pythons:
	@for version in $(PYTHONS); do \
	  python=; \
	  for each in python$$version $$(ls -d $(PYTHON_PLACES) 2>/dev/null | sed "s|$$|/python$$version|"); do \
	    "$$each" -c 'import ensurepip, venv' 2>/dev/null && { python=$$each; break; }; \
	  done; \
	  [ -n "$$python" ] || { echo "Python $$version is not installed: left out"; continue; }; \
	  folder=build/python$$version; \
	  [ -f $$folder/installed.stamp ] && [ ! pyproject.toml -nt $$folder/installed.stamp ] || { \
	    rm -rf $$folder && mkdir -p build && "$$python" -m venv $$folder \
	    && $$folder/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]' \
	    && touch $$folder/installed.stamp; } || exit 1; \
	  echo "Python $$version"; \
	  $$folder/bin/python -m pytest -n $(TEST_JOBS) --dist worksteal || exit 1; \
	done

# Every fault on every call, every stop in every recovery, every power cut, hundreds of kills: see docs/transactions.md.
torture: .venv/installed.stamp
	.venv/bin/pytest -n $(TEST_JOBS) --dist worksteal -m torture

# A tmpfs by default: the peers are measured, not the disk. Peers that are not installed are left out with a word.
BENCH_DIR ?= /dev/shm/qa2pack-bench
# What is read from the disk, and not from the page cache, needs one; root alone may drop the cache.
BENCH_DISK ?= build/bench/disk
BENCH_PAGE ?=
BENCH = PYTHONPATH=tests .venv/bin/python -m
BENCH_PART = $(BENCH) benchmarks.side_by_side --small 0 --big-gib 0
BENCH_MARKS = --json build/bench/$(1).json $(if $(BENCH_PAGE),--page $(BENCH_PAGE) --marks $(1))
BENCH_TO = --dir $(BENCH_DIR) $(if $(BENCH_PAGE),--page $(BENCH_PAGE))

bench: .venv/installed.stamp
	$(BENCH) benchmarks.side_by_side $(BENCH_TO) --rounds 3 --small 20000,100000 --big-gib 2 --bundled-gib 0.25 \
	  --json build/bench/short.json
	$(BENCH_PART) --dir $(BENCH_DIR) --rounds 3 --mixed 2 $(call BENCH_MARKS,reduction)
	$(BENCH_PART) --dir $(BENCH_DIR) --rounds 2 --late 20000 $(call BENCH_MARKS,late)
	$(BENCH_PART) --dir $(BENCH_DISK) --rounds 2 --cold-gib 2 $(call BENCH_MARKS,cold)

# Hours, 20 GiB of room, and three million names for the growth. BENCH_PAGE=docs/measurements.md writes the tables there.
bench-full: .venv/installed.stamp
	$(BENCH) benchmarks.side_by_side $(BENCH_TO) --full --small 20000,100000 --big-gib 2,8 --one-gib 4 \
	  --bundled-gib 2 --json build/bench/side-by-side.json
	$(BENCH_PART) --dir $(BENCH_DIR) --full --mixed 2,4 $(call BENCH_MARKS,reduction)
	$(BENCH_PART) --dir $(BENCH_DIR) --full --late 20000 $(call BENCH_MARKS,late)
	$(BENCH_PART) --dir $(BENCH_DISK) --rounds 2 --full --cold-gib 8 $(call BENCH_MARKS,cold)
	$(BENCH) benchmarks.encoders $(if $(BENCH_PAGE),--page $(BENCH_PAGE))
	$(BENCH) benchmarks.syscalls $(BENCH_TO) --json build/bench/syscalls.json
	$(BENCH) benchmarks.split $(BENCH_TO)
	$(MAKE) build/casa/bin/python
	$(BENCH) benchmarks.casa $(BENCH_TO) --casa build/casa/bin/python
	$(BENCH) benchmarks.growth $(BENCH_TO) --listed 10000000 --json build/bench/growth.json \
	  $(if $(BENCH_PAGE),--picture $(dir $(BENCH_PAGE))pictures/growth.svg)
	$(BENCH) benchmarks.cluster --dir $(BENCH_DIR) --small 50000 --big-mib 2048 --json build/bench/cluster.json \
	  $(if $(BENCH_PAGE),--page $(dir $(BENCH_PAGE))cluster.md)

# A gigabyte, for one comparison. casadata is what CASA knows of the Earth's rotation, and does not start without.
build/casa/bin/python:
	@rm -rf build/casa
	@mkdir -p build
	$(PYTHON) -m venv build/casa
	build/casa/bin/python -m pip install --quiet --disable-pip-version-check casatasks casadata six

# A page shows what commands print; where that is not so any more, the page is changed.
pages: .venv/installed.stamp
	PYTHONPATH=tests:demo .venv/bin/python tests/support/documents.py

# Needs a network, and some minutes.
release-check:
	.ci/release-check $(PYTHON)

# One file for every Python that is supported; newer releases are taken where pyproject.toml allows them.
requirements: build/uv/bin/uv
	build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	  --custom-compile-command "make requirements" --output-file release/requirements.txt pyproject.toml

build/uv/bin/uv:
	$(PYTHON) -m venv build/uv
	build/uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.7'

clean:
	rm -rf .venv build

# The stamp is made last, so an install that was stopped half-way starts anew.
.venv/installed.stamp: pyproject.toml
	@command -v $(PYTHON) >/dev/null \
	  || { echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$$($(PYTHON) --version) is too old: Python 3.11 or newer is needed. Name one: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "This Python has no venv with pip. On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@
