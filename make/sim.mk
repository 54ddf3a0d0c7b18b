# SPDX-License-Identifier: Apache-2.0
# Verilated units, DRAM model and harness: what make/icd.mk links into the OpenCL driver.
#
# Exports SIM_HARNESS_OBJS and SIM_HARNESS_LIBS. Variables:
#   SIM_CONFIGS  hardware configurations to build (hw/config/*.json)   default: base
#   SIM_CXX      compiler of the models                               default: clang++, else $(CXX)
#   VB_NATIVE    1: compile models for this machine's CPU               default: 1
#   SIM_TRACE    1: models can write waveforms (build folder of its own, slower)
#   SIM_COVER    1: models count how often each line of the RTL ran (make/coverage.mk)
# Stand-alone use: `make -f make/sim.mk sim`.

BUILD ?= build
CC ?= gcc
CXX ?= g++
ifeq ($(origin CXX),default)
CXX := g++
endif
PYTHON ?= python3
Q ?= @
ifeq ($(value say),)
say = @printf '  %-5s %s\n' $1 $2
endif
CCACHE ?= $(shell command -v ccache 2>/dev/null)
VERILATOR ?= verilator
SIM_CONFIGS ?= base
VB_NATIVE ?= 1
SIM_TRACE ?=
SIM_COVER ?=

