# SPDX-License-Identifier: Apache-2.0
# Objects, libraries and the command, from the lists that the other fragments filled.

# The OpenCL C kernels as bytes (make/ocl.mk).
GEN_SRCS += $(filter-out $(GEN_SRCS),$(VB_OCL_GEN))
LIB_OBJS := $(LIB_SRCS:%.c=$(BUILD)/obj/%.o) $(GEN_SRCS:$(BUILD)/gen/%.c=$(BUILD)/obj/gen/%.o)
CLI_OBJS := $(CLI_SRCS:%.c=$(BUILD)/obj/%.o)
LIB := $(BUILD)/libverbatim.a
SOLIB := $(BUILD)/libverbatim.so

.PHONY: all
all: $(LIB) $(SOLIB) $(if $(CLI_SRCS),$(BUILD)/verbatim) $(EXTRA_ALL) ## build the command, the libraries and the OpenCL driver

$(BUILD)/obj/%.o: %.c make/host.mk | $(GEN_HDRS)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(COMPILE) -c -o $@ $<

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c | $(GEN_HDRS)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(COMPILE) -c -o $@ $<

# Made anew, by appending: members of sources that are gone must not stay, and folders repeat file names.
$(LIB): $(LIB_OBJS)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar qcs $@ $^

$(SOLIB): $(LIB_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,libverbatim.so.0 $(LDFLAGS) -o $@ $^ $(LDLIBS)

# `verbatim cycles` calls the exact cycle model (make/sim.mk).
$(BUILD)/obj/host/cli/cmd_cycles.o: $(SIM_DIR)/units.inc
$(BUILD)/obj/host/cli/cmd_cycles.o: CPPFLAGS += -Isim -I$(SIM_DIR)
$(BUILD)/verbatim: $(CLI_OBJS) $(SIM_MODEL_OBJS) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

-include $(LIB_OBJS:.o=.d) $(CLI_OBJS:.o=.d)
