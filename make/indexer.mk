# SPDX-License-Identifier: Apache-2.0
# Tests of the indexer unit, in every configuration of SIM_CONFIGS. Needs make/sim.mk.
$(SIM_TEST_DIR)/test_indexer: $(SIM_DIR)/tests/hw/indexer/test_indexer.o $(SIM_DIR)/tests/hw/indexer/job.o $(SIM_SUPPORT) \
    $(SIM_DIR)/obj/c/sim/golden/indexer.o $(SIM_HARNESS_OBJS) $(BUILD)/libverbatim.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) $(SAN) -fopenmp -o $@ $^ $(SIM_HARNESS_LIBS) -lcunit -lm
TEST_BINS += $(SIM_TEST_DIR)/test_indexer

.PHONY: indexer-test
indexer-test: $(SIM_TEST_DIR)/test_indexer ## build and run the tests of the indexer unit
	$<
