# The whole interface. `make` alone explains it.
COLOR ?= yellow
YEAR ?= 2021
MONTHS ?= 1,2
export COLOR YEAR MONTHS FROM SERVICE FILE SECRETS SPLIT ONLY ROWS

CTL := ./orionbox
BIN := .venv/bin

.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' Makefile

up: ## build what is missing, start everything, print every address (RUNTIME=embedded: without Docker)
	@sh cli/doctor/doctor.sh quick && $(CTL) up
run-etl: ## the main job: web to GCS to BigQuery and Postgres (COLOR=yellow YEAR=2021 MONTHS=1,2; ENGINE=dask: on workers)
	@$(CTL) run-etl
ingest: ## CSV straight into Postgres (COLOR= YEAR= MONTHS=)
	@$(CTL) ingest
data: ## fill data/: FROM=folder imports; else the months of COLOR= YEAR= MONTHS= are downloaded or generated
	@$(CTL) data
status: ## what runs, and where
	@$(CTL) status
logs: ## follow the logs (SERVICE=name for one)
	@$(CTL) logs
shell: ## a shell where flows run
	@$(CTL) shell
inbox: ## what was sent to the chat: time, host, text
	@$(CTL) inbox
psql: ## psql on the warehouse
	@$(CTL) psql
down: ## stop everything; data stays
	@$(CTL) down
reset: ## stop everything and delete its data
	@$(CTL) reset
backup: ## Orion's state, warehouse, bucket and BigQuery into one file in backups/ (SECRETS=yes: also what opens its blocks)
	@$(CTL) backup
restore: ## FILE= back into an empty platform
	@$(CTL) restore
bundle: ## all of it in one file for machines without a network, in bundles/ (SPLIT=4000 in parts of that many MB)
	@$(CTL) bundle
load: ## FILE= take over a bundle, and start from it
	@$(CTL) load
doctor: ## what this machine has and lacks for it, a line each with the fix; needs nothing built
	@sh cli/doctor/doctor.sh # a Windows line ending here does no harm
engine: ## install and start Docker Engine and Compose (Debian, Ubuntu; as root)
	@sh infra/engine/install.sh

test: venv ## all tests that this machine can run; says at the end what it left out, and why
	@$(BIN)/python -m pytest
test-unit: venv ## tests without network and servers
	@$(BIN)/python -m pytest tests/unit
test-integration: venv ## tests against real Postgres and emulators
	@$(BIN)/python -m pytest tests/integration
test-e2e: venv ## tests of the whole platform, browser included
	@$(BIN)/python -m pytest tests/e2e
bench: ## measure it against its goals, on a platform of its own (ONLY=ingest for one topic, ROWS=10000 for a try)
	@PYTHONPATH=src python3 -m dev.bench
bench-report:
	@PYTHONPATH=src python3 -m dev.bench.report
chaos: ## strike it with every fault, on a platform of its own, half an hour (ONLY=kill-orion,pause or ONLY=kill@load for some)
	@PYTHONPATH=src python3 -m dev.chaos
chaos-report:
	@PYTHONPATH=src python3 -m dev.chaos.report
lint: venv ## formatting, lint and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
lock: venv ## renew all requirements.lock files
	@sh dev/lock.sh
licences: venv ## renew docs/licences.md from the images, after make lock and make up
	@PYTHONPATH=src python3 -m dev.licences
venv:
	@sh tests/setup.sh

.PHONY: help up run-etl ingest data status logs shell inbox psql down reset backup restore bundle load doctor engine
.PHONY: test test-unit test-integration test-e2e bench bench-report chaos chaos-report lint lock licences venv
