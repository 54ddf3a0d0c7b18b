// SPDX-License-Identifier: Apache-2.0
/// Commands about models, devices and plans that run nothing.
#include "base/h5.h"
#include "cli/cli.h"
#include "model/model.h"
#include "runtime/exec.h"
#include "truth/truth.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

vb_result vb_cmd_truth(const struct vb_cli *c) {
  struct vb_model *m = NULL;
  struct vb_tokenizer *tok = NULL;
  int32_t *ids = NULL;
  uint32_t n = 0;
  char tmp[PATH_MAX];
  if (!c->output) return vb_fail(VB_BAD_INPUT, "-o OUT.h5 is missing");
  vb_result r = vb_model_open(c->model, true, &m);
  if (!r) r = vb_cli_tokens(c, m, &ids, &n, &tok);
  uint64_t dim[2] = {n, m ? m->config.vocab : 0}, count = n;
  double *logits = r ? NULL : malloc(dim[0] * dim[1] * sizeof *logits);
  if (!r && !logits) r = vb_fail(VB_DEVICE, "out of memory for %u x %u logits", n, m->config.vocab);
  if (!r) r = vb_truth_logits(m, ids, n, logits);
  if (!r) {
    hid_t file = vb_h5_create(c->output, tmp, sizeof tmp);
    r = file < 0 ? VB_BAD_INPUT : vb_h5_set_provenance(file);
    if (!r) r = vb_h5_write(file, "logits", VB_H5_F64, 2, dim, logits);
    if (!r) r = vb_h5_write(file, "tokens", VB_H5_I32, 1, &count, ids);
    if (file >= 0) r = vb_h5_publish(file, tmp, c->output, r);
  }
  if (!r && !c->quiet) printf("%s: /logits float64 [%u][%u]\n", c->output, n, m->config.vocab);
  free(logits), free(ids);
  vb_tokenizer_close(tok);
  vb_model_close(m);
  return r;
}

vb_result vb_cmd_import(const struct vb_cli *c) {
  struct vb_model *m;
  if (!c->output) return vb_fail(VB_BAD_INPUT, "-o OUT.h5 is missing");
  vb_result r = vb_model_open_tally(c->model, &m); // a checkpoint may be larger than memory
  if (r) return r;
  r = vb_model_save(m, c->output);
  if (!r) {
    vb_model_inspect(m, stdout);
    printf("written: %s\n", c->output);
  }
  vb_model_close(m);
  return r;
}

/// Cases and logits.
static vb_result inspect_h5(const char *path) {
  static const char *const names[] = {"operator", "path", "device", "inject", "created_by", "tables_sha256", "command"};
  char *text;
  hid_t file = vb_h5_open_sealed(path);
  if (file < 0) return VB_BAD_INPUT;
  bool is_logits = H5Lexists(file, "logits", H5P_DEFAULT) > 0;
  printf("%s: %s\n", path, is_logits ? "logits" : "operator case (run it with `verbatim replay`)");
  for (uint32_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (H5Aexists(file, names[i]) <= 0 || vb_h5_get_text(file, names[i], &text)) continue;
    if (text[0]) printf("  %-14s %s\n", names[i], text);
    free(text);
  }
  if (is_logits) {
    hid_t set = H5Dopen2(file, "logits", H5P_DEFAULT), space = H5Dget_space(set);
    hsize_t d[4] = {0};
    if (H5Sget_simple_extent_ndims(space) == 2 && H5Sget_simple_extent_dims(space, d, NULL) >= 0)
      printf("  /logits        [%llu][%llu]\n", (unsigned long long)d[0], (unsigned long long)d[1]);
    H5Sclose(space);
    H5Dclose(set);
  }
  H5Fclose(file);
  return VB_OK;
}

vb_result vb_cmd_inspect(const struct vb_cli *c) {
  struct vb_model *m;
  if (!vb_is_synthetic(c->model) && vb_h5_has_seal(c->model)) return inspect_h5(c->model);
  // Made-up weights have no import error to tell, and may be any size.
  vb_result r = vb_is_synthetic(c->model) ? vb_model_open(c->model, true, &m) : vb_model_open_tally(c->model, &m);
  if (r) return r;
  vb_model_inspect(m, stdout);
  vb_model_close(m);
  return VB_OK;
}

vb_result vb_cmd_devices(const struct vb_cli *c) {
  struct vb_device_list list;
  struct vb_cli all = *c;
  all.devices = VB_DEVICES_ALL;
  vb_result r = vb_cli_devices(&all, &list);
  if (r) return r;
  printf("%-14s %s\n", "ref", "normative reference, plain C, one thread");
  for (uint32_t i = 0; i < list.count; i++)
    printf("%-14s %s%s\n", list.device[i]->id, list.device[i]->description,
           list.device[i]->simulated ? " [simulated]" : "");
  const char *vendors = getenv("OCL_ICD_VENDORS");
  if (vendors) printf("\nOther OpenCL programs see the same devices with\n  OCL_ICD_VENDORS=%s clinfo\n", vendors);
  vb_devices_close(&list);
  return VB_OK;
}

vb_result vb_cmd_plan(const struct vb_cli *c) {
  struct vb_model *m = NULL;
  struct vb_graph g = {0};
  struct vb_device_list devices = {0};
  struct vb_exec *e = NULL;
  struct vb_plan plan = {0};
  if (!c->output && !c->plan) return vb_fail(VB_BAD_INPUT, "-o PLAN.json is missing (or --plan FILE to check one)");
  if (c->plans && strcmp(c->plans, "random:1"))
    return vb_fail(VB_BAD_INPUT, "--plans %s: one file holds one plan, so random:1", c->plans);
  vb_result r = vb_model_open(c->model, false, &m);
  if (!r) r = vb_graph_build(m, &c->graph, &g);
  if (!r) r = vb_cli_devices(c, &devices);
  if (!r) r = vb_exec_create(&g, &devices, &e);
  if (!r) {
    const struct vb_target *t = vb_exec_target(e);
    r = c->plan    ? vb_plan_load(&g, t, c->plan, &plan)
        : c->plans ? vb_plan_random(&g, t, c->seed, &plan)
                   : vb_plan_default(&g, t, &plan);
    if (!r && c->output) r = vb_plan_save(&g, t, &plan, c->output);
    for (uint32_t i = 0; !r && i < g.nodes; i++) {
      char text[200];
      vb_split_describe(&g.node[i], t, &plan.split[i], text, sizeof text);
      printf("%-24s %s\n", g.node[i].path, text);
    }
  }
  vb_plan_free(&plan);
  vb_exec_destroy(e);
  vb_devices_close(&devices);
  vb_graph_free(&g);
  vb_model_close(m);
  return r;
}
