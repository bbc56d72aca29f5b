# Each target makes its own environment: nothing is needed beside Python >= 3.10 and the package registries.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data

CPP := clients/cpp
CPP_BUILD ?= build/cpp
CPP_PACKAGES ?= cmake=cmake g++=c++ pkg-config=pkg-config libzmq3-dev cppzmq-dev libmsgpack-cxx-dev zlib1g-dev \
	doctest-dev nlohmann-json3-dev
WINDOWS_BUILD ?= build/windows
WINDOWS_PACKAGES ?= cmake=cmake g++-mingw-w64-x86-64-posix=x86_64-w64-mingw32-g++-posix wine=wine \
	libzmq3-dev cppzmq-dev libmsgpack-cxx-dev
TEST_PACKAGES ?= chromium=chromium chromium-driver=chromedriver curl=curl redis-server=redis-server
NANO_DATA ?= $(DATA)/train
NANO_OUT ?= build/nano
NANO_SETTINGS ?= training/nano/settings.toml
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

# Python is started hundreds of times: forbidden to keep its bytecode, it compiles all that it imports again each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-windows check check-cpp sanitize-cpp sanitize-cpp-build cpp cpp-build cpp-format bench bench-models bench-quality train-nano nano-data ship-nano clean help

help:
	@echo "make demo           a real photo, a click, a box and a correction through a node; pictures in demo-out/"
	@echo "                    MODEL=NAME takes another model, PHOTO=FILE another photo, PICTURE=docs/images/demo.png renews the README's picture"
	@echo "make test           all tests, Python and C++"
	@echo "make test-windows   the C++ and Python clients, and the node, as programs of Windows under wine"
	@echo "make check          format, lint, types, layers"
	@echo "make cpp            builds the C++ client, its tests and examples in $(CPP_BUILD)/, and runs its tests"
	@echo "make check-cpp      the C++ sources' format, and clang-tidy"
	@echo "make sanitize-cpp   the C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer"
	@echo "make bench          the bus beside what else one could use; writes docs/performance.md"
	@echo "make bench-models   the models beside their authors' code, on this machine's CPU; writes docs/performance.md"
	@echo "make bench-quality  the built-in models on photos and videos with masks in DATA=$(DATA); writes docs/performance.md"
	@echo "make train-nano     trains the network of the model nano on the photos in NANO_DATA=$(NANO_DATA), or goes on with it;"
	@echo "                    NANO_OUT=$(NANO_OUT) gets it; NANO_UNTIL=STEP leaves off there, NANO_FRESH=1 begins anew"
	@echo "make ship-nano      puts the network in NANO_OUT into the package, and its facts on docs/nano-card.md"

# One stamp a set of extras: an environment is made again only when the project's needs change.
$(VENV)/.extra-%: pyproject.toml $(VENV)/bin/uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --editable ".[$*]"
	@touch $@

# torch alone is gigabytes: uv installs in seconds what takes pip minutes.
$(VENV)/bin/uv:
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
		echo "maskbus: $(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

# The authors' own code. One package of it is built, against the torch that dev has brought, without its CUDA kernels.
$(VENV)/.extra-reference: export SAM2_BUILD_CUDA = 0
$(VENV)/.extra-reference: $(VENV)/.extra-dev

demo: $(VENV)/.extra-demo $(if $(filter-out echo grabcut nano,$(MODEL)),$(VENV)/.extra-fast)
	@$(BIN)/maskbus demo --out demo-out $(if $(PHOTO),--photo $(PHOTO)) $(if $(MODEL),--model $(MODEL)) $(if $(PICTURE),--picture $(PICTURE))

# A browser, for the tests that click in the page of `maskbus view`; curl, for the page on HTTP; and a redis, for the cache of
# answers. What needs one of them is skipped where it is missing. Files are taken in their order, the quick ones last, so that
# neither core is without work at the end; and a thread of torch that waits leaves its core to others.
test: $(VENV)/.extra-dev $(VENV)/.extra-reference cpp
	@$(CPP)/scripts/need.sh --optional $(TEST_PACKAGES)
	@MASKBUS_CPP_BUILD=$(abspath $(CPP_BUILD)) OMP_WAIT_POLICY=passive \
		$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# What cannot be installed or fetched is named, what needs it is skipped, and the target fails.
test-windows: $(VENV)/.extra-dev
	@$(CPP)/scripts/need.sh --optional $(WINDOWS_PACKAGES)
	@JOBS=$(JOBS) $(BIN)/python tests/windows/prepare.py $(WINDOWS_BUILD)
	@MASKBUS_WINDOWS=$(abspath $(WINDOWS_BUILD)) $(BIN)/python -m pytest tests/windows $(PYTEST_ARGS)

