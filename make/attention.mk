# SPDX-License-Identifier: Apache-2.0
# Tests of the attention unit: the unit alone in three sizes, with planted faults, and in the harness. Needs make/sim.mk.
#
# test_attention_<name>: configuration of hw/config, overrides. NMAX is small where chunks are to be exercised.

ATTN_DIR := $(SIM_DIR)/attention
ATTN_SRC := tests/hw/attention
ATTN_SV = hw/lint.vlt hw/common/vb_tables_pkg.sv hw/common/vb_pkg.sv hw/config/$1/vb_cfg_pkg.sv hw/attention/vb_attn_pkg.sv \
          hw/attention/vb_attention.sv hw/attention/vb_attention_bind.sv
ATTN_VFLAGS := --cc --assert --x-initial unique -O3 --output-split 8000 --prefix Vvb_attention --top-module vb_attention
ATTN_RUNTIME := verilated verilated_threads verilated_dpi

$(ATTN_DIR)/obj/%.o: $(SIM_VINC)/%.cpp
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CXX) -std=gnu++17 -O2 -DVL_USER_STOP -DVL_USER_FATAL -I$(SIM_VINC) -I$(SIM_VINC)/vltstd -c -o $@ $<

$(ATTN_DIR)/golden.o: sim/golden/attention.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CCACHE) $(CC) $(SIM_CFLAGS) -Ihost/include -c -o $@ $<
-include $(wildcard $(ATTN_DIR)/golden.d)

# $1 name, $2 test source, $3 compiler flags, $4 dependencies of the model, $5 Verilator arguments
define attn_test
$(ATTN_DIR)/$1/Vvb_attention.mk: $4 $(wildcard hw/config/$1/*.sv) make/attention.mk
	@mkdir -p $$(@D)
	$$(call say,VLTR,"attention test ($1)")
	$$(Q)$$(VERILATOR) $$(ATTN_VFLAGS) --Mdir $$(@D) $5
	@touch $$@
$(ATTN_DIR)/$1/Vvb_attention__ALL.a: $(ATTN_DIR)/$1/Vvb_attention.mk
	$$(call say,MODEL,$$@)
	$$(Q)$$(MAKE) --no-print-directory -s -C $$(@D) -f Vvb_attention.mk Vvb_attention__ALL.a CXX="$$(CXX)" LINK="$$(CXX)" \
	  OBJCACHE="$$(CCACHE)" OPT_FAST="-O2 $(SIM_ARCH)" OPT_SLOW="-O1" >/dev/null
$(ATTN_DIR)/$1/%.o: $(ATTN_SRC)/%.cc $(ATTN_DIR)/$1/Vvb_attention.mk
	$$(call say,CXX,"$$< ($1)")
	$$(Q)$$(CCACHE) $$(CXX) -std=gnu++17 $(SIM_TEST_FLAGS) $(SIM_ARCH) -DVL_USER_STOP -DVL_USER_FATAL $3 \
	  -isystem $(ATTN_DIR)/$1 -isystem $(SIM_VINC) -isystem $(SIM_VINC)/vltstd -c -o $$@ $$<
$(SIM_TEST_DIR)/test_attention_$1: $(ATTN_DIR)/$1/$2.o $(ATTN_DIR)/$1/dut.o $(ATTN_DIR)/$1/job.o $(ATTN_DIR)/golden.o $(SIM_SUPPORT) \
    $(ATTN_DIR)/$1/Vvb_attention__ALL.a $(ATTN_RUNTIME:%=$(ATTN_DIR)/obj/%.o) $(BUILD)/libverbatim.a
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CXX) $(SAN) -fopenmp -o $$@ $$^ -lcunit -lpthread -lm
-include $(wildcard $(ATTN_DIR)/$1/*.d)
TEST_BINS += $(SIM_TEST_DIR)/test_attention_$1
ATTN_TESTS += $(SIM_TEST_DIR)/test_attention_$1
endef

attn_model = -Ihw/common -y hw/common -y hw/attention $(call ATTN_SV,$1)
ATTN_RTL := $(wildcard hw/common/*.sv hw/common/*.svh hw/attention/*.sv) hw/lint.vlt
attn_defs = -DVB_CONFIG_NAME='"$1"' -DVB_HW=$2 -DVB_ROWS=$3 -DVB_LANES=$4 -DVB_DW=$5 -DVB_NMAX=$6 -DVB_JOBS=$7
ATTN_TESTS :=
$(eval $(call attn_test,base,test_attention,$(call attn_defs,base,VB_CONFIG_BASE,8,32,256,2048,60),$(ATTN_RTL),$(call attn_model,base)))
$(eval $(call attn_test,small,test_attention,$(call attn_defs,small,VB_CONFIG_SMALL,4,8,128,32,60),$(ATTN_RTL),-GNMAX=32 $(call attn_model,small)))
$(eval $(call attn_test,paper,test_attention,$(call attn_defs,paper,VB_CONFIG_PAPER,32,32,512,8192,20),$(ATTN_RTL),$(call attn_model,paper)))

# The planted copy of the RTL; -Wno-fatal because a planted constant may provoke a warning that is not the point.
# Not the model's folder: another model's header there would be found first.
ATTN_PLANT := $(ATTN_DIR)/planted
$(ATTN_PLANT)/plants.h: $(ATTN_SRC)/plant.py $(ATTN_RTL)
	@mkdir -p $(@D)
	$(Q)$(PYTHON) $< $(ATTN_PLANT)
attn_plant_sv := hw/lint.vlt $(ATTN_PLANT)/rtl/vb_plant_pkg.sv $(ATTN_PLANT)/rtl/vb_tables_pkg.sv $(ATTN_PLANT)/rtl/vb_pkg.sv \
  hw/config/base/vb_cfg_pkg.sv $(ATTN_PLANT)/rtl/vb_attn_pkg.sv $(ATTN_PLANT)/rtl/vb_attention.sv
$(eval $(call attn_test,plants,test_plants,-I$(ATTN_PLANT) $(call attn_defs,plants,VB_CONFIG_BASE,8,32,256,64,60),$(ATTN_PLANT)/plants.h,-Wno-fatal -GNMAX=64 -I$(ATTN_PLANT)/rtl -y $(ATTN_PLANT)/rtl $(attn_plant_sv)))

# The unit behind the shared DRAM model, through the interface that the OpenCL driver uses.
$(ATTN_DIR)/device/%.o: $(ATTN_SRC)/%.cc
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CCACHE) $(CXX) -std=gnu++17 $(SIM_TEST_FLAGS) -c -o $@ $<
$(SIM_TEST_DIR)/test_attention_device: $(ATTN_DIR)/device/test_device.o $(ATTN_DIR)/device/job.o $(ATTN_DIR)/golden.o $(SIM_SUPPORT) \
    $(SIM_HARNESS_OBJS) $(BUILD)/libverbatim.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) $(SAN) -fopenmp -o $@ $^ $(SIM_HARNESS_LIBS) -lcunit -lm
-include $(wildcard $(ATTN_DIR)/device/*.d)
TEST_BINS += $(SIM_TEST_DIR)/test_attention_device
ATTN_TESTS += $(SIM_TEST_DIR)/test_attention_device

.PHONY: attention-test
attention-test: $(ATTN_TESTS) ## build and run the tests of the attention unit
	@set -e; for t in $^; do echo "== $$t"; $$t; done
