# SPDX-License-Identifier: Apache-2.0
# The shell of all units (hw/top) and its test, in one configuration: TOP_CONFIG.

TOP_CONFIG ?= small
TOP_UNITS := attention indexer router
TOP_DIR := $(SIM_DIR)/top/$(TOP_CONFIG)
TOP_SV := $(SIM_SV_COMMON) hw/config/$(TOP_CONFIG)/vb_cfg_pkg.sv $(foreach u,$(TOP_UNITS),$(wildcard hw/$u/*_pkg.sv)) hw/top/vb_top.sv \
  $(foreach u,$(TOP_UNITS),$(wildcard hw/$u/vb_$u_bind.sv)) hw/top/vb_top_bind.sv
TOP_Y := -Ihw/common -y hw/common $(TOP_UNITS:%=-y hw/%) -y hw/top
TOP_SRCS := tests/hw/top/jobs.c $(filter-out %/test_cycle.c,$(wildcard tests/hw/cycle/*.c)) tests/hw/indexer/job.c

$(TOP_DIR)/Vvb_top.mk: $(wildcard hw/common/*.sv hw/common/*.svh hw/top/*.sv $(TOP_UNITS:%=hw/%/*.sv)) hw/config/$(TOP_CONFIG)/vb_cfg_pkg.sv \
    hw/lint.vlt make/top.mk
	@mkdir -p $(@D)
	$(call say,VLTR,"top ($(TOP_CONFIG))")
	$(Q)$(VERILATOR) $(SIM_VFLAGS) $(TOP_Y) --prefix Vvb_top --Mdir $(@D) --top-module vb_top $(TOP_SV)
	@touch $@
$(TOP_DIR)/Vvb_top__ALL.a: $(TOP_DIR)/Vvb_top.mk
	$(call say,MODEL,$@)
	$(Q)+$(call sim_compile,$(@D),Vvb_top,-O2 $(SIM_ARCH))
$(TOP_DIR)/test_top.o: tests/hw/top/test_top.cc $(TOP_DIR)/Vvb_top.mk
	$(call say,CXX,$<)
	$(Q)$(CCACHE) $(CXX) $(SIM_CXXFLAGS) -Itests -Isim -Ihost -Ihost/include $(SIM_DEFS) -isystem $(TOP_DIR) -c -o $@ $<
$(TOP_DIR)/jobs.o: tests/hw/top/jobs.c $(SIM_DIR)/generators.inc make/top.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CCACHE) $(CC) -std=gnu11 -D_GNU_SOURCE $(SIM_TEST_FLAGS) -DVB_TOP_CONFIG=VB_CONFIG_$(shell echo $(TOP_CONFIG) | tr a-z A-Z) -c -o $@ $<
-include $(wildcard $(TOP_DIR)/test_top.d $(TOP_DIR)/jobs.d)

$(SIM_TEST_DIR)/test_top: $(TOP_DIR)/test_top.o $(TOP_DIR)/jobs.o $(patsubst %.c,$(SIM_DIR)/%.o,$(filter-out %/jobs.c,$(TOP_SRCS))) $(SIM_SUPPORT) \
    $(TOP_DIR)/Vvb_top__ALL.a $(SIM_HARNESS_OBJS) $(filter-out $(SIM_OBJS) %/num/tables.o,$(SIM_CYCLE_OBJS))
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) $(SAN) -fopenmp -o $@ $^ $(SIM_HARNESS_LIBS) -lcunit -lm
TEST_BINS += $(SIM_TEST_DIR)/test_top

.PHONY: top-test lint-top
top-test: $(SIM_TEST_DIR)/test_top ## build and run the test of the shell that holds all units
	$<

lint-top: ## Verilator's lint over the shell, in every configuration
	@set -e; for c in $(patsubst hw/config/%/vb_cfg_pkg.sv,%,$(wildcard hw/config/*/vb_cfg_pkg.sv)); do echo "  LINT  top ($$c)"; \
	  $(VERILATOR) --lint-only -Wall --assert $(TOP_Y) --top-module vb_top $(subst /$(TOP_CONFIG)/,/$$c/,$(TOP_SV)); done
LINT_STEPS += lint-top
