// SPDX-License-Identifier: Apache-2.0
//
// The environment variables of the driver. A value that cannot be read is an error: a simulation
// that silently ignored its seed would be worse than none.
#include "icd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *env_text(const char *name) {
  const char *text = getenv(name);
  return text != NULL && text[0] != '\0' ? text : NULL;
}

// Decimal or 0x hexadecimal up to `end`; no sign, no blanks.
static int parse_u64(const char *text, const char *end, uint64_t *value) {
  if (text[0] < '0' || text[0] > '9') return -1;
  bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  char *stop = NULL;
  errno = 0;
  unsigned long long number = strtoull(text, &stop, hex ? 16 : 10);
  if (errno != 0 || stop != end) return -1;
  *value = number;
  return 0;
}

static int env_u64(const char *name, uint64_t *value, int *set, char *err, size_t err_size) {
  const char *text = env_text(name);
  if (text == NULL) return 0;
  if (parse_u64(text, text + strlen(text), value) != 0) {
    snprintf(err, err_size, "%s=%s: not an unsigned 64-bit number", name, text);
    return -1;
  }
  if (set != NULL) *set = 1;
  return 0;
}

static int env_window(struct vb_sim_options *sim, char *err, size_t err_size) {
  const char *name = "VERBATIM_SIM_TRACE_WINDOW";
  const char *text = env_text(name);
  if (text == NULL) return 0;
  const char *colon = strchr(text, ':');
  if (colon == NULL || parse_u64(text, colon, &sim->trace_first) != 0 ||
      parse_u64(colon + 1, text + strlen(text), &sim->trace_last) != 0 || sim->trace_first > sim->trace_last) {
    snprintf(err, err_size, "%s=%s: must be FIRST:LAST in cycles, FIRST <= LAST", name, text);
    return -1;
  }
  if (sim->trace_file == NULL) {
    snprintf(err, err_size, "%s is set, but VERBATIM_SIM_TRACE names no file", name);
    return -1;
  }
  return 0;
}

int vb_settings_read(struct vb_settings *settings, char *err, size_t err_size) {
  memset(settings, 0, sizeof *settings);
  struct vb_sim_options *sim = &settings->sim;
  sim->dram_part = env_text("VERBATIM_SIM_DRAM");
  sim->trace_file = env_text("VERBATIM_SIM_TRACE");
  sim->extra = env_text("VERBATIM_SIM_OPTIONS");
  sim->trace_last = UINT64_MAX;
  settings->watchdog_cycles = VB_DEFAULT_WATCHDOG;
  settings->heartbeat_s = VB_DEFAULT_HEARTBEAT_S;
  if (env_u64("VERBATIM_SIM_SEED", &sim->seed, &sim->seed_set, err, err_size) != 0) return -1;
  if (env_u64("VERBATIM_SIM_WATCHDOG", &settings->watchdog_cycles, NULL, err, err_size) != 0) return -1;
  if (env_u64("VERBATIM_SIM_HEARTBEAT", &settings->heartbeat_s, NULL, err, err_size) != 0) return -1;
  return env_window(sim, err, err_size);
}

void vb_settings_describe(const struct vb_settings *settings, char *text, size_t size) {
  const char *dram = settings->sim.dram_part, *fault = env_text("VERBATIM_SIM_FAULT"); // the simulator reads that one
  char seed[32] = "";
  if (settings->sim.seed_set) snprintf(seed, sizeof seed, " seed=%" PRIu64, settings->sim.seed);
  snprintf(text, size, "%s%s%s%s%s", dram != NULL ? " dram-override=" : "", dram != NULL ? dram : "", seed,
           fault != NULL ? " fault=" : "", fault != NULL ? fault : "");
}
