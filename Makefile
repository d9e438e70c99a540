# make demo: install and run everything on the demo corpus.  make test: install and run the tests.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
# Python compiles what is imported, once; compiling all that is installed takes most of a minute.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test check lint types boundaries bench lock clean

install: .venv/run.done

demo: .venv/run.done .venv/demo.done
	@$(BIN)/bertdata demo

test: .venv/test.done
	@$(BIN)/python -m pytest -n 2 --cov --cov-fail-under=90

check: lint types boundaries test

lint: .venv/test.done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/test.done
	$(BIN)/mypy

boundaries: .venv/test.done
	$(BIN)/lint-imports

bench: .venv/test.done
	$(BIN)/python -m tests.benchmarks

# Take over what is installed now, after an upgrade by hand.
lock: .venv/test.done
	$(BIN)/python .lock/renew.py

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*

.venv/pip.done:
	@echo "Installing into .venv: about a minute"
	@$(PYTHON) -m venv .venv
	@touch $@

# The last step compiles the loops over text, so that the first run need not.
# torch once more, with what it wants: on some platforms that is CUDA's libraries.
.venv/run.done: .venv/pip.done pyproject.toml .lock/run.txt
	@$(PIP) --no-deps --requirement .lock/run.txt
	@$(PIP) $$(grep '^torch==' .lock/run.txt)
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pipelines.jobs </dev/null
	@touch $@

.venv/demo.done: .venv/pip.done .lock/demo.txt
	@$(PIP) --no-deps --require-hashes --requirement .lock/demo.txt
	@touch $@

.venv/test.done: .venv/run.done .venv/demo.done .lock/test.txt
	@$(PIP) --no-deps --requirement .lock/test.txt
	@touch $@
