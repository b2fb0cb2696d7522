# Everything starts here; `make` alone lists the targets.
# Needs Python 3.10 or newer and make; the rest is installed into .venv in this folder.

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
DRAWING := $(VENV)/ready-hardware
STUBS := .stubs/ready
LOCK_VENV := .venv-lock
UV := uv==0.13.9
PIP := -m pip --disable-pip-version-check --no-input
TESTS := $(BIN)/python -m pytest tests -n auto --maxprocesses 4

TARGET ?= vm
HIL = .hil/$(subst /,_,$(subst :,_,$(TARGET)))

.DELETE_ON_ERROR:
.PHONY: help run monitor flash test check hil browser bench hardware pictures lock clean

help: ## list these targets
	@awk -F ' *##* *' '/^[a-z]+:.* ## / { sub(/:.*/, "", $$1); printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## watch the firmware guard a simulated loop that springs a leak (ARGS="--for 90 --no-ui")
	@$(BIN)/loopwatch run $(ARGS)

monitor: $(READY) ## watch a board on USB: samples and alarms (ARGS="--port ...")
	@$(BIN)/loopwatch monitor $(ARGS)

flash: $(READY) ## put the firmware on a board on USB (ARGS="--dry-run")
	@$(BIN)/loopwatch flash $(ARGS)

test: $(READY) ## run all tests that need no hardware (ARGS="-k sampler")
	@$(TESTS) $(ARGS)

check: $(READY) $(STUBS) ## lint, format, types of laptop and firmware, then the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file .mypy-firmware.ini
	@$(TESTS) $(ARGS)

hil: $(READY) ## run the bench's suite on TARGET=vm, pico or serial:PORT; page and JUnit go to .hil (ARGS="-k burst")
	@$(BIN)/python -m pytest tests/hil --target "$(TARGET)" $(if $(filter serial%,$(TARGET)),-s,-n 2) \
		--junitxml=$(HIL).xml --page=$(HIL).html $(ARGS)

browser: $(READY) ## the web page's tests in Chromium, by themselves, since they watch the clock
	@LOOPWATCH_BROWSER=1 $(BIN)/python -m pytest tests/unit/test_web_browser.py $(ARGS)

bench: $(READY) ## measure the budgets and print them with the machine and the date (ARGS="--json")
	@$(BIN)/loopwatch bench $(ARGS)

hardware: $(DRAWING) ## draw, simulate and check the circuit, wiring, bill and loop anew (ARGS="frontend")
	@$(BIN)/python hardware/build.py $(ARGS)
	@LOOPWATCH_HARDWARE_CHANGES=all $(BIN)/python -m pytest -q -n auto --maxprocesses 4 tests/unit/test_pinmap.py \
		tests/unit/test_hardware.py tests/unit/test_hardware_bring_up.py tests/unit/test_hardware_differs.py \
		tests/vm/test_hardware_guides.py

pictures: $(READY) ## draw the pictures of README anew, from the running program; needs Chromium (ARGS="web-leak.png")
	@$(BIN)/python -m loopwatch_host.pictures .pictures $(ARGS)

# One lock for every Python from 3.10 on. It is made by a resolver in an environment of its own.
lock: ## pin the dependencies again after a change of host/pyproject.toml (ARGS="--upgrade")
	@test -x $(LOCK_VENV)/bin/uv || { $(PYTHON) -m venv $(LOCK_VENV) && $(LOCK_VENV)/bin/python $(PIP) install -q $(UV); }
	$(LOCK_VENV)/bin/uv pip compile -q --no-config --no-python-downloads --universal --python-version 3.10 \
		--no-header --no-annotate --extra dev $(ARGS) host/pyproject.toml -o host/requirements.txt
	$(LOCK_VENV)/bin/uv pip compile -q --no-config --no-python-downloads --universal --python-version 3.10 \
		--no-header --no-annotate --extra hardware $(ARGS) -c host/requirements.txt host/pyproject.toml \
		-o host/requirements-hardware.txt

clean: ## remove the environment and every cache
	rm -rf $(VENV) $(LOCK_VENV) .stubs .mypy_cache .ruff_cache .pytest_cache .hypothesis .hil
	find firmware host tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): host/requirements.txt host/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
		echo "loopwatch needs Python 3.10 or newer; $(PYTHON) is $$({ $(PYTHON) --version || echo not there; } 2>/dev/null)."; \
		echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make a virtual environment: its venv or ensurepip is missing."; \
		echo "On Debian and Ubuntu: sudo apt install python3-venv, then make $(MAKECMDGOALS) again."; exit 1; }
	@echo "setting up $(VENV) (only now and when the pinned packages change; about a minute)"
	@$(BIN)/python -c '' 2>/dev/null || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); }
	@printf "packages:"
	@{ $(BIN)/python $(PIP) install --progress-bar off -r host/requirements.txt; echo $$? >$(VENV)/pip_exit; } \
		| awk '/^Collecting/ { printf " %s", $$2; fflush() } END { print "" }'
	@test "$$(cat $(VENV)/pip_exit)" = 0 || { \
		echo "The packages could not be installed: pip says why above (no network? then try again with one)."; exit 1; }
	@$(BIN)/python $(PIP) install -q --no-build-isolation --no-deps -e host
	@touch $@

$(DRAWING): host/requirements-hardware.txt $(READY)
	@command -v ngspice >/dev/null && command -v dot >/dev/null || { \
		echo "hardware needs the programs ngspice and dot. On Debian and Ubuntu: sudo apt install ngspice graphviz"; exit 1; }
	@echo "adding the drawing tools to $(VENV)"
	@$(BIN)/python $(PIP) install -q -r host/requirements-hardware.txt
	@touch $@

$(STUBS): host/requirements-stubs.txt $(READY)
	@echo "fetching MicroPython's type stubs into .stubs"
	@rm -rf .stubs
	@$(BIN)/python $(PIP) install -q --no-deps --target .stubs -r host/requirements-stubs.txt
	@touch $@
