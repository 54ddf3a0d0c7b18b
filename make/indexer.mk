# SPDX-License-Identifier: Apache-2.0
# Tests of the indexer unit: every configuration, and the smallest with planted faults. Needs make/sim.mk.

# The models of the configurations that the driver lacks are built for the cycle model's test (make/cycle.mk).
$(SIM_TEST_DIR)/test_indexer: $(SIM_DIR)/tests/hw/indexer/test_indexer.o $(SIM_DIR)/tests/hw/indexer/job.o $(SIM_SUPPORT) \
    $(SIM_DIR)/obj/c/sim/golden/indexer.o $(CYCLE_HARNESS) $(BUILD)/libverbatim.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) $(SAN) -fopenmp -o $@ $^ $(SIM_HARNESS_LIBS) -lcunit -lm
TEST_BINS += $(SIM_TEST_DIR)/test_indexer

IPLANT_DIR := $(SIM_DIR)/indexer_plants
IPLANT_SV := hw/lint.vlt $(addprefix $(IPLANT_DIR)/rtl/,vb_plant_pkg.sv vb_tables_pkg.sv vb_pkg.sv) hw/config/small/vb_cfg_pkg.sv \
  $(addprefix $(IPLANT_DIR)/rtl/,vb_idx_pkg.sv vb_indexer.sv vb_indexer_bind.sv)

$(IPLANT_DIR)/plants.h: tests/hw/indexer/plant.py tests/hw/planting.py $(wildcard hw/common/*.sv hw/common/*.svh hw/indexer/*.sv)
	@mkdir -p $(@D)
	$(Q)$(PYTHON) $< $(@D)
# -Wno-fatal, because a planted constant may provoke a warning that is not the point.
$(IPLANT_DIR)/model/Vindexer_small.mk: $(IPLANT_DIR)/plants.h hw/config/small/vb_cfg_pkg.sv make/indexer.mk
	@mkdir -p $(@D)
	$(call say,VLTR,"indexer (planted)")
	$(Q)$(VERILATOR) --cc --assert --x-initial unique -O3 --output-split 8000 -Wno-fatal -I$(IPLANT_DIR)/rtl -y $(IPLANT_DIR)/rtl \
	  --prefix Vindexer_small --Mdir $(@D) --top-module vb_indexer $(IPLANT_SV) >$(@D)/log 2>&1 || { cat $(@D)/log; exit 1; }
	@touch $@
$(IPLANT_DIR)/model/Vindexer_small__ALL.a: $(IPLANT_DIR)/model/Vindexer_small.mk
	$(call say,MODEL,$@)
	$(Q)+$(call sim_compile,$(@D),Vindexer_small,-O1)
$(IPLANT_DIR)/units.inc: make/indexer.mk
	@mkdir -p $(@D)
	@printf 'VB_CONFIG(small,SMALL)\nVB_UNIT(small,indexer)\n' > $@
$(IPLANT_DIR)/harness.o: sim/harness/harness.cc $(IPLANT_DIR)/units.inc
	$(call say,CXX,"$< (planted indexer)")
	$(Q)$(CCACHE) $(CXX) -I$(IPLANT_DIR) $(SIM_CXXFLAGS) $(SIM_DEFS) -c -o $@ $<
$(IPLANT_DIR)/unit_indexer.o: sim/harness/unit_entry.cc $(IPLANT_DIR)/model/Vindexer_small.mk
	$(call say,CXX,"$< (planted)")
	$(Q)$(CCACHE) $(CXX) $(SIM_CXXFLAGS) $(SIM_DEFS) -isystem $(IPLANT_DIR)/model -DVB_MODEL=Vindexer_small -DVB_MODEL_H='"Vindexer_small.h"' \
	  -DVB_CONFIG_NAME='"small"' -DVB_UNIT_NAME='"indexer"' -DVB_UNIT_ARGS=VB_INDEXER_ARGS \
	  -DVB_UNIT_ENTRY=vb_unit_small_indexer -c -o $@ $<
$(IPLANT_DIR)/verilated_dpi.o: $(SIM_VINC)/verilated_dpi.cpp
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CXX) -std=gnu++17 -O2 -fPIC $(SIM_DEFS) -I$(SIM_VINC) -I$(SIM_VINC)/vltstd -c -o $@ $<
$(IPLANT_DIR)/test_plants.o: tests/hw/indexer/test_plants.c $(IPLANT_DIR)/plants.h
	$(call say,CC,$<)
	$(Q)$(CCACHE) $(CC) -std=gnu11 -D_GNU_SOURCE $(SIM_TEST_FLAGS) -I$(IPLANT_DIR) -c -o $@ $<
-include $(wildcard $(IPLANT_DIR)/*.d)

$(SIM_TEST_DIR)/test_indexer_plants: $(IPLANT_DIR)/test_plants.o $(SIM_DIR)/tests/hw/indexer/job.o $(SIM_SUPPORT) $(IPLANT_DIR)/harness.o \
    $(IPLANT_DIR)/unit_indexer.o $(IPLANT_DIR)/verilated_dpi.o $(filter-out %/harness.o $(SIM_UNIT_OBJS),$(SIM_OBJS)) \
    $(SIM_DIR)/obj/c/sim/golden/indexer.o $(IPLANT_DIR)/model/Vindexer_small__ALL.a $(BUILD)/libverbatim.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) $(SAN) -fopenmp -o $@ $^ $(SIM_HARNESS_LIBS) -lcunit -lm
TEST_BINS += $(SIM_TEST_DIR)/test_indexer_plants

.PHONY: indexer-test
indexer-test: $(SIM_TEST_DIR)/test_indexer $(SIM_TEST_DIR)/test_indexer_plants ## build and run the tests of the indexer unit
	@set -e; for t in $^; do echo "== $$t"; $$t; done
