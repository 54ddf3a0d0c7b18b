# SPDX-License-Identifier: Apache-2.0
# The OpenCL driver of the simulated devices, its .icd directory, and its tests.
#
# SIM_HARNESS_OBJS (make/sim.mk): the objects that define vb_sim_backend(), Verilated models included. Without them
# only the variant with the test double is built. SIM_HARNESS_LIBS: what they need to be linked with.
# Stand-alone use: `make -f make/icd.mk icd-test`.

BUILD ?= build
CC ?= gcc
CXX ?= g++
PYTHON ?= python3
Q ?= @
ifeq ($(value say),)
say = @printf '  %-5s %s\n' $1 $2
endif

ICD_SRCS := $(wildcard sim/icd/*.c)
ICD_OBJS := $(ICD_SRCS:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/sim/icd/guard.o
ICD_TEST_SRCS := $(wildcard tests/icd/*.c) tests/support/harness.c tests/support/random.c
ICD_TEST_OBJS := $(ICD_TEST_SRCS:%.c=$(BUILD)/obj/icd/%.o)
ICD_DOUBLE_OBJ := $(BUILD)/obj/icd/tests/icd/double.o
ICD_TEST_DIR := $(BUILD)/tests/icd

# Flags of its own: the driver implements OpenCL (and so names every version of it), the host uses 1.2. No OpenMP.
ICD_OPT = $(or $(OPT),-O2) -g -fPIC -fvisibility=hidden -Wall -Wextra -Wconversion -Werror -pthread $(SAN) -MMD -MP -Isim
ICD_CFLAGS = -std=c11 $(ICD_OPT)
ICD_CXXFLAGS = -std=c++17 $(ICD_OPT)
# -z nodelete: worker threads may still be running when a loader closes its drivers at exit.
ICD_LDFLAGS = -shared -pthread $(SAN) -Wl,-z,nodelete -Wl,--version-script=sim/icd/exports.map
# A sanitizer's run-time library is found in the executable, so only an ordinary build can ask for every symbol.
ICD_LDFLAGS += $(if $(SAN),,-Wl,-z,defs)

$(BUILD)/obj/sim/icd/%.o: sim/icd/%.c make/icd.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CCACHE) $(CC) $(ICD_CFLAGS) -c -o $@ $<

$(BUILD)/obj/sim/icd/%.o: sim/icd/%.cc make/icd.mk
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CCACHE) $(CXX) $(ICD_CXXFLAGS) -c -o $@ $<

$(BUILD)/obj/icd/tests/%.o: tests/%.c make/icd.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CCACHE) $(CC) $(ICD_CFLAGS) -D_GNU_SOURCE -DVB_SANITIZED=$(if $(SAN),1,0) -Itests -Ihost -c -o $@ $<

$(BUILD)/obj/icd/tests/%.o: tests/%.cc make/icd.mk
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CCACHE) $(CXX) $(ICD_CXXFLAGS) -Itests -c -o $@ $<

$(BUILD)/libverbatim_sim.so: $(ICD_OBJS) $(SIM_HARNESS_OBJS) sim/icd/exports.map
	$(call say,LD,$@)
	$(Q)$(CXX) $(ICD_LDFLAGS) -o $@ $(ICD_OBJS) $(SIM_HARNESS_OBJS) $(SIM_HARNESS_LIBS) -lstdc++

$(ICD_TEST_DIR)/libverbatim_sim.so: $(ICD_OBJS) $(ICD_DOUBLE_OBJ) sim/icd/exports.map
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) $(ICD_LDFLAGS) -o $@ $(ICD_OBJS) $(ICD_DOUBLE_OBJ) -lstdc++

# A directory of .icd files: ours with an absolute path, and a copy of the system's, because OCL_ICD_VENDORS replaces
# the system's directory. Loaders read every file in it, so nothing else may be there.
%/vendors/verbatim.icd: %/libverbatim_sim.so
	@mkdir -p $(@D)
	@rm -f $(@D)/*
	@for f in /etc/OpenCL/vendors/*.icd; do if test -e "$$f"; then cp "$$f" $(@D)/; fi; done
	$(call say,GEN,$@)
	@echo $(abspath $<) > $@

$(ICD_TEST_DIR)/test_icd: $(ICD_TEST_OBJS) $(ICD_TEST_DIR)/vendors/verbatim.icd
	$(call say,LD,$@)
	$(Q)$(CC) -pthread $(SAN) -o $@ $(ICD_TEST_OBJS) -lOpenCL -lcunit

-include $(ICD_OBJS:.o=.d) $(ICD_TEST_OBJS:.o=.d) $(ICD_DOUBLE_OBJ:.o=.d)

.PHONY: icd icd-test icd-valgrind icd-stubs check-icd-stubs install-icd
icd: $(BUILD)/vendors/verbatim.icd ## the OpenCL driver; use it with OCL_ICD_VENDORS=$PWD/build/vendors

icd-test: $(ICD_TEST_DIR)/test_icd ## build and run the driver's tests
	$<

icd-valgrind: $(ICD_TEST_DIR)/test_icd ## the driver's tests under memcheck, without PoCL (LLVM leaks by design)
	VB_ICD_ONLY=1 valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,possible $<

# dispatch.c is generated and committed; the check finds a stale one.
ICD_GEN = $(PYTHON) sim/icd/gen_stubs.py /usr/include/CL sim/icd/entries.h | clang-format --assume-filename=sim/icd/x.c
icd-stubs: ## regenerate sim/icd/dispatch.c from the Khronos headers
	$(ICD_GEN) > sim/icd/dispatch.c
check-icd-stubs:
	@$(ICD_GEN) | cmp - sim/icd/dispatch.c || { echo 'sim/icd/dispatch.c is stale: make icd-stubs' >&2; exit 1; }

install-icd: $(BUILD)/libverbatim_sim.so
	$(INSTALL) -d $(D)$(LIBDIR) $(D)$(INCLUDEDIR)/verbatim $(D)$(ICD_VENDORS)
	$(INSTALL) -m 755 $< $(D)$(LIBDIR)/libverbatim_sim.so
	$(INSTALL) -m 644 sim/icd/cl_verbatim.h $(D)$(INCLUDEDIR)/verbatim/cl_verbatim.h
	echo $(LIBDIR)/libverbatim_sim.so > $(D)$(ICD_VENDORS)/verbatim.icd
	$(if $(filter /etc/%,$(ICD_VENDORS)),,for f in /etc/OpenCL/vendors/*.icd; do test ! -e "$$f" || cp "$$f" $(D)$(ICD_VENDORS)/; done)

TEST_OWN_DIRS += icd
TEST_BINS += $(ICD_TEST_DIR)/test_icd
LINT_STEPS += check-icd-stubs
ifneq ($(strip $(SIM_HARNESS_OBJS)),)
EXTRA_ALL += $(BUILD)/libverbatim_sim.so $(BUILD)/vendors/verbatim.icd
INSTALL_STEPS += install-icd
endif
