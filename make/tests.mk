# SPDX-License-Identifier: Apache-2.0
# Suites: every tests/<dir>/test_*.c (linked with the other .c files of its folder, the harness and the library) and
# every executable tests/<dir>/test_*.sh. Fragments add suites of their own through TEST_BINS.

SEED ?= 1
FILTER ?=
RESULTS := $(BUILD)/test-results
TEST_SKIP_DIRS := support fixtures $(TEST_OWN_DIRS)
TEST_SRCS := $(foreach s,$(wildcard tests/*/test_*.c),$(if $(filter $(TEST_SKIP_DIRS),$(word 2,$(subst /, ,$s))),,$s))
SUITE_BINS := $(TEST_SRCS:tests/%.c=$(BUILD)/tests/%)
SUITE_SCRIPTS := $(foreach s,$(wildcard tests/*/test_*.sh),$(if $(filter $(TEST_OWN_DIRS),$(word 2,$(subst /, ,$s))),,$s))
SUPPORT_SRCS := $(wildcard tests/support/*.c)
SUPPORT_OBJS := $(SUPPORT_SRCS:%.c=$(BUILD)/obj/%.o)
PLANTED := $(BUILD)/tests/support/planted
TEST_CPPFLAGS := -Itests
# clang calls libatomic for OpenMP reductions over long double.
TEST_LDLIBS := $(shell $(PKG_CONFIG) --libs cunit 2>/dev/null || echo -lcunit) $(if $(findstring clang,$(CC)),-latomic)
ALL_SUITES = $(SUITE_BINS) $(TEST_BINS) $(SUITE_SCRIPTS)

# Helpers of a folder: its .c files that are no suite.
helpers = $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out $(dir $1)test_%,$(wildcard $(dir $1)*.c)))
$(BUILD)/obj/tests/%.o: CPPFLAGS += $(TEST_CPPFLAGS)
define suite_rule
$(1:tests/%.c=$(BUILD)/tests/%): $(1:%.c=$(BUILD)/obj/%.o) $(call helpers,$1) $(SUPPORT_OBJS) $(BUILD)/libverbatim.a
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(TEST_LDLIBS) $$(LDLIBS)
-include $(1:%.c=$(BUILD)/obj/%.d)
endef
$(foreach s,$(TEST_SRCS),$(eval $(call suite_rule,$s)))
-include $(SUPPORT_OBJS:.o=.d)

# A suite that must fail: test_harness.sh proves that the verdict reaches the exit status.
$(PLANTED): $(BUILD)/obj/tests/support/planted/planted.o $(SUPPORT_OBJS) $(BUILD)/libverbatim.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(TEST_LDLIBS) $(LDLIBS)

RUN_SUITES = BUILD=$(BUILD) tests/support/run_suites.sh --results $(RESULTS) --seed $(SEED) $(if $(FILTER),--filter '$(FILTER)')

.PHONY: test tests-build test-run campaign sanitize tsan
test: deps ## get what is missing, build and run every suite; ends with `N passed, N failed, N skipped`
	@$(MAKE) --no-print-directory test-run

tests-build: all $(SUITE_BINS) $(TEST_BINS) $(PLANTED) $(TEST_DEPS) ## build every suite without running it

test-run: tests-build ## run every suite that is built, without looking at packages
	@$(RUN_SUITES) $(ALL_SUITES)

# Long runs: `make campaign` for all, `make campaign-num` for one suite (or folder). Same binaries, larger counts.
campaign: tests-build ## long runs of every suite (hours); one suite: make campaign-NAME
	@$(RUN_SUITES) --results $(RESULTS)/campaign --timeout 86400 --campaign $(ALL_SUITES)
campaign-%: tests-build
	@set -- $(foreach s,$(ALL_SUITES),$(if $(or $(findstring /$*/,$s),$(filter %/test_$* %/test_$*.sh,$s)),$s)); \
	test $$# -gt 0 || { echo "no suite is called $*" >&2; exit 2; }; \
	$(RUN_SUITES) --results $(RESULTS)/campaign-$* --timeout 86400 --campaign "$$@"

# use_tls=0: the leak checker's own thread crashes on the thread-local storage of PoCL's LLVM threads.
# Suppressions name third-party libraries only (OpenCL drivers, their compilers): see the files for the reasons.
ASAN_ENV := ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 \
            LSAN_OPTIONS=suppressions=$(CURDIR)/tests/support/lsan.supp:print_suppressions=0:use_tls=0 UBSAN_OPTIONS=print_stacktrace=1
# Instrumented code makes gcc's flow analysis see NULL where there is none (-Wformat-overflow).
sanitize: ## every suite under the address and undefined-behaviour sanitizers (build/asan)
	@$(ASAN_ENV) $(MAKE) --no-print-directory BUILD=build/asan OPT=-O1 \
	  SAN="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-format-overflow" SANITIZER=address test-run

# clang and its OpenMP runtime, because GCC's synchronises in ways that the sanitizer cannot see.
tsan: ## the suites under the thread sanitizer (build/tsan; needs clang and libomp-dev)
	@TSAN_OPTIONS="suppressions=$(CURDIR)/tests/support/tsan.supp:ignore_noninstrumented_modules=1" \
	$(MAKE) --no-print-directory BUILD=build/tsan CC=clang CXX=clang++ OPT=-O1 SAN=-fsanitize=thread SANITIZER=thread test-run