# A unit is a folder hw/<unit> with its top module vb_<unit>.sv and its registers hw/regs/<unit>.json. The first three
# keep their places, because drivers number kernels by them.
SIM_FOUND := $(foreach u,$(notdir $(basename $(wildcard hw/regs/*.json))),$(if $(wildcard hw/$u/vb_$u.sv),$u))
SIM_UNITS := $(filter $(SIM_FOUND),router attention indexer) $(filter-out router attention indexer,$(SIM_FOUND))
SIM_DIR := $(BUILD)/sim$(if $(SIM_TRACE),-trace)
VERILATOR_ROOT ?= $(shell $(VERILATOR) --getenv VERILATOR_ROOT 2>/dev/null)
SIM_VINC := $(VERILATOR_ROOT)/include

SIM_ARCH := $(if $(filter 1,$(VB_NATIVE)),-march=native)
SIM_VFLAGS = --cc --assert --x-initial unique -O3 --output-split 8000 -Ihw/common -y hw/common \
             $(if $(SIM_TRACE),--trace-fst --trace-structs) $(if $(SIM_COVER),--coverage-line)
# Models run 1.4 times as fast when clang compiles them, and are built in half the time. PoCL needs a clang, so there is one.
SIM_CXX := $(or $(SIM_CXX),$(notdir $(lastword $(shell command -v clang++; ls -v /usr/bin/clang++-[0-9]* 2>/dev/null))),$(CXX))
# Compiles a model: $1 its folder, $2 its class, $3 optimisation. Models are compiled alike in every build: sanitizers watch
# the harness, not generated code.
sim_compile = $(MAKE) --no-print-directory -s -C $1 -f $2.mk $2__ALL.a CXX="$(SIM_CXX)" LINK="$(SIM_CXX)" OBJCACHE="$(CCACHE)" \
  OPT_FAST="$3" OPT_SLOW=-O1 USER_CPPFLAGS="-w -fPIC -fvisibility=hidden -include $(abspath sim/harness/print.h)" >/dev/null
SIM_CXXFLAGS = -std=gnu++17 $(or $(OPT),-O2) -g -fPIC -fvisibility=hidden -Wall -Wextra -Wconversion -Werror -MMD -MP \
               $(SIM_ARCH) $(SAN) -include sim/harness/print.h -isystem $(SIM_VINC) -isystem $(SIM_VINC)/vltstd \
               -I$(SIM_DIR) $(if $(SIM_TRACE),-DVB_SIM_TRACED)
SIM_CFLAGS = -std=gnu11 $(or $(OPT),-O2) -g -fPIC -fvisibility=hidden -Wall -Wextra -Wconversion -Werror -MMD -MP $(SAN) -Ihost
# The DRAM and the cycle model, for any CPU: the command line tool links them.
SIM_HOT = $(if $(filter -O2,$(or $(OPT),-O2)),-O3)
SIM_RUNTIME := verilated verilated_threads $(if $(SIM_TRACE),verilated_fst_c) $(if $(SIM_COVER),verilated_cov)
SIM_DEFS := -DVL_USER_FATAL -DVL_USER_STOP -DVL_USER_FINISH $(if $(SIM_COVER),-DVB_SIM_COVERED -DVM_COVERAGE=1)

SIM_SV_COMMON := hw/lint.vlt hw/common/vb_tables_pkg.sv hw/common/vb_pkg.sv
sim_sv = $(SIM_SV_COMMON) hw/config/$1/vb_cfg_pkg.sv $(wildcard hw/$2/*_pkg.sv) hw/$2/vb_$2.sv $(wildcard hw/$2/vb_$2_bind.sv)
sim_deps = $(wildcard hw/common/*.sv hw/common/*.svh hw/config/$1/*.sv hw/$2/*.sv) hw/lint.vlt

SIM_OBJS := $(patsubst sim/dram/%.c,$(SIM_DIR)/obj/dram/%.o,$(wildcard sim/dram/*.c)) \
            $(SIM_DIR)/obj/axi_slave.o $(SIM_DIR)/obj/harness.o $(SIM_DIR)/obj/unit_fast.o $(SIM_DIR)/obj/verilated_hooks.o \
            $(SIM_RUNTIME:%=$(SIM_DIR)/obj/%.o)

# The exact cycle model and what a job does to memory, by the reference; both without Verilator.
SIM_CYCLE_SRCS := $(wildcard sim/cycle/*.c sim/golden/*.c host/ref/*.c host/num/*.c)
SIM_OBJS += $(SIM_CYCLE_SRCS:%.c=$(SIM_DIR)/obj/c/%.o)
# What a program needs that only predicts.
SIM_MODEL_OBJS := $(patsubst %.c,$(SIM_DIR)/obj/c/%.o,$(wildcard sim/cycle/*.c sim/golden/*.c)) \
                  $(patsubst sim/dram/%.c,$(SIM_DIR)/obj/dram/%.o,$(wildcard sim/dram/*.c))
# Units that have both, and all configurations: the fast devices.
SIM_FAST_UNITS := $(foreach u,$(SIM_UNITS),$(if $(wildcard sim/cycle/$u.c),$(if $(wildcard sim/golden/$u.c),$u)))
SIM_FAST_CONFIGS := $(patsubst hw/config/%/vb_cfg_pkg.sv,%,$(wildcard hw/config/*/vb_cfg_pkg.sv))
sim_upper = $(shell echo $1 | tr a-z A-Z)
SIM_FAST_LIST := $(foreach c,$(SIM_FAST_CONFIGS),VB_FAST_CONFIG($c,$(call sim_upper,$c))) \
                 $(foreach u,$(SIM_FAST_UNITS),VB_FAST_UNIT($u,$(call sim_upper,$u)))

# $1 configuration, $2 unit: the model and its part of the harness
define sim_unit_model
$(SIM_DIR)/$1/$2/V$2_$1.mk: $(call sim_deps,$1,$2) make/sim.mk
	@mkdir -p $$(@D)
	$$(call say,VLTR,"$2 ($1)")
	$$(Q)$$(VERILATOR) $$(SIM_VFLAGS) -y hw/$2 --prefix V$2_$1 --Mdir $$(@D) --top-module vb_$2 $$(call sim_sv,$1,$2)
	@touch $$@
$(SIM_DIR)/$1/$2/V$2_$1__ALL.a: $(SIM_DIR)/$1/$2/V$2_$1.mk
	$$(call say,MODEL,$$@)
	$$(Q)+$$(call sim_compile,$$(@D),V$2_$1,-O2 $(SIM_ARCH))
$(SIM_DIR)/obj/unit_$1_$2.o: sim/harness/unit_entry.cc $(SIM_DIR)/$1/$2/V$2_$1.mk
	@mkdir -p $$(@D)
	$$(call say,CXX,"$$< ($2, $1)")
	$$(Q)$$(CCACHE) $$(CXX) $$(SIM_CXXFLAGS) $(SIM_DEFS) -isystem $(SIM_DIR)/$1/$2 -DVB_MODEL=V$2_$1 -DVB_MODEL_H='"V$2_$1.h"' \
	  -DVB_CONFIG_NAME='"$1"' -DVB_UNIT_NAME='"$2"' -DVB_UNIT_ARGS=VB_$(call sim_upper,$2)_ARGS \
	  -DVB_UNIT_ENTRY=vb_unit_$1_$2 -c -o $$@ $$<
endef
$(foreach c,$(SIM_CONFIGS),$(foreach u,$(SIM_UNITS),$(eval $(call sim_unit_model,$c,$u))))
SIM_UNIT_OBJS := $(foreach c,$(SIM_CONFIGS),$(foreach u,$(SIM_UNITS),$(SIM_DIR)/obj/unit_$c_$u.o))
SIM_OBJS += $(SIM_UNIT_OBJS)
SIM_MODELS := $(foreach c,$(SIM_CONFIGS),$(foreach u,$(SIM_UNITS),$(SIM_DIR)/$c/$u/V$u_$c__ALL.a))

# Rewritten only when the list changes.
SIM_LIST := $(foreach c,$(SIM_CONFIGS),VB_CONFIG($c,$(call sim_upper,$c)) $(foreach u,$(SIM_UNITS),VB_UNIT($c,$u))) $(SIM_FAST_LIST)
.PHONY: sim-list
$(SIM_DIR)/units.inc: sim-list
	@mkdir -p $(@D)
	@printf '%s\n' $(foreach l,$(SIM_LIST),'$l') > $@.new; if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# Generators of random jobs, one a unit.
$(SIM_DIR)/generators.inc: sim-list
	@mkdir -p $(@D)
	@printf 'CJOB_UNIT(%s)\n' $(patsubst tests/hw/cycle/gen_%.c,%,$(wildcard tests/hw/cycle/gen_*.c)) > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(SIM_DIR)/obj/%.o: sim/harness/%.cc $(SIM_DIR)/units.inc make/sim.mk
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CCACHE) $(CXX) $(SIM_CXXFLAGS) $(SIM_DEFS) -c -o $@ $<
$(SIM_DIR)/obj/dram/%.o: sim/dram/%.c make/sim.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CCACHE) $(CC) $(SIM_CFLAGS) $(SIM_HOT) -c -o $@ $<
$(SIM_DIR)/obj/c/sim/cycle/jobs.o: $(SIM_DIR)/units.inc
$(SIM_DIR)/obj/c/sim/cycle/%.o: sim/cycle/%.c make/sim.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CCACHE) $(CC) $(SIM_CFLAGS) $(SIM_HOT) -Ihost/include -I$(SIM_DIR) -c -o $@ $<
$(SIM_DIR)/obj/c/%.o: %.c make/sim.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CCACHE) $(CC) $(SIM_CFLAGS) -Ihost/include -ffp-contract=off -c -o $@ $<
$(SIM_RUNTIME:%=$(SIM_DIR)/obj/%.o): $(SIM_DIR)/obj/%.o: $(SIM_VINC)/%.cpp make/sim.mk
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CCACHE) $(CXX) -std=gnu++17 -O2 $(SIM_ARCH) -fPIC -fvisibility=hidden -include sim/harness/print.h $(SIM_DEFS) \
	  -I$(SIM_VINC) -I$(SIM_VINC)/vltstd -c -o $@ $<
