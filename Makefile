# The whole interface. `make` alone explains it.
COLOR ?= yellow
YEAR ?= 2021
MONTHS ?= 1,2
export COLOR YEAR MONTHS FROM SERVICE

CTL := PYTHONPATH=services/flows/src python3 -m ctl
UV := .venv/bin/uv
PYTEST := .venv/bin/pytest

.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

up: ## build what is missing, start everything, print every address
	@$(CTL) up
run-etl: ## the main job: web to GCS to BigQuery and Postgres (COLOR=yellow YEAR=2021 MONTHS=1,2)
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
engine: ## install and start Docker Engine and Compose (Debian, Ubuntu; as root)
	@sh infra/engine/install.sh

.PHONY: help up run-etl ingest data status logs shell inbox psql down reset engine
