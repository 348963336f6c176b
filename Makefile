# The two commands are `make demo` and `make test`; the rest is for whoever carries on.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
TESTS  ?= tests
WORKERS ?= auto
# The rules must be covered to the last branch by the tests of the rules themselves.
COVER  := --cov=rebate_monitor.domain --cov-branch --cov-fail-under=100
PARALLEL := -n $(WORKERS) --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench soak fuzz chaos dashboards pictures clean secrets lock sbom audit

help: ## Show what can be made.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(BIN)/rebate-monitor: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/rebate-monitor pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(BIN)/rebate-monitor ## Run the service with a simulated province, ready to look at.
	$(BIN)/rebate-monitor demo

test: lint ## Run every check and every test.
ifeq ($(TESTS),tests)
	$(BIN)/python -m pytest $(PARALLEL) tests/unit $(COVER)
	$(BIN)/python -m pytest $(PARALLEL) tests --ignore=tests/unit --ignore=tests/long
else
	$(BIN)/python -m pytest $(PARALLEL) $(TESTS)
endif

lint: $(VENV)/.dev ## Check style, types and the architecture.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Put the code into its format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## Measure both sides of each ratio and print them.
	$(BIN)/python -m benchmarks

soak: $(VENV)/.dev ## Let a month pass in minutes, with all that goes wrong, and recount (DAYS, CASES, SEED, SECONDS).
	$(BIN)/python -m soak $(if $(DAYS),--days $(DAYS)) $(if $(CASES),--cases $(CASES)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS))

fuzz: $(VENV)/.dev ## Hold the API against its own description and against a plain model (EXAMPLES, SEED).
	EXAMPLES=$(or $(EXAMPLES),500) SEED=$(or $(SEED),1) $(BIN)/python -m pytest -rP tests/acceptance/test_contract.py tests/long

chaos: $(VENV)/.dev ## Let one fault after another happen under load, and recount (ROUNDS, SEED).
	CHAOS_STREAM_MEGABYTES=1024 $(BIN)/python -m chaos --rounds $(or $(ROUNDS),10) --seed $(or $(SEED),1)

dashboards: $(VENV)/.dev ## Make the English dashboards from the Chinese ones.
	$(BIN)/python -m grafana.panels twin

pictures: $(VENV)/.dev ## Draw what the dashboards show of the demo, and take pictures of the pages.
	$(BIN)/python -m grafana.panels preview
	$(BIN)/python docs/pictures/take.py

$(VENV)/.supply: $(VENV)/.dev pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[supply]'
	@touch $@

lock: $(VENV)/.supply ## Pin what the image is built of, with hashes.
	$(BIN)/uv pip compile pyproject.toml --generate-hashes --python-version 3.11 --universal --quiet \
	  --no-annotate --custom-compile-command "make lock" --upgrade --output-file requirements.lock

sbom: $(VENV)/.supply ## Write the bill of materials of the image, sbom.json.
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-file sbom.json

audit: $(VENV)/.supply ## Look for known holes in what the image is built of.
	@$(BIN)/python -c "import urllib.request as r; r.urlopen('https://pypi.org/pypi/pip/json', timeout=10)" 2>/dev/null \
	  || { echo 'audit: pypi.org cannot be reached from here: nothing was looked up'; exit 0; }; \
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock

secrets: ## Make the secrets of docker-compose.yml; what is there stays.
	deploy/secrets.sh

clean: ## Remove what was built here.
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
