// SPDX-License-Identifier: Apache-2.0
// Included before everything in Verilated code (-include): its messages go to the harness, which puts
// them into the job's error text, and not to the standard output of the application.
#ifndef VB_SIM_PRINT_H
#define VB_SIM_PRINT_H
#ifdef __cplusplus
extern "C" {
#endif
int vb_sim_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
#ifdef __cplusplus
}
#endif
#define VL_PRINTF vb_sim_printf
#endif
