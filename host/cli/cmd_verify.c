// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "model/expert_cache.h"
#include "study/report.h"
#include "verify/casefile.h"
#include "verify/inject.h"
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static vb_result parse_plans(const struct vb_cli *c, uint32_t *n, bool *first) {
  char *end;
  *n = 0;
  *first = c->plans && !strcmp(c->plans, "first");
  if (!c->plans || (*first && !c->plan)) return VB_OK;
  if (c->plan) return vb_fail(VB_BAD_INPUT, "give --plan or --plans, not both");
  if (strncmp(c->plans, "random:", 7)) return vb_fail(VB_BAD_INPUT, "--plans %s: expected random:N or first", c->plans);
  unsigned long v = strtoul(c->plans + 7, &end, 10);
  if (*end || end == c->plans + 7 || !v || v > 1000000)
    return vb_fail(VB_BAD_INPUT, "--plans %s: N must be from 1 to 1000000", c->plans);
  *n = (uint32_t)v;
  return VB_OK;
}

/// Files are written whatever the verdict; a file that cannot be written outranks success only.
static vb_result write_files(const struct vb_cli *c, const struct vb_report_view *v, vb_result verdict) {
  vb_result r = VB_OK;
  char message[1024];
  snprintf(message, sizeof message, "%s", vb_last_error());
  if (c->json) r = vb_report_json(v, c->json);
  if (!r && c->junit) r = vb_report_junit(v, c->junit);
  if (!r && c->timeline) r = vb_report_timeline(v, c->timeline);
  if (r) return verdict ? verdict : r;
  const char *names[] = {c->json, c->junit, c->timeline};
  const char *what[] = {"report", "JUnit", "timeline (open in ui.perfetto.dev)"};
  for (uint32_t i = 0; i < 3; i++)
    if (names[i]) printf("%s: %s\n", what[i], names[i]);
  return verdict ? vb_fail(verdict, "%s", message) : VB_OK;
}

static vb_result verify_open(const struct vb_cli *c, struct vb_model *m, const struct vb_graph *g,
                             struct vb_device_list *devices) {
  struct vb_inject inject;
  int32_t *ids;
  uint32_t n, random_plans;
  bool first;
  struct vb_tokenizer *tok = NULL;
  vb_result r = parse_plans(c, &random_plans, &first);
  if (!r && c->inject) r = vb_inject_parse(c->inject, &inject);
  if (!r) r = vb_cli_tokens(c, m, &ids, &n, &tok);
  if (r) return r;
  struct vb_verify_config config = {.graph = g,
                                    .devices = devices,
                                    .prompt = ids,
                                    .prompt_len = n,
                                    .steps = c->steps == UINT32_MAX ? 8 : c->steps,
                                    .plan_file = c->plan,
                                    .random_plans = random_plans,
                                    .first_device = first,
                                    .seed = c->seed,
                                    .chunk = c->chunk,
                                    .inject = c->inject ? &inject : NULL,
                                    .case_dir = c->cases ? c->cases : "verbatim-cases",
                                    .replay_prefix = c->program,
                                    .timeline = c->timeline != NULL,
                                    .progress = vb_cli_progress,
                                    .context = (void *)(uintptr_t)c};
  struct vb_report report;
  r = vb_verify(&config, &report);
  vb_cli_progress_end();
  if (r != VB_BAD_INPUT) {
    char *text = report.golden.length ? vb_cli_text(tok, report.golden.token + n, report.golden.length - n) : NULL;
    struct vb_report_view view = {&report, &config, c->model, text, r};
    vb_report_print(&view, stdout);
    vb_expert_cache_print(m, stdout);
    r = write_files(c, &view, r);
    free(text);
  }
  vb_report_free(&report);
  vb_tokenizer_close(tok);
  free(ids);
  return r;
}

vb_result vb_cmd_verify(const struct vb_cli *c) {
  struct vb_model *m = NULL;
  struct vb_graph g = {0};
  struct vb_device_list devices = {0};
  vb_result r = vb_model_open_cached(c->model, false, c->expert_bytes, &m);
  if (!r) r = vb_graph_build(m, &c->graph, &g);
  if (!r) r = vb_cli_devices(c, &devices);
  if (!r) r = verify_open(c, m, &g, &devices);
  vb_devices_close(&devices);
  vb_graph_free(&g);
  vb_model_close(m);
  return r;
}

static vb_result replay_on(const struct vb_cli *c, struct vb_case *k, struct vb_device *d) {
  struct vb_inject inject;
  struct vb_run_stats stats = {0};
  struct vb_difference diff;
  bool differs;
  vb_result r = c->inject ? vb_inject_parse(c->inject, &inject) : VB_OK;
  if (!r) r = vb_case_replay(k, d, c->inject ? vb_inject_tamper : NULL, &inject, &stats, &differs, &diff);
  if (!r && c->inject) r = vb_inject_planted(&inject);
  if (r) return r;
  if (stats.cycles) printf("%s: %" PRIu64 " simulated cycles, %" PRIu64 " busy\n", d->id, stats.cycles, stats.busy);
  if (!differs) {
    printf("EQUAL: %s on %s gives the expected bits\n", k->path, d->id);
    return VB_OK;
  }
  int width = (int)(2 * diff.elem_bytes);
  printf("DIFFERENT: %s on %s: %s[%" PRIu64 "] expected 0x%0*" PRIx64 " actual 0x%0*" PRIx64 " (%" PRIu64
         " elements differ)\n",
         k->path, d->id, diff.array, diff.index, width, diff.expected, width, diff.actual, diff.differing);
  return vb_fail(VB_MISMATCH, "%s differs on %s", k->path, d->id);
}

/// The driver that can write waveforms is a build of its own; it reads the file's name when the device is opened.
static vb_result choose_tracing_driver(const char *wave, const char *devices) {
  char path[PATH_MAX];
  for (const char *name = devices; name; name = strchr(name, ',') ? strchr(name, ',') + 1 : NULL)
    if (strncmp(name, "sim-", 4))
      return vb_fail(VB_BAD_INPUT, "--wave: device %.*s is not simulated and has no waveform", (int)strcspn(name, ","),
                     name);
  if (!vb_cli_beside("trace/vendors", path, sizeof path))
    return vb_fail(VB_BAD_INPUT, "--wave: no tracing simulator here: run `make sim-trace` first");
  setenv("OCL_ICD_VENDORS", path, 1);
  setenv("VERBATIM_SIM_TRACE", wave, 1);
  return VB_OK;
}

vb_result vb_cmd_replay(const struct vb_cli *c) {
  struct vb_case k;
  struct vb_device_list devices = {0};
  vb_result r = vb_case_load(c->model, &k);
  if (r) return r;
  struct vb_cli chosen = *c;
  if (!chosen.devices) chosen.devices = k.device[0] ? k.device : "cpu";
  if (c->wave && (r = choose_tracing_driver(c->wave, chosen.devices))) {
    vb_case_free(&k);
    return r;
  }
  if (!strcmp(chosen.devices, "ref")) r = vb_device_list_add(&devices, vb_device_open_ref());
  else r = vb_cli_devices(&chosen, &devices);
  for (uint32_t i = 0; !r && i < devices.count; i++) r = replay_on(c, &k, devices.device[i]);
  vb_devices_close(&devices);
  vb_case_free(&k);
  return r;
}
