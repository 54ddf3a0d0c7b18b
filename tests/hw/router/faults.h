// SPDX-License-Identifier: Apache-2.0
/// @file faults.h
/// Tests of the router's suite that plant a fault, or cut a job short.
#ifndef VB_TESTS_HW_ROUTER_FAULTS_H
#define VB_TESTS_HW_ROUTER_FAULTS_H
void rfault_reset_anywhere(void);
void rfault_watchdog(void);
void rfault_silent_memory(void);
void rfault_illegal_descriptors(void);
void rfault_bus_errors(void);
void rfault_outside_buffers(void);
void rfault_flipped_bit_is_caught(void);
void rfault_bad_options(void);
void rfault_waveform(void);
#endif
