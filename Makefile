# Bare `make` prints this help: a line `##@ Title` opens a group, a comment `## ...` behind a target describes it.

.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin

# What the targets below pass on: make demo ARGS="--orders 200"
ARGS ?=
# Test files that run side by side: they mostly wait for processes, brokers and databases, so more than there are cores.
WORKERS ?= 3
# In CI what failed beside other tests is run once more alone, and said; whoever works on the code sees the first failure.
again = { [ "$$CI" = true ] && echo "FAILED BESIDE OTHERS, RUN AGAIN ALONE:" && \
	$(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(1); }

.PHONY: help setup demo up containers test container-tests lint format tests bench docs words explore chaos clean

help:
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo

##@ Try it (needs Python 3.11+ and pip, nothing else)
demo: setup ## real orders through the whole suite, in one process; ends with a table of figures
	$(BIN)/comptoir demo $(ARGS)

up: setup ## the whole suite in one process, kept running, with its data in .comptoir/
	$(BIN)/comptoir up $(ARGS)

containers: ## the same in containers, needs Docker: http://127.0.0.1:8080, until `docker compose down`
	docker compose up --build --wait $(ARGS)

##@ Work on it
setup: ## .venv from requirements.lock; does nothing when it is up to date
	@$(PYTHON) dev.py setup

test: lint tests ## all checks, then all tests; those in containers where an engine is or can be started
	.ci/containers $(MAKE) --no-print-directory container-tests

lint: setup ## style, types and the rules of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.architecture.house_rules
	$(BIN)/hadolint infra/Dockerfile infra/door/Dockerfile tests/containers/*/Dockerfile
	$(BIN)/yamllint --strict .
	$(BIN)/check-jsonschema -q --builtin-schema vendor.compose-spec docker-compose.yml infra/mail.yml infra/sign-on.yml infra/webhooks.yml

tests: setup ## the tests alone: make tests ARGS="tests/order -x"
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --durations=25 $(ARGS) || $(call again)

container-tests: setup ## the compose file at work, needs Docker: .ci/containers make container-tests
	$(BIN)/python -m pytest -m "containers and not chaos" tests/containers --durations=8 -s $(ARGS) || \
		$(call again,-m "containers and not chaos" tests/containers -s)

format: setup ## what can be tidied by machine
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

chaos: setup ## kill -9 at every failpoint, a monkey under load, every mutant (minutes); make test runs a cut of it
	$(BIN)/python -m pytest -m chaos -s $(ARGS)

explore: setup ## every order of events of the saga, to the end (long); make test runs a cut of it
	$(BIN)/comptoir explore $(ARGS)

##@ Measure and document
bench: setup ## orders per second of the whole saga; or make bench ARGS="intake --orders 2000"
	$(BIN)/comptoir bench $(or $(ARGS),saga)

docs: setup ## generates docs/saga.md and the AsyncAPI, OpenAPI and golden messages
	$(BIN)/comptoir docs $(ARGS)

words: setup ## new texts of the pages into the catalogues of each language; says what is to be translated
	$(BIN)/python -m tests.backoffice.catalogues

clean: ## removes .venv, caches and the data of `make up`
	rm -rf .venv .comptoir .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
