# The short form of ./orionbox: `make run-etl COLOR=green` is `./orionbox run-etl --color green`. `make` lists the commands.
COMMANDS := up run-etl ingest down status logs inbox doctor shell psql data backup restore bundle load reset engine test lint dev-help

.DEFAULT_GOAL := help

# Variables reach ./orionbox as they were typed, by MAKEFLAGS: make would expand what it exports
$(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(eval unexport $(name))))

help:
	@sh cli/doctor/doctor.sh && ./orionbox help --make
$(COMMANDS):
	@sh cli/doctor/doctor.sh && ./orionbox $@ --make

include dev/dev.mk

.PHONY: help $(COMMANDS)
