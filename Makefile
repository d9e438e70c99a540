# make demo: install and run everything on the demo corpus.  make test: install and run the tests.
#
# make demo TORCH=...  takes torch from somewhere else: a wheel (path or address), the address of an
# index, or a requirement such as torch==2.12.0; `make clean` first if another one is installed.
# Otherwise Linux without an NVIDIA driver takes the CPU build from https://download.pytorch.org/whl/cpu
# (or TORCH_CPU_INDEX).
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python .lock/install.py
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test coverage check lint types boundaries docs bench consumers lock clean

install: .venv/run.done

demo: .venv/run.done
	@$(BIN)/bertdata demo

test: .venv/test.done
	@$(BIN)/python -m pytest -n 2 --dist loadfile

# Which lines the tests reach, those in child processes too: takes half as long again as the tests.
coverage: .venv/test.done
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-fail-under=90

check: lint types boundaries docs test

lint: .venv/test.done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/test.done
	$(BIN)/mypy

boundaries: .venv/test.done
	$(BIN)/lint-imports

# The documentation as pages in build/docs; a broken link is an error.
docs: .venv/docs.done
	$(BIN)/python -m flows.help.reference > docs/.configuration.md
	mv docs/.configuration.md docs/configuration.md
	$(BIN)/mkdocs build --strict --quiet

bench: .venv/test.done
	$(BIN)/python -m tests.benchmarks

# TensorFlow and MosaicML's streaming, in an environment of their own (2.3 GB): with it, `make test`
# reads exports with them, too.
consumers: build/consumers/done

# Update the lock to what is installed now, after an upgrade by hand.
lock: .venv/test.done .venv/docs.done
	$(BIN)/python .lock/renew.py

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*

.venv/pip.done:
	@echo "Installing into .venv: one to three minutes, about 0.5 GB with torch's CPU build"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/run.done: .venv/pip.done pyproject.toml .lock/run.txt .lock/demo.txt
	@$(INSTALL) run "$(TORCH)"
	@touch $@

.venv/test.done: .venv/run.done .lock/test.txt
	@$(INSTALL) test
	@touch $@

build/consumers/done: .lock/consumers.txt
	@$(PYTHON) -m venv build/consumers
	@build/consumers/bin/python .lock/install.py consumers "$(TORCH)"
	@touch $@

.venv/docs.done: .venv/run.done .lock/docs.txt
	@$(INSTALL) docs
	@touch $@
