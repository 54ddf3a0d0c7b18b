# SPDX-License-Identifier: Apache-2.0
# A second simulator that can write waveforms: slower, so it is built only when asked for. `verbatim replay --wave` uses it.

.PHONY: sim-trace
sim-trace: ## build the simulator that writes waveforms (for `verbatim replay --wave FILE`)
	$(MAKE) --no-print-directory BUILD=$(BUILD)/trace SIM_TRACE=1 icd
