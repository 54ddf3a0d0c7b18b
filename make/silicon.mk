# SPDX-License-Identifier: Apache-2.0
# Area and frequency with free tools, in build/silicon. Units and configurations: SILICON_UNITS, SILICON_CONFIGS. Tools: make/lint-rtl.mk.

SILICON_UNITS ?= $(SIM_UNITS)
SILICON_CONFIGS ?= small base paper

.PHONY: silicon silicon-figures silicon-place silicon-timing silicon-table check-silicon
silicon: silicon-figures silicon-place silicon-table ## UltraScale+ figures of every unit, `small` placed on an ECP5-85F, docs/silicon.md (an hour; repeats are quick)

silicon-figures: $(SILICON_VENV)/.installed
	$(SILICON_PY) hw/silicon/silicon.py figures $(foreach c,$(SILICON_CONFIGS),$(SILICON_UNITS:%=%:$c))

silicon-place: $(SILICON_VENV)/.installed ## place and route `small` of every unit on an ECP5-85F
	$(SILICON_PY) hw/silicon/silicon.py place $(SILICON_UNITS:%=%:small)

silicon-timing: $(SILICON_VENV)/.installed ## estimate the longest paths of `small` before placement: minutes instead of half an hour
	$(SILICON_PY) hw/silicon/silicon.py timing $(SILICON_UNITS:%=%:small)

silicon-table: $(SILICON_VENV)/.installed ## write experiments/silicon/silicon.h5 and docs/silicon.md from what was measured
	$(SILICON_PY) hw/silicon/silicon.py table

check-silicon: ## fail when docs/silicon.md lacks a figure, has one of other sources than these, or a clock below 60 MHz
	$(PYTHON) hw/silicon/silicon.py check
