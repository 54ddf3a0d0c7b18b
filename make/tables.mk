# SPDX-License-Identifier: Apache-2.0
# The contract's tables: one generator, three committed outputs (C, OpenCL C, SystemVerilog).

.PHONY: tables check-tables
tables: ## regenerate the function tables of the numeric contract
	$(PYTHON) host/num/gen_tables.py .

check-tables: ## fail when a committed table differs from what the generator makes
	$(PYTHON) host/num/gen_tables.py --check .
LINT_STEPS += check-tables
