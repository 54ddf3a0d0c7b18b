// SPDX-License-Identifier: Apache-2.0
/// @file report.h
/// A verification report as a table, JSON, JUnit XML and a Chrome / Perfetto timeline.
#ifndef VERBATIM_STUDY_REPORT_H
#define VERBATIM_STUDY_REPORT_H
#include "verify/verify.h"

/// What the formats share: the report, the configuration it came from, and the text that the model wrote (or NULL).
struct vb_report_view {
  const struct vb_report *report;
  const struct vb_verify_config *config;
  const char *model_path, *text;
  vb_result result;
};

/// Tables per layer, failures, verdict.
void vb_report_print(const struct vb_report_view *v, FILE *out);
/// `planned, passed, failed, skipped, values_compared, seed, devices, failures[...]`, operators, simulator.
vb_result vb_report_json(const struct vb_report_view *v, const char *path);
/// One test case per operator.
vb_result vb_report_junit(const struct vb_report_view *v, const char *path);
/// Every device call as a trace event; open it in Perfetto or chrome://tracing.
vb_result vb_report_timeline(const struct vb_report_view *v, const char *path);
/// Simulated cycles and the host time spent on them, over all simulated devices.
void vb_report_simulated(const struct vb_report_view *v, uint64_t *cycles, uint64_t *wall_ns);
#endif
