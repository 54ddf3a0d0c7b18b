# SPDX-License-Identifier: Apache-2.0
# The router with planted faults, in its smallest configuration, behind a harness of its own. Needs make/sim.mk.

RPLANT_DIR := $(SIM_DIR)/router_plants
RPLANT_SV := hw/lint.vlt $(addprefix $(RPLANT_DIR)/rtl/,vb_plant_pkg.sv vb_tables_pkg.sv vb_pkg.sv) hw/config/small/vb_cfg_pkg.sv \
  $(addprefix $(RPLANT_DIR)/rtl/,vb_router_pkg.sv vb_router.sv vb_router_bind.sv)

$(RPLANT_DIR)/plants.h: tests/hw/router/plant.py tests/hw/planting.py $(wildcard hw/common/*.sv hw/common/*.svh hw/router/*.sv)
	@mkdir -p $(@D)
	$(Q)$(PYTHON) $< $(@D)
# -Wno-fatal, because a planted constant may provoke a warning that is not the point.
$(RPLANT_DIR)/model/Vrouter_small.mk: $(RPLANT_DIR)/plants.h hw/config/small/vb_cfg_pkg.sv make/router.mk
	@mkdir -p $(@D)
	$(call say,VLTR,"router (planted)")
	$(Q)$(VERILATOR) --cc --assert --x-initial unique -O3 --output-split 8000 -Wno-fatal -I$(RPLANT_DIR)/rtl -y $(RPLANT_DIR)/rtl \
	  --prefix Vrouter_small --Mdir $(@D) --top-module vb_router $(RPLANT_SV) >$(@D)/log 2>&1 || { cat $(@D)/log; exit 1; }
	@touch $@
$(RPLANT_DIR)/model/Vrouter_small__ALL.a: $(RPLANT_DIR)/model/Vrouter_small.mk
	$(call say,MODEL,$@)
	$(Q)+$(call sim_compile,$(@D),Vrouter_small,-O1)
$(RPLANT_DIR)/units.inc: make/router.mk
	@mkdir -p $(@D)
	@printf 'VB_CONFIG(small,SMALL)\nVB_UNIT(small,router)\n' > $@
$(RPLANT_DIR)/harness.o: sim/harness/harness.cc $(RPLANT_DIR)/units.inc
	$(call say,CXX,"$< (planted router)")
	$(Q)$(CCACHE) $(CXX) -I$(RPLANT_DIR) $(SIM_CXXFLAGS) $(SIM_DEFS) -c -o $@ $<
$(RPLANT_DIR)/unit_router.o: sim/harness/unit_entry.cc $(RPLANT_DIR)/model/Vrouter_small.mk
	$(call say,CXX,"$< (planted)")
	$(Q)$(CCACHE) $(CXX) $(SIM_CXXFLAGS) $(SIM_DEFS) -isystem $(RPLANT_DIR)/model -DVB_MODEL=Vrouter_small -DVB_MODEL_H='"Vrouter_small.h"' \
	  -DVB_CONFIG_NAME='"small"' -DVB_UNIT_NAME='"router"' -DVB_UNIT_ARGS=VB_ROUTER_ARGS \
	  -DVB_UNIT_ENTRY=vb_unit_small_router -c -o $@ $<
$(RPLANT_DIR)/verilated_dpi.o: $(SIM_VINC)/verilated_dpi.cpp
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CXX) -std=gnu++17 -O2 -fPIC $(SIM_DEFS) -I$(SIM_VINC) -I$(SIM_VINC)/vltstd -c -o $@ $<
$(RPLANT_DIR)/test_plants.o: tests/hw/router/test_plants.c $(RPLANT_DIR)/plants.h
	$(call say,CC,$<)
	$(Q)$(CCACHE) $(CC) -std=gnu11 -D_GNU_SOURCE $(SIM_TEST_FLAGS) -I$(RPLANT_DIR) -c -o $@ $<
-include $(wildcard $(RPLANT_DIR)/*.d)

$(SIM_TEST_DIR)/test_router_plants: $(RPLANT_DIR)/test_plants.o $(SIM_DIR)/tests/hw/router/job.o $(SIM_SUPPORT) $(RPLANT_DIR)/harness.o \
    $(RPLANT_DIR)/unit_router.o $(RPLANT_DIR)/verilated_dpi.o $(filter-out %/harness.o $(SIM_UNIT_OBJS),$(SIM_OBJS)) \
    $(RPLANT_DIR)/model/Vrouter_small__ALL.a $(BUILD)/libverbatim.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) $(SAN) -fopenmp -o $@ $^ $(SIM_HARNESS_LIBS) -lcunit -lm
TEST_BINS += $(SIM_TEST_DIR)/test_router_plants
