# make run: install what is needed and train on real digits. make test: all tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGUMENTS ?=

.PHONY: help run test faults promises smoke lint format docs benchmark zoo lock clean

help:
	@echo "make run [ARGUMENTS='model=resnet ...']   install, then train, test and record"
	@echo "make test                                 install, then run every test"
	@echo "make faults [ARGUMENTS='train 20']        kill runs at every operation on their files, and go on: hours"
	@echo "make promises                             install, then try what the headers of data sets promise"
	@echo "make smoke                                install, then try every legal combination, offline"
	@echo "make lint | format | docs | benchmark     check the style; mend it; draw the rooms; measure the speed"
	@echo "make zoo [ARGUMENTS=timm/resnet10t]       try int8 on every family of torchvision and timm: docs/zoo.md"

run: $(VENV)/installed
	$(BIN)/python -m runner $(ARGUMENTS)

# Two workers with one thread each: threads of several torch processes would fight over the cores. A file of tests stays
# with one worker, so that the runs that its tests share are trained once; the longest files begin (tests/conftest.py).
# Bytecode is written whatever the environment says: the many processes that tests start would each compile anew.
# Memory that was freed stays with the process: asking for it anew was a tenth of the suite's time.
test: export OMP_NUM_THREADS = 1
test: export PYTHONDONTWRITEBYTECODE =
test: export MALLOC_TRIM_THRESHOLD_ = 1000000000
test: export MALLOC_MMAP_THRESHOLD_ = 1000000000
test: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Every operation of a training, of a run through every stage and of a sweep, by both signals; by hand and nightly.
faults: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults $(ARGUMENTS)

# Every data set's own command against its header; what is neither in RUNNER_DATA nor shipped is left out.
promises: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.promises

smoke: $(VENV)/installed
	$(BIN)/python -m runner smoke $(ARGUMENTS)

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The picture of docs/architecture.md, from what the packages import.
docs: $(VENV)/installed
	$(BIN)/python docs/rooms.py

benchmark: $(VENV)/installed
	$(BIN)/python -m tests.benchmarks

# Hours, which may be interrupted: what was walked is kept, and it goes on there.
zoo: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.zoo $(ARGUMENTS)

# Exact versions of everything installed; run it in a fresh environment after changing pyproject.toml.
lock: $(VENV)/installed
	echo "# Exact versions of everything that make installs, as pip constraints; renewed by: make lock" > requirements.lock
	$(BIN)/pip freeze --exclude-editable >> requirements.lock

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache

$(VENV)/installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "runner needs Python 3.11 or newer: make PYTHON=python3.11 ..."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[dev]'
	@touch $@
