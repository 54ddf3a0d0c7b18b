# SPDX-License-Identifier: Apache-2.0
# The main job, as a newcomer runs it.

DEMO_MODEL ?= models/tiny/moe
DEMO_STEPS ?= 32
DEMO_PROMPT ?= It is a truth universally acknowledged, that a single man in possession of a good fortune

.PHONY: demo demo-run
demo: deps ## get what is missing, build, and verify a trained model over CPU, OpenCL and simulated RTL
	@$(MAKE) --no-print-directory demo-run

demo-run: all
	@mkdir -p $(BUILD)/demo
	$(BUILD)/verbatim verify $(DEMO_MODEL) --prompt "$(DEMO_PROMPT)" --steps $(DEMO_STEPS) \
	  --json $(BUILD)/demo/verify.json --junit $(BUILD)/demo/verify.xml --timeline $(BUILD)/demo/timeline.json
