# `make demo` and `make test` need only make and Python 3.11+ with venv; they install the rest into .venv.
# That path is no variable: these rules write to it and remove it, and must never meet another folder.

PYTHON ?= python3
TEST_JOBS ?= auto

.PHONY: help demo test torture bench bench-full pages clean

help:
	@echo "make demo    make a small reduction, package it, verify it and show the result"
	@echo "make test    lint, check the types and run the tests"
	@echo "make torture run the long versions of the fault tests (hours)"
	@echo "make bench   measure the jobs beside peers, in turn, for some minutes (BENCH_DIR=FOLDER to say where)"
	@echo "make bench-full  with more peers and trees, growth, system calls and clusters (hours; BENCH_PAGE=docs/performance.md)"
	@echo "make pages   run the commands on the pages of README and docs, and write down what they print"
	@echo "make clean   remove what the other targets made"

demo: .venv/installed.stamp
	PYTHONPATH=tests .venv/bin/python demo/walkthrough.py

test: .venv/installed.stamp
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/pytest -n $(TEST_JOBS) --dist worksteal

# Every fault on every call, every stop in every recovery, every power cut, hundreds of kills: see docs/transactions.md.
torture: .venv/installed.stamp
	.venv/bin/pytest -n $(TEST_JOBS) --dist worksteal -m torture

# A tmpfs by default: the peers are measured, not the disk. Peers that are not installed are left out with a word.
BENCH_DIR ?= /dev/shm/qa2pack-bench
BENCH_PAGE ?=
BENCH = PYTHONPATH=tests .venv/bin/python -m
BENCH_TO = --dir $(BENCH_DIR) $(if $(BENCH_PAGE),--page $(BENCH_PAGE))

bench: .venv/installed.stamp
	$(BENCH) benchmarks.side_by_side --dir $(BENCH_DIR) --rounds 3 --small 20000,100000 --big-gib 2 --one-gib 2 \
	  --json build/bench/short.json

# Hours, 20 GiB of room, and three million names for the growth. BENCH_PAGE=docs/performance.md writes the tables there.
bench-full: .venv/installed.stamp
	$(BENCH) benchmarks.side_by_side $(BENCH_TO) --full --small 20000,100000 --big-gib 2,8 --one-gib 4 --mixed 4 \
	  --json build/bench/side-by-side.json
	$(BENCH) benchmarks.syscalls $(BENCH_TO) --json build/bench/syscalls.json
	$(BENCH) benchmarks.split $(BENCH_TO)
	$(BENCH) benchmarks.growth $(BENCH_TO) --listed 10000000 --json build/bench/growth.json \
	  $(if $(BENCH_PAGE),--picture $(dir $(BENCH_PAGE))pictures/growth.svg)
	$(BENCH) benchmarks.cluster --dir $(BENCH_DIR) --small 50000 --big-mib 2048 --json build/bench/cluster.json \
	  $(if $(BENCH_PAGE),--page $(dir $(BENCH_PAGE))cluster.md)

# A page shows what commands print; where that is not so any more, the page is changed.
pages: .venv/installed.stamp
	PYTHONPATH=tests:demo .venv/bin/python tests/documents.py

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
