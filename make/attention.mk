# SPDX-License-Identifier: Apache-2.0
# Tests of the attention unit: the unit alone, with planted faults, and in the harness. Needs make/sim.mk.
#
# The models of base, small and paper are those of the harness and of the cycle model's test (make/cycle.mk). One more, of
# base with 64 keys on chip, holds every planted fault behind a switch: it serves for chunks as well, with all of them off.

ATTN_DIR := $(SIM_DIR)/attention
ATTN_SRC := tests/hw/attention
ATTN_PLANT := $(ATTN_DIR)/planted
ATTN_DPI := $(ATTN_PLANT)/obj/verilated.o $(ATTN_PLANT)/obj/verilated_threads.o $(ATTN_PLANT)/obj/verilated_dpi.o

$(ATTN_DIR)/golden.o: sim/golden/attention.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CCACHE) $(CC) $(SIM_CFLAGS) -Ihost/include -c -o $@ $<
-include $(wildcard $(ATTN_DIR)/golden.d)

# $1 name, $2 test source, $3 compiler flags, $4 the model's class, $5 its folder, $6 Verilator's runtime
define attn_test
$(ATTN_DIR)/$1/%.o: $(ATTN_SRC)/%.cc $5/$4.mk
	@mkdir -p $$(@D)
	$$(call say,CXX,"$$< ($1)")
	$$(Q)$$(CCACHE) $$(CXX) -std=gnu++17 $(SIM_TEST_FLAGS) $(SIM_ARCH) $(SIM_DEFS) -DVB_MODEL=$4 -DVB_MODEL_H='"$4.h"' $3 \
	  -isystem $5 -isystem $(SIM_VINC) -isystem $(SIM_VINC)/vltstd -c -o $$@ $$<
$(SIM_TEST_DIR)/test_attention_$1: $(ATTN_DIR)/$1/$2.o $(ATTN_DIR)/$1/dut.o $(ATTN_DIR)/$1/job.o $(ATTN_DIR)/golden.o $(SIM_SUPPORT) \
    $5/$4__ALL.a $6 $(BUILD)/libverbatim.a
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CXX) $(SAN) -fopenmp -o $$@ $$^ -lcunit -lpthread -lm
-include $(wildcard $(ATTN_DIR)/$1/*.d)
TEST_BINS += $(SIM_TEST_DIR)/test_attention_$1
ATTN_TESTS += $(SIM_TEST_DIR)/test_attention_$1
endef
# $1 name of the configuration, $2 its macro, $3 rows, $4 lanes, $5 data bits, $6 keys on chip, $7 jobs
attn_defs = -DVB_CONFIG_NAME='"$1"' -DVB_HW=$2 -DVB_ROWS=$3 -DVB_LANES=$4 -DVB_DW=$5 -DVB_NMAX=$6 -DVB_JOBS=$7
attn_sim = $(call attn_test,$1,test_attention,$2,Vattention_$1,$(SIM_DIR)/$1/attention,$(SIM_RUNTIME:%=$(SIM_DIR)/obj/%.o))
ATTN_TESTS :=
$(eval $(call attn_sim,base,$(call attn_defs,base,VB_CONFIG_BASE,8,32,256,2048,60)))
$(eval $(call attn_sim,small,$(call attn_defs,small,VB_CONFIG_SMALL,4,8,64,256,60)))
$(eval $(call attn_sim,paper,$(call attn_defs,paper,VB_CONFIG_PAPER,32,32,512,8192,20)))

# The planted copy of the RTL; -Wno-fatal because a planted constant may provoke a warning that is not the point.
$(ATTN_PLANT)/plants.h: $(ATTN_SRC)/plant.py $(wildcard hw/common/*.sv hw/common/*.svh hw/attention/*.sv)
	@mkdir -p $(@D)
	$(Q)$(PYTHON) $< $(ATTN_PLANT)
ATTN_PLANT_SV := hw/lint.vlt $(ATTN_PLANT)/rtl/vb_plant_pkg.sv $(ATTN_PLANT)/rtl/vb_tables_pkg.sv $(ATTN_PLANT)/rtl/vb_pkg.sv \
  hw/config/base/vb_cfg_pkg.sv $(ATTN_PLANT)/rtl/vb_attn_pkg.sv $(ATTN_PLANT)/rtl/vb_attention.sv
$(ATTN_PLANT)/model/Vplanted.mk: $(ATTN_PLANT)/plants.h hw/lint.vlt hw/config/base/vb_cfg_pkg.sv make/attention.mk
	@mkdir -p $(@D)
	$(call say,VLTR,"attention (planted faults)")
	$(Q)$(VERILATOR) --cc --assert --x-initial unique -O3 --output-split 8000 --prefix Vplanted --top-module vb_attention \
	  --Mdir $(@D) -Wno-fatal -GNMAX=64 -I$(ATTN_PLANT)/rtl -y $(ATTN_PLANT)/rtl $(ATTN_PLANT_SV)
	@touch $@
$(ATTN_PLANT)/model/Vplanted__ALL.a: $(ATTN_PLANT)/model/Vplanted.mk
	$(call say,MODEL,$@)
	$(Q)+$(call sim_compile,$(@D),Vplanted,-O1 $(SIM_ARCH))
$(ATTN_PLANT)/obj/%.o: $(SIM_VINC)/%.cpp
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CXX) -std=gnu++17 -O2 $(SIM_DEFS) -I$(SIM_VINC) -I$(SIM_VINC)/vltstd -c -o $@ $<
attn_planted = $(call attn_test,$1,$2,$(call attn_defs,$1,VB_CONFIG_BASE,8,32,256,64,60) -DVB_PLANTED -I$(ATTN_PLANT),Vplanted,$(ATTN_PLANT)/model,$(ATTN_DPI))
$(eval $(call attn_planted,chunk,test_attention))
$(eval $(call attn_planted,plants,test_plants))

# The unit behind the shared DRAM model, through the interface that the OpenCL driver uses.
$(ATTN_DIR)/device/%.o: $(ATTN_SRC)/%.cc
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CCACHE) $(CXX) -std=gnu++17 $(SIM_TEST_FLAGS) -c -o $@ $<
$(SIM_TEST_DIR)/test_attention_device: $(ATTN_DIR)/device/test_device.o $(ATTN_DIR)/device/job.o $(SIM_SUPPORT) \
    $(SIM_HARNESS_OBJS) $(BUILD)/libverbatim.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) $(SAN) -fopenmp -o $@ $^ $(SIM_HARNESS_LIBS) -lcunit -lm
-include $(wildcard $(ATTN_DIR)/device/*.d)
TEST_BINS += $(SIM_TEST_DIR)/test_attention_device
ATTN_TESTS += $(SIM_TEST_DIR)/test_attention_device

.PHONY: attention-test campaign-attention
campaign-attention: tests-build ## long runs of the attention unit: at least 10^6 values in every configuration
	@$(RUN_SUITES) --results $(RESULTS)/campaign-attention --timeout 86400 --campaign $(ATTN_TESTS)
attention-test: $(ATTN_TESTS) ## build and run the tests of the attention unit
	@set -e; for t in $^; do echo "== $$t"; $$t; done
