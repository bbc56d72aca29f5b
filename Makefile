# Each target makes its own environment: nothing is needed beside Python >= 3.10 and the package registries.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data

.PHONY: demo test check bench bench-quality clean help

help:
	@echo "make demo           a real photo, a click, a box and a correction through a node; pictures in demo-out/"
	@echo "                    PHOTO=FILE takes another photo, PICTURE=docs/images/demo.png renews the README's picture"
	@echo "make test           all tests"
	@echo "make check          format, lint, types, layers"
	@echo "make bench          the bus beside what else one could use; writes docs/performance.md"
	@echo "make bench-quality  the built-in model on photos with masks in DATA=$(DATA); writes docs/performance.md"

# One stamp a set of extras: an environment is made again only when the project's needs change.
$(VENV)/.extra-%: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
		echo "maskbus: $(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@

demo: $(VENV)/.extra-demo
	@$(BIN)/maskbus demo --out demo-out $(if $(PHOTO),--photo $(PHOTO)) $(if $(MODEL),--model $(MODEL)) $(if $(PICTURE),--picture $(PICTURE))

test: $(VENV)/.extra-dev
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.extra-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.extra-bench
	@$(BIN)/python bench/transport.py --docs

bench-quality: $(VENV)/.extra-bench
	@$(BIN)/python bench/quality.py --data $(DATA) --docs

clean:
	@rm -rf $(VENV) demo-out bench-out build dist