check: $(VENV)/.extra-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

cpp: cpp-build
	@cd $(CPP_BUILD) && ctest --output-on-failure --no-tests=error --parallel $(JOBS)

cpp-build: $(CPP_BUILD)/cmake_install.cmake
	@cmake --build $(CPP_BUILD) --parallel $(JOBS)

# CMake writes this file last, and configures again by itself when its inputs change. Lines and functions are enough of debug
# information for a backtrace; all of it takes the compiler a third longer.
$(CPP_BUILD)/cmake_install.cmake:
	@$(CPP)/scripts/need.sh $(CPP_PACKAGES)
	@$(CPP)/scripts/need.sh --optional libopencv-core-dev
	@cmake -S $(CPP) -B $(CPP_BUILD) $(if $(shell command -v ninja),-G Ninja) -DCMAKE_BUILD_TYPE=RelWithDebInfo \
		"-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O2 -g1 -DNDEBUG" $(CPP_OPTIONS)

CPP_SOURCES = $(shell find $(CPP)/include $(CPP)/src $(CPP)/tests $(CPP)/conformance $(CPP)/examples $(CPP)/consumers \
	-name '*.hpp' -o -name '*.cpp')

cpp-format:
	@$(CPP)/scripts/need.sh clang-format=clang-format
	@clang-format -i $(CPP_SOURCES)

check-cpp:
	@$(CPP)/scripts/need.sh $(CPP_PACKAGES) clang-format=clang-format clang-tidy=clang-tidy
	@clang-format --dry-run --Werror $(CPP_SOURCES)
	@cd $(CPP) && cmake --preset tidy >/dev/null && cmake --build --preset tidy --parallel $(JOBS)

sanitize-cpp: sanitize-cpp-build
	@cd $(CPP) && ctest --preset asan --parallel $(JOBS)

sanitize-cpp-build:
	@$(CPP)/scripts/need.sh $(CPP_PACKAGES)
	@cd $(CPP) && cmake --preset asan >/dev/null && cmake --build --preset asan --parallel $(JOBS)

bench: $(VENV)/.extra-bench
	@$(CPP)/scripts/need.sh $(CPP_PACKAGES)
	@$(BIN)/python bench/transport.py --docs
	@$(BIN)/python bench/native.py --docs
	@$(BIN)/python bench/streams.py --docs
	@$(CPP)/scripts/need.sh --optional redis-server=redis-server
	@$(BIN)/python bench/http_gateway.py --docs

bench-models: $(VENV)/.extra-dev $(VENV)/.extra-reference $(VENV)/.extra-bench
	@$(BIN)/python bench/models.py --docs
	@$(BIN)/python bench/text.py --docs

bench-quality: $(VENV)/.extra-bench
	@$(BIN)/python bench/quality.py --data $(DATA) --docs
	@$(BIN)/python bench/tracking.py --data $(DATA) --docs

# A training that was interrupted goes on from its last checkpoint.
train-nano: nano-data $(VENV)/.extra-train
	@$(BIN)/python -m training.nano.train --data "$(NANO_DATA)" --out "$(NANO_OUT)" --settings "$(NANO_SETTINGS)" \
		$(if $(NANO_UNTIL),--until $(NANO_UNTIL)) $(if $(NANO_FRESH),--fresh)
	@$(BIN)/python -m training.nano.export --checkpoint "$(NANO_OUT)/checkpoint.pt" --to "$(NANO_OUT)" --settings "$(NANO_SETTINGS)"
	@$(BIN)/python -m training.nano.calibrate --data "$(NANO_DATA)" --to "$(NANO_OUT)" --settings "$(NANO_SETTINGS)"
	@$(BIN)/python -m training.nano.pictures --data "$(NANO_DATA)" --out "$(NANO_OUT)" --settings "$(NANO_SETTINGS)"

# Before gigabytes are installed.
nano-data:
	@test -d "$(NANO_DATA)/images" && find "$(NANO_DATA)/masks" -name '*_*.png' -print -quit 2>/dev/null | grep -q . || { \
		echo "train-nano: there are no photos with masks in $(NANO_DATA): it needs images/KEY.jpg and masks/KEY_NUMBER.png;" \
			"NANO_DATA=FOLDER names another folder." >&2; exit 1; }

ship-nano: $(VENV)/.extra-train
	@$(BIN)/python -m training.nano.ship --out "$(NANO_OUT)"

clean:
	@rm -rf $(VENV) demo-out bench-out build dist $(CPP)/build
