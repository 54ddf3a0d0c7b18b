# SPDX-License-Identifier: Apache-2.0
# Jobs of published size on the largest hardware configuration. Its simulator is large and lives in a build folder of
# its own, so that everyday builds stay quick.

.PHONY: sim-paper full-size
sim-paper: ## build the simulator of the largest configuration (build/paper; use it with OCL_ICD_VENDORS)
	$(MAKE) --no-print-directory BUILD=$(BUILD)/paper SIM_CONFIGS=paper icd

full-size: sim-paper $(BUILD)/tests/ocl/test_sim_full_size ## a DeepSeek-V3.2 decode step and a 256-expert routing on it
	OCL_ICD_VENDORS=$(abspath $(BUILD)/paper/vendors) $(BUILD)/tests/ocl/test_sim_full_size
