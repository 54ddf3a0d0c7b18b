// SPDX-License-Identifier: Apache-2.0
//
// Extension of the "Verbatim Simulator" OpenCL platform: counters of a finished kernel run.
// Find the function at run time; on any other platform the look-up gives NULL:
//
//   clGetEventVerbatimStatsVB_fn stats = (clGetEventVerbatimStatsVB_fn)
//       clGetExtensionFunctionAddressForPlatform(platform, "clGetEventVerbatimStatsVB");
#ifndef CL_VERBATIM_H
#define CL_VERBATIM_H

#include <CL/cl.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CL_VERBATIM_EXTENSION_NAME "cl_verbatim_stats"
#define CL_VERBATIM_STALL_CLASSES 8
#define CL_VERBATIM_TEXT_BYTES 256

// Device queries for clGetDeviceInfo, only on this platform.
#define CL_DEVICE_VERBATIM_CONFIGURATION_VB \
  0x5642 // char[]: the hardware configuration in one line, overrides from the environment included
#define CL_DEVICE_VERBATIM_TABLE_HASH_VB 0x5643   // cl_ulong: hash of the numeric tables
#define CL_DEVICE_VERBATIM_CLOCK_PERIOD_VB 0x5644 // cl_uint: clock period in picoseconds
#define CL_DEVICE_VERBATIM_STALL_NAMES_VB 0x5645  // char[]: names of the stall classes, ';' between

typedef struct cl_verbatim_stats_VB {
  cl_ulong cycles;
  cl_ulong busy;
  cl_ulong stalls[CL_VERBATIM_STALL_CLASSES];
  cl_ulong bytes_read;
  cl_ulong bytes_written;
  cl_ulong wall_ns;                  // host time that the simulation took
  cl_uint error_code;                // the unit's error register
  cl_uint status;                    // enum vb_sim_status: 0 is success
  char text[CL_VERBATIM_TEXT_BYTES]; // what went wrong; "" when nothing did
} cl_verbatim_stats_VB;

// `stats_size` is sizeof(cl_verbatim_stats_VB) as the caller compiled it. CL_INVALID_EVENT: not an
// event of a kernel run on this platform. CL_PROFILING_INFO_NOT_AVAILABLE: the run has not ended,
// or never started because an event it depends on failed. CL_INVALID_VALUE: NULL or wrong size.
typedef cl_int(CL_API_CALL *clGetEventVerbatimStatsVB_fn)(cl_event event, size_t stats_size,
                                                          cl_verbatim_stats_VB *stats);

#ifdef __cplusplus
}
#endif

#endif // CL_VERBATIM_H
