# SPDX-License-Identifier: Apache-2.0
# The contract's tables: one generator, three committed outputs (C, OpenCL C, SystemVerilog).

.PHONY: tables check-tables
tables: ## regenerate the function tables of the numeric contract
	$(PYTHON) host/num/gen_tables.py .

check-tables: ## fail when a committed table differs from what the generator makes
	$(PYTHON) host/num/gen_tables.py --check .
LINT_STEPS += check-tables

# The published error bounds: a document that the tests write.
BOUND_SUITES = $(foreach t,num func block rope error,$(BUILD)/tests/num/test_$t)
.PHONY: bounds check-bounds
bounds: $(BOUND_SUITES) ## rewrite docs/bounds.md from the tests that assert the bounds
	make/bounds.sh $(BUILD)

check-bounds: $(BOUND_SUITES) ## fail when docs/bounds.md differs from what the tests measure
	make/bounds.sh $(BUILD) --check
LINT_STEPS += check-bounds
