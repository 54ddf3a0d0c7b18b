# SPDX-License-Identifier: Apache-2.0
# OpenCL devices: the kernels' text becomes bytes of the library, so that an installed command needs no source files.
B ?= build

# The order is the order of compilation: later files use earlier ones. host/ocl/program.c names the files again.
VB_CL := tables num block embed rmsnorm linear rope pack attention swiglu router experts add conv join indexer delta probe
VB_CL_FILES := $(VB_CL:%=kernels_cl/%.cl)

VB_OCL_GEN := $(B)/gen/kernels_cl.c

$(VB_OCL_GEN): $(VB_CL_FILES) make/embed_cl.sh
	@mkdir -p $(@D)
	sh make/embed_cl.sh $(VB_CL_FILES) > $@.tmp && mv $@.tmp $@

.PHONY: oclgrind
oclgrind: $(B)/tests/ocl/test_ocl ## the OpenCL kernels in oclgrind: bounds, data races, use of the API
	tests/ocl/oclgrind.sh $<
