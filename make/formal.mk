# SPDX-License-Identifier: Apache-2.0
# Proofs of leaf cells with their mutants (hw/formal). The solver comes with yosys: make/lint-rtl.mk.

.PHONY: formal
formal: silicon-tools ## prove leaf cells and find every mutant, into docs/formal.md (three minutes)
	$(SILICON_PY) hw/formal/formal.py --write $(FORMAL)
