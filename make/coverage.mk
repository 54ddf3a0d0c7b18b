# SPDX-License-Identifier: Apache-2.0
# Which lines of the RTL do the tests of the units run? Models that count, in a build folder of their own.

COVER := $(BUILD)/coverage
COVER_TESTS := $(foreach t,router indexer attention_small attention_base cycle top,$(COVER)/tests/hw/test_$t)

.PHONY: coverage
coverage: ## line coverage of the RTL by the tests of the units (twenty minutes on one core)
	$(MAKE) --no-print-directory BUILD=$(COVER) SIM_COVER=1 $(COVER_TESTS)
	@rm -rf $(COVER)/data && mkdir -p $(COVER)/data
	@set -e; for t in $(COVER_TESTS); do echo "  RUN   $$t"; \
	  VERBATIM_COVERAGE=$(COVER)/data $$t >$(COVER)/log 2>&1 || { cat $(COVER)/log; exit 1; }; done
	$(PYTHON) tests/hw/coverage.py $(COVER)/data
