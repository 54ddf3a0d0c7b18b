# SPDX-License-Identifier: Apache-2.0
# The units for other tools: a FuseSoC core, the description of an RTL kernel for Vitis (hw/package/README.md).

.PHONY: core check-core kernel-xml lint-core
core: ## write hw/verbatim.core, the FuseSoC core of the units, from the folders of hw/
	$(PYTHON) hw/package/package.py core

check-core: ## fail when hw/verbatim.core lacks a source or has one too many
	$(PYTHON) hw/package/package.py core --check

kernel-xml: ## kernel.xml and list of sources of every unit and configuration, in build/kernel: for Vitis RTL kernels
	@set -e; for u in $(SIM_UNITS); do for c in $(RTL_CONFIGS); do \
	  $(PYTHON) hw/package/package.py kernel $$u $$c $(BUILD)/kernel/$$u-$$c; echo "  XML   $(BUILD)/kernel/$$u-$$c"; done; done

# FuseSoC is not among Debian's packages: it comes with the tools of `make silicon-tools`.
lint-core: $(SILICON_VENV)/.installed ## FuseSoC's lint of the core's targets, in every configuration
	@set -e; for u in $(SIM_UNITS) top; do for c in $(RTL_CONFIGS); do echo "  LINT  fusesoc $$u ($$c)"; \
	  $(SILICON_VENV)/bin/fusesoc --cores-root hw run --build-root $(BUILD)/fusesoc --target=$$u \
	    $$([ $$c = base ] || echo --flag $$c) verbatim:hw:units >$(BUILD)/fusesoc.log 2>&1 || { cat $(BUILD)/fusesoc.log; exit 1; }; \
	done; done
LINT_STEPS += check-core
TEST_BINS += tests/hw/package/test_package.sh