-include $(wildcard $(SIM_DIR)/obj/*.d $(SIM_DIR)/obj/dram/*.d $(SIM_DIR)/obj/c/*/*/*.d)

SIM_HARNESS_OBJS := $(SIM_OBJS) $(SIM_MODELS)
SIM_HARNESS_LIBS := -lstdc++ -lpthread $(if $(SIM_TRACE),-lz)

# ---- tests: the router and the DRAM model, and every assertion of the shared cells with a planted violation
SIM_TEST_DIR := $(BUILD)/tests/hw
SIM_TEST_FLAGS = $(or $(OPT),-O2) -g -Wall -Wextra -Wconversion -Werror -MMD -MP $(SAN) -I$(SIM_DIR) -Itests -Isim -Ihost -Ihost/include
SIM_SUPPORT := $(SIM_DIR)/tests/support/harness.o $(SIM_DIR)/tests/support/random.o
SIM_CHECKED := vb_axil_chk vb_apctrl_chk vb_axi4_chk vb_fifo vb_stats vb_axi_rd vb_axi_wr vb_axi_rd_mux vb_axi_wr_mux vb_watchdog vb_axil_ctrl vb_axil_split
SIM_CHK_LIBS := $(foreach m,$(SIM_CHECKED),$(SIM_DIR)/chk/$m/Vchk_$m__ALL.a)
# Small on purpose: narrow data, shallow FIFO.
SIM_CHK_axi4 := -GDW=64 -GIDW=2
SIM_CHK_G = $(if $(filter vb_fifo,$1),-GDEPTH=4,$(if $(filter vb_watchdog,$1),-GGRACE=20,$(if $(filter vb_axi_rd vb_axi_wr vb_axi_wr_mux vb_axi4_chk,$1),$(SIM_CHK_axi4))))

$(SIM_DIR)/tests/%.o: tests/%.c $(SIM_DIR)/generators.inc make/sim.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CCACHE) $(CC) -std=gnu11 -D_GNU_SOURCE $(SIM_TEST_FLAGS) -c -o $@ $<

$(SIM_TEST_DIR)/test_router: $(foreach o,test_router faults job,$(SIM_DIR)/tests/hw/router/$o.o) $(SIM_SUPPORT) \
    $(SIM_HARNESS_OBJS) $(BUILD)/libverbatim.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) $(SAN) -fopenmp -o $@ $^ $(SIM_HARNESS_LIBS) -lcunit -lm

$(SIM_TEST_DIR)/test_dram: $(SIM_DIR)/tests/hw/dram/test_dram.o $(SIM_DIR)/tests/hw/dram/reference.o $(SIM_SUPPORT) $(SIM_DIR)/obj/dram/dram.o $(SIM_DIR)/obj/dram/parts.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(SAN) -o $@ $^ -lcunit -lm

define sim_checked
$(SIM_DIR)/chk/$1/Vchk_$1.mk: $(wildcard hw/common/*.sv) hw/lint.vlt make/sim.mk
	@mkdir -p $$(@D)
	$$(call say,VLTR,$1)
	$$(Q)$$(VERILATOR) --cc --assert --x-initial unique -Ihw/common -y hw/common --prefix Vchk_$1 --Mdir $$(@D) --top-module $1 \
	  $$(call SIM_CHK_G,$1) $$(SIM_SV_COMMON) hw/common/$1.sv
	@touch $$@
$(SIM_DIR)/chk/$1/Vchk_$1__ALL.a: $(SIM_DIR)/chk/$1/Vchk_$1.mk
	$$(Q)+$$(call sim_compile,$$(@D),Vchk_$1,-O1)
endef
$(foreach m,$(SIM_CHECKED),$(eval $(call sim_checked,$m)))

$(SIM_DIR)/tests/hw/checkers/%.o: tests/hw/checkers/%.cc $(SIM_CHK_LIBS)
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CCACHE) $(CXX) -std=gnu++17 $(SIM_TEST_FLAGS) -include sim/harness/print.h $(SIM_DEFS) -isystem $(SIM_VINC) \
	  -isystem $(SIM_VINC)/vltstd $(SIM_CHECKED:%=-isystem $(SIM_DIR)/chk/%) -c -o $@ $<

$(SIM_TEST_DIR)/test_checkers: $(foreach o,test_checkers masters control,$(SIM_DIR)/tests/hw/checkers/$o.o) $(SIM_SUPPORT) $(SIM_DIR)/obj/verilated_hooks.o \
    $(SIM_RUNTIME:%=$(SIM_DIR)/obj/%.o) $(SIM_CHK_LIBS)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) $(SAN) -o $@ $^ $(SIM_HARNESS_LIBS) -lcunit -lm
-include $(wildcard $(SIM_DIR)/tests/hw/*/*.d)

SIM_TESTS := $(SIM_TEST_DIR)/test_dram $(SIM_TEST_DIR)/test_checkers $(SIM_TEST_DIR)/test_router
TEST_OWN_DIRS += hw
TEST_BINS += $(SIM_TESTS)
LINT_STEPS += lint-rtl

.PHONY: sim sim-test check-config
sim: $(SIM_HARNESS_OBJS) ## the Verilated units and their harness
sim-test: $(SIM_TESTS) ## build and run the hardware tests: DRAM model, checkers, router
	@set -e; for t in $^; do echo "== $$t"; $$t; done

check-config: ## generated configurations equal their JSON source
	$(PYTHON) hw/config/gen_config.py --check
