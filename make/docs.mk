# SPDX-License-Identifier: Apache-2.0
# Documents that a run writes: figures in them are never typed.

.PHONY: docs-matrix
docs-matrix: $(BUILD)/tests/families/test_families ## write docs/matrix.md: every model family on every backend in every mode
	VERBATIM_MATRIX=$(ABS_BUILD)/matrix.md OCL_ICD_VENDORS=$(ABS_BUILD)/vendors $(BUILD)/tests/families/test_families
	{ echo '# Families, backends, modes'; echo; \
	  echo 'Values compared bit for bit with the reference, written by `make docs-matrix` on '"$$(date -u +%F)"', commit '"$$(git rev-parse --short HEAD)"'.'; \
	  echo 'A cell says how many values were compared and equal, or how many comparisons were not.'; echo; \
	  cat $(BUILD)/matrix.md; } > docs/matrix.md.tmp && mv docs/matrix.md.tmp docs/matrix.md
