// SPDX-License-Identifier: Apache-2.0
//
// Line coverage of a model that is about to go: a file of its own in the folder that VERBATIM_COVERAGE names. Models
// that do not count (all but those of `make coverage`) write nothing.
#ifndef VB_SIM_COVERAGE_H
#define VB_SIM_COVERAGE_H
#include <verilated.h>
#ifdef VB_SIM_COVERED
#include <atomic>
#include <cstdlib>
#include <string>
#include <unistd.h>
#include <verilated_cov.h>
#endif

namespace vb {

inline void write_coverage(VerilatedContext &context) {
#ifdef VB_SIM_COVERED
  static std::atomic<unsigned> number{0};
  const char *folder = std::getenv("VERBATIM_COVERAGE");
  if (!folder) return;
  const std::string name = std::to_string(getpid()) + "." + std::to_string(number++) + ".dat";
  context.coveragep()->write((std::string(folder) + "/" + name).c_str());
#else
  (void)context;
#endif
}

} // namespace vb
#endif
