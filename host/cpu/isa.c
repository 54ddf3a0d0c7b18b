// SPDX-License-Identifier: Apache-2.0
#include "cpu/cpu.h"
#include "cpu/dot.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static const struct vb_isa *const tables[] = {
#if defined(__x86_64__)
    &vb_isa_avx512vnni, &vb_isa_avx2,
#endif
    &vb_isa_portable, // last: always supported
};
enum { TABLES = sizeof tables / sizeof *tables };

static _Atomic(const struct vb_isa *) chosen;

vb_result vb_cpu_select_isa(const char *name) {
  const char *source = "instruction set";
  if (!name) {
    name = getenv("VERBATIM_ISA");
    source = "VERBATIM_ISA";
  }
  for (size_t i = 0; i < TABLES; i++) {
    if (!name || !*name) {
      if (!tables[i]->supported()) continue;
    } else {
      if (strcmp(name, tables[i]->name) != 0) continue;
      if (!tables[i]->supported()) return vb_fail(VB_BAD_INPUT, "%s: this processor has no %s", source, name);
    }
    atomic_store(&chosen, tables[i]);
    return VB_OK;
  }
  return vb_fail(VB_BAD_INPUT, "%s: unknown value \"%s\" (portable, avx2 or avx512vnni)", source, name);
}

const struct vb_isa *vb_cpu_isa(void) {
  const struct vb_isa *isa = atomic_load(&chosen);
  if (isa) return isa;
  vb_result r = vb_cpu_select_isa(NULL);
  if (r != VB_OK) {
    fprintf(stderr, "verbatim: %s\n", vb_last_error());
    exit(r);
  }
  return atomic_load(&chosen);
}

const char *vb_cpu_isa_name(void) { return vb_cpu_isa()->name; }
