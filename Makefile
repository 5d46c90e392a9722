# Every target first makes .venv from the locked requirements.txt: with uv where it is installed, with pip otherwise.
PYTHON ?= python3
CHAPTER ?= 01
OUT ?= _build/grades
SEED ?= 0
BACKENDS := jax==0.10.2 optax==0.2.8 torch==2.13.0 prodigyopt==1.1.2 schedulefree==1.4.1
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)

.DEFAULT_GOAL := help
.PHONY: help run test backends lab book notebooks homework grade homework-check lint bench mutants lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "kerasopt needs Python 3.11 to 3.13. Name one: make PYTHON=python3.12"; exit 1; }
	@echo "Making .venv, once: some minutes, mostly TensorFlow."
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --clear --seed --python $(PYTHON) .venv && \
	  uv pip install --quiet --python $(BIN)/python -r requirements.txt && \
	  uv pip install --quiet --python $(BIN)/python --no-deps -e .; \
	else \
	  $(PYTHON) -m venv --clear .venv && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .; \
	fi
	@touch $@

run: .venv/ready  ## execute one chapter, CHAPTER=01 by default: key figures here, its page in _build/run
	@$(BIN)/python notebooks/execute.py --run $(CHAPTER)

test: .venv/ready  ## run every test and every notebook
	$(BIN)/python -m pytest

backends: .venv/ready  ## add JAX and torch to .venv, for `make test` to prove all three backends
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.txt $(BACKENDS)

lab: .venv/ready  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=notebooks

book: .venv/ready  ## build the book as a web page, _build/html/index.html, from the outputs as they are stored
	$(BIN)/python -m sphinx -E -W --keep-going -q -b html -d _build/doctrees notebooks _build/html
	@echo "Open _build/html/index.html"

notebooks: .venv/ready  ## execute every notebook in place, in order, on the real MNIST
	$(BIN)/python notebooks/execute.py

homework: .venv/ready  ## make the students' versions of the assignments from their sources
	$(BIN)/python notebooks/homework/release.py

grade: $(if $(SUBMISSIONS),.venv/ready)  ## grade a folder of submissions, SUBMISSIONS=..., into OUT=_build/grades, for the variant SEED=0
	@test -n "$(SUBMISSIONS)" || { echo "Name the folder with a folder a student: make grade SUBMISSIONS=..."; exit 1; }
	$(BIN)/python notebooks/homework/grade.py "$(SUBMISSIONS)" --out "$(OUT)" --seed $(SEED) $(OPTIONS)

homework-check: .venv/ready  ## are the students' versions up to date, and do right answers pass and wrong ones fail?
	$(BIN)/python notebooks/homework/release.py --check
	$(BIN)/python -m pytest tests/homework

lint: .venv/ready  ## check style and formatting of code and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: backends  ## measure what the documentation quotes, and draw what it shows: hours, on the real MNIST
	for script in start.py digits.py optimizers.py "training.py --compare" ensembles.py cover.py capstone.py; do \
	  $(BIN)/python benchmarks/$$script || exit 1; \
	done

mutants: backends  ## break the code in every small way: does a test notice?
	$(BIN)/python benchmarks/mutation.py
	$(BIN)/python benchmarks/mutation_tools.py

lock: pyproject.toml  ## pin requirements.txt anew, for every platform and Python version (needs uv)
	uv pip compile --universal --upgrade --quiet --no-header --extra notebooks --extra homework --extra test --extra book pyproject.toml -o requirements.txt

clean:  ## delete what these commands made, downloads excepted
	rm -rf .venv _build .ruff_cache .pytest_cache
