// SPDX-License-Identifier: Apache-2.0
//
// What Verilated code calls to print, stop or die (built with VL_USER_STOP, VL_USER_FINISH and
// VL_USER_FATAL): text is kept for the error report, the rest becomes an exception. A library must
// never end its process.
#include "print.h"
#include "unit.h"
#include <cstdarg>
#include <cstdio>
#include <stdexcept>
#include <verilated.h>

static thread_local std::string printed;

extern "C" int vb_sim_printf(const char *format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  const int n = std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (printed.size() < 4096) printed += text;
  return n;
}

namespace vb {
std::string take_printed() {
  std::string text;
  text.swap(printed);
  for (char &c : text)
    if (c == '\n') c = ' ';
  return text;
}
} // namespace vb

static std::string place(const char *file, int line, const char *hier) {
  return std::string(file) + ":" + std::to_string(line) + " " + hier;
}
void vl_finish(const char *file, int line, const char *hier) {
  throw std::runtime_error("$finish at " + place(file, line, hier));
}
void vl_stop(const char *file, int line, const char *hier) {
  throw std::runtime_error("stopped at " + place(file, line, hier));
}
void vl_fatal(const char *file, int line, const char *hier, const char *msg) {
  throw std::runtime_error(std::string("fatal: ") + msg + " at " + place(file, line, hier));
}
