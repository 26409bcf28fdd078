# The maintainers' commands: `make dev-help` lists them.
MAINTAINERS := build test-unit test-integration test-e2e bench bench-report chaos chaos-report neighbours busy fuzz peers audit lock licences drawings

$(MAINTAINERS):
	@sh orionbox $@ --make

.PHONY: $(MAINTAINERS)
