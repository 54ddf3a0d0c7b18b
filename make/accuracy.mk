# SPDX-License-Identifier: Apache-2.0
# docs/accuracy.md: measured, never typed.

.PHONY: docs-accuracy
docs-accuracy: $(BUILD)/verbatim ## measure the distance from exact arithmetic anew: docs/accuracy.md
	$(Q)$(PYTHON) make/accuracy.py $(BUILD)/verbatim docs/accuracy.md
