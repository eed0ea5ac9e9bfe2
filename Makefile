# Each command does its own set-up: an environment in .venv, made once with pip from constraints.txt.
#   make demo     one song through the whole product, offline, in about a minute
#   make test     the test suite           make lint    style and types
#   make bench    speed and memory         make clean   remove what was made
# Another Python: make test PYTHON=python3.12
# On Linux without an NVIDIA card, a much smaller torch: make test TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-tools lint bench train clean
.DELETE_ON_ERROR:

demo: $(READY)
	$(BIN)/stem-bridge demo --into out/demo

# One thread a process: two processes on two cores beat one process whose threads wait for each other.
test: $(READY) test-tools
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4

# $(call debian,how it is found,Debian's packages,what happens without them)
define debian
@if $(1); then :; \
elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	apt-get install -qq -y --no-install-recommends $(2) >/dev/null 2>&1 || \
	{ apt-get update -qq && apt-get install -qq -y --no-install-recommends $(2) >/dev/null; } || \
	echo "$(2) could not be installed: $(3)"; \
else echo "$(3); for them: apt-get install -y --no-install-recommends $(2)"; fi
endef

# What only tests need of the system: a compiler and the framework for the small plugins in tests/effects/vst3, Ardour 7
# for the proof of the session, luacheck for the scripts. Where one cannot be installed its tests are skipped and say
# so; in CI they fail.
test-tools:
	$(call debian,[ -d /usr/share/dpf ] && command -v g++ >/dev/null,g++ dpf-source,tests of plugins are skipped)
	$(call debian,command -v ardour7-export >/dev/null,ardour,tests of the session in a DAW are skipped)
	$(call debian,command -v luacheck >/dev/null,lua-check,the Lua scripts are not linted)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy --platform win32
	$(BIN)/mypy --platform darwin

bench: $(READY)
	$(BIN)/python -m benchmarks

HOURS ?= 4
SONGS ?= 300
# auto: one for each GPU, or each core where there is none.
PROCESSES ?= auto

# Needs Debian's packages that training/parts.py names. Runs again go on where the last one stopped.
train: $(READY)
	$(BIN)/python -m pip install --quiet pyworld 'setuptools<81'
	OMP_NUM_THREADS=1 $(BIN)/python -m training.songs out/train/pool --count $(SONGS)
	$(BIN)/torchrun --nproc-per-node $(PROCESSES) -m training.train out/train/pool out/train/mini.pt --hours $(HOURS)
	$(BIN)/python -m training.export out/train/mini.pt out/train/htdemucs_mini.safetensors

clean:
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Stem Bridge needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@
