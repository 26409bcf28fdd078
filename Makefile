# For every other make: GNU make reads GNUmakefile. `data` is here because there is a folder of that name.
help data .DEFAULT:
	@echo 'GNU make is needed; run: gmake $@, or ./orionbox $@'; exit 1

.PHONY: help data
