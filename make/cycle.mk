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

.PHONY: cycle-test
cycle-test: $(SIM_TEST_DIR)/test_cycle ## build and run the test of the exact cycle model against the RTL
	$<
