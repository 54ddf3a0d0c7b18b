# SPDX-License-Identifier: Apache-2.0
# Registers of the units: hw/regs/*.json is the source, one generator writes SystemVerilog, C and documents.

.PHONY: regs check-regs
regs: ## regenerate registers: hw/common/vb_regs_*.svh, hw/regs/vb_regs.h, docs/registers.md and the tables in hw/*/README.md
	$(PYTHON) hw/regs/gen_regs.py

check-regs: ## fail when a generated register file differs from its JSON source
	$(PYTHON) hw/regs/gen_regs.py --check
LINT_STEPS += check-regs
TEST_BINS += tests/hw/regs/test_regs.sh
