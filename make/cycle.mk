# SPDX-License-Identifier: Apache-2.0
# The exact cycle model against the RTL, on every hardware configuration. Needs make/sim.mk.

CYCLE_CONFIGS := small base paper
CYCLE_UNITS := $(SIM_FAST_UNITS)
CYCLE_DIR := $(SIM_DIR)/cycle
# Models that the driver does not need (SIM_CONFIGS) are built for this test alone.
$(foreach c,$(filter-out $(SIM_CONFIGS),$(CYCLE_CONFIGS)),$(foreach u,$(CYCLE_UNITS),$(eval $(call sim_unit_model,$c,$u))))

CYCLE_LIST := $(foreach c,$(CYCLE_CONFIGS),VB_CONFIG($c,$(call sim_upper,$c)) $(foreach u,$(CYCLE_UNITS),VB_UNIT($c,$u))) \
              $(SIM_FAST_LIST)
$(CYCLE_DIR)/units.inc: sim-list
	@mkdir -p $(@D)
	@printf '%s\n' $(foreach l,$(CYCLE_LIST),'$l') > $@.new; if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(CYCLE_DIR)/harness.o: sim/harness/harness.cc $(CYCLE_DIR)/units.inc make/cycle.mk
	@mkdir -p $(@D)
	$(call say,CXX,"$< (all configurations)")
	$(Q)$(CCACHE) $(CXX) -I$(CYCLE_DIR) $(SIM_CXXFLAGS) $(SIM_DEFS) -c -o $@ $<
-include $(wildcard $(CYCLE_DIR)/*.d)

CYCLE_HARNESS := $(CYCLE_DIR)/harness.o $(filter-out %/harness.o $(SIM_UNIT_OBJS),$(SIM_OBJS)) \
  $(foreach c,$(CYCLE_CONFIGS),$(foreach u,$(CYCLE_UNITS),$(SIM_DIR)/obj/unit_$c_$u.o $(SIM_DIR)/$c/$u/V$u_$c__ALL.a))
CYCLE_TEST_SRCS := $(wildcard tests/hw/cycle/*.c)
$(SIM_TEST_DIR)/test_cycle: $(CYCLE_TEST_SRCS:%.c=$(SIM_DIR)/%.o) $(SIM_SUPPORT) $(CYCLE_HARNESS)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) $(SAN) -fopenmp -o $@ $^ $(SIM_HARNESS_LIBS) -lcunit -lm
TEST_BINS += $(SIM_TEST_DIR)/test_cycle

# The port alone: read and write masters with the harness's memory, one master and three behind the multiplexer.
CYCLE_PORTS := port1 port3
CYCLE_port1 := -GN=1 -GDW=256 -GDEPTH=64 -GBURSTS=16
CYCLE_port3 := -GN=3 -GDW=128 -GDEPTH=32 -GBURSTS=8
define cycle_port
$(CYCLE_DIR)/$1/V$1.mk: tests/hw/cycle/vb_port_top.sv $(wildcard hw/common/*.sv hw/common/*.svh) make/cycle.mk
	@mkdir -p $$(@D)
	$$(call say,VLTR,$1)
	$$(Q)$$(VERILATOR) --cc --assert --x-initial unique -O3 -Ihw/common -y hw/common --prefix V$1 --Mdir $$(@D) \
	  --top-module vb_port_top $$(CYCLE_$1) $$(SIM_SV_COMMON) tests/hw/cycle/vb_port_top.sv
	@touch $$@
$(CYCLE_DIR)/$1/V$1__ALL.a: $(CYCLE_DIR)/$1/V$1.mk
	$$(Q)+$$(call sim_compile,$$(@D),V$1,-O2 $(SIM_ARCH))
endef
$(foreach p,$(CYCLE_PORTS),$(eval $(call cycle_port,$p)))
CYCLE_PORT_LIBS := $(foreach p,$(CYCLE_PORTS),$(CYCLE_DIR)/$p/V$p__ALL.a)
$(SIM_DIR)/tests/hw/cycle/test_port.o: tests/hw/cycle/test_port.cc $(CYCLE_PORT_LIBS)
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CCACHE) $(CXX) -std=gnu++17 $(SIM_TEST_FLAGS) -include sim/harness/print.h $(SIM_DEFS) -isystem $(SIM_VINC) \
	  -isystem $(SIM_VINC)/vltstd $(CYCLE_PORTS:%=-isystem $(CYCLE_DIR)/%) -c -o $@ $<
$(SIM_TEST_DIR)/test_port: $(SIM_DIR)/tests/hw/cycle/test_port.o $(SIM_SUPPORT) $(SIM_DIR)/obj/verilated_hooks.o \
    $(SIM_DIR)/obj/axi_slave.o $(SIM_DIR)/obj/c/sim/cycle/port.o $(SIM_DIR)/obj/dram/dram.o $(SIM_DIR)/obj/dram/parts.o \
    $(SIM_RUNTIME:%=$(SIM_DIR)/obj/%.o) $(CYCLE_PORT_LIBS)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) $(SAN) -o $@ $^ $(SIM_HARNESS_LIBS) -lcunit -lm
TEST_BINS += $(SIM_TEST_DIR)/test_port

.PHONY: cycle-test
cycle-test: $(SIM_TEST_DIR)/test_cycle ## build and run the test of the exact cycle model against the RTL
	$<
