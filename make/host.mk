# SPDX-License-Identifier: Apache-2.0
# Flags and objects of the host side. Everything in host/*/ but host/cli is the library.
#
# Hooks that other fragments append to (+=) before make/link.mk turns them into rules:
#   GEN_SRCS       generated C sources below $(BUILD)/gen, compiled into the library
#   GEN_HDRS       generated headers, made before any object
#   EXTRA_ALL      further products of a plain `make`
#   TEST_OWN_DIRS  tests/<dir> whose suites have their own rules
#   TEST_BINS      suites built by those rules: executables that `make test` runs
#   TEST_DEPS      anything else that must exist before a suite runs
#   LINT_STEPS     targets of `make lint`;   INSTALL_STEPS  targets of `make install`

CC ?= cc
CXX ?= c++
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
CCACHE ?= $(shell command -v ccache 2>/dev/null)
PKG_CONFIG ?= pkg-config
PYTHON ?= python3

# All caches live in the build folder: nothing is written to HOME, and `make clean` means it.
ABS_BUILD := $(abspath $(BUILD))
export CCACHE_DIR := $(abspath build/ccache)
export POCL_CACHE_DIR := $(ABS_BUILD)/pocl-cache
export PYTHONDONTWRITEBYTECODE := 1

PKGS := hdf5-serial jansson libxxhash OpenCL
OPT ?= -O2
SAN ?=
WARN := -Wall -Wextra -Wconversion -Werror
# -ffp-contract=off: the contract allows no fused multiply-add anywhere.
CPPFLAGS += -Ihost -Ihost/include -I$(BUILD)/gen -D_GNU_SOURCE -DCL_TARGET_OPENCL_VERSION=120 \
            $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
CFLAGS := -std=gnu11 $(OPT) -g $(WARN) -ffp-contract=off -fopenmp -fPIC $(SAN) $(CFLAGS)
LDFLAGS += -fopenmp $(SAN)
LDLIBS += $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) -lhdf5_serial_hl -lpthread -lm
# One short line a step; `make V=1` prints the commands.
Q := $(if $(V),,@)
say = @$(if $(V),:,printf '  %-5s %s\n' $1 $2)
COMPILE = $(CCACHE) $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP

# Short names that fragments may use.
B := $(BUILD)

CLI_SRCS := $(wildcard host/cli/*.c)
LIB_SRCS := $(filter-out $(CLI_SRCS),$(wildcard host/*/*.c))
GEN_SRCS :=
GEN_HDRS := $(BUILD)/gen/vb_version.h
EXTRA_ALL :=
TEST_OWN_DIRS :=
TEST_BINS :=
TEST_DEPS :=
LINT_STEPS :=
INSTALL_STEPS :=

# Version and commit for the provenance of every result file. Rewritten only when it changes, so that an unchanged
# tree rebuilds nothing; a tree without git says "unknown".
.PHONY: FORCE
FORCE:
$(BUILD)/gen/vb_version.h: FORCE
	@mkdir -p $(@D)
	@commit=$$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown); \
	dirty=$$(test -z "$$(git status --porcelain --untracked-files=no 2>/dev/null)" && echo 0 || echo 1); \
	printf '%s\n' '// SPDX-License-Identifier: Apache-2.0' \
	  '#define VB_VERSION "$(VERSION)"' "#define VB_COMMIT \"$$commit\"" "#define VB_DIRTY $$dirty" > $@.new; \
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
