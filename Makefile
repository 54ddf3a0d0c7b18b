# SPDX-License-Identifier: Apache-2.0
# `make help` lists the targets; make/*.mk holds the rules, one tool a file.
# Overridable: CC, CXX, BUILD, PREFIX, DESTDIR, SEED, FILTER, OPT, SAN (extra flags), CCACHE (empty: off).

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

VERSION := 0.1.0
BUILD ?= build

include make/host.mk
# Kernels, RTL, OpenCL driver and whatever else lies there add to the hooks that host.mk declares.
FIRST := make/ocl.mk make/sim.mk make/icd.mk
OURS := make/host.mk make/tables.mk make/tests.mk make/lint.mk make/demo.mk make/install.mk make/doctor.mk make/docs.mk make/trace.mk make/link.mk
include $(wildcard $(FIRST)) $(filter-out $(FIRST) $(OURS),$(sort $(wildcard make/*.mk)))
include make/tables.mk make/tests.mk make/lint.mk make/demo.mk make/install.mk make/doctor.mk make/docs.mk make/trace.mk
# Last, when every hook is filled.
include make/link.mk

.PHONY: help clean
help: ## list the targets
	@awk -F ':.*## ' '/^[a-zA-Z0-9_.-]+:.*## / { printf "  %-22s %s\n", $$1, $$2 }' Makefile $(wildcard make/*.mk)

clean: ## remove everything that was built
	rm -rf build $(BUILD)
