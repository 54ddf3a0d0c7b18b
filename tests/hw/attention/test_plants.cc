// SPDX-License-Identifier: Apache-2.0
//
// Checkers that cannot fail are decoration: every fault that plant.py put into the RTL must be caught, an assertion's
// by that very assertion, an arithmetic one by the comparison with the reference. One Verilated model holds them all.
#include "job.h"
#include <cstdio>
#include <cstring>

struct Plant {
  int number;
  const char *file, *label,
      *where; // where: FILE:LINE of the assertions that may catch it, "|" between; "" = comparison
};
#include "plants.h"

const struct vb_hw_config job_hw = VB_HW;

static int planted = -1;
extern "C" unsigned char vb_plant(int n) { return n == planted; }

static uint32_t below(struct vb_rng *r, uint32_t n) { return static_cast<uint32_t>(vb_rng_below(r, n)); }

// Job number n of a fixed programme; what caught a fault: "FILE:LINE" of an assertion, "comparison", or "".
static std::string run_one(Dut &dut, struct vb_rng *rng, unsigned n) {
  dut.timing = MemoryTiming();
  dut.timing.stall_w = n % 2 ? 60 : 0; // a full output FIFO, a full read FIFO
  dut.timing.latency = n % 3 ? 5 : 60;
  Job j =
      random_job(rng, n % 4, 24, n % 8 < 4 ? 30 : 150, static_cast<Spread>(n % kSpreads), n % 3 ? kAnyKind : kDense);
  if (n == 0) j = random_job(rng, VB_ATTN_FULL, 8, 0, kWide, kDense); // no key
  if (n >= 2 && n < 8) j.dk = 64, j.dv = 64, j.fill(rng, kNarrow);    // sizes that are not the largest
  j.refs(rng);
  j.place(rng, dut, below(rng, 2));
  std::vector<uint8_t> expected = dut.memory;
  uint32_t want = j.golden(expected);
  std::vector<uint64_t> args = j.args();
  if (n == 1) args[12] = (uint64_t{1} << 20) + 1, args[11] = 0, args[13] = args[12]; // one key too many
  bool done = dut.run(args, 100000);
  if (!dut.failure.empty()) {
    size_t slash = dut.failure.find_last_of('/'), end = dut.failure.size();
    if (slash == std::string::npos) slash = dut.failure.find_last_of(' ');
    return dut.failure.substr(slash + 1, end - slash - 1);
  }
  if (!done) return "hang";
  uint32_t error = dut.error();
  if (n == 1) return error == 0x10 ? "" : "comparison";
  return error != want || memcmp(expected.data(), dut.memory.data(), expected.size()) != 0 ? "comparison" : "";
}

static std::string programme(unsigned jobs) {
  struct vb_rng rng = {11};
  Dut dut(5);
  dut.reset(2);
  std::string caught;
  for (unsigned n = 0; n < jobs && caught.empty(); n++) caught = run_one(dut, &rng, n);
  return caught;
}

static void no_fault() {
  planted = -1;
  std::string caught = programme(120);
  VB_CHECK(caught.empty(), "without a fault: %s", caught.c_str());
}

static void every_fault() {
  unsigned kinds = 0;
  for (const Plant &p : plants) {
    planted = p.number;
    std::string caught = programme(400);
    bool right = *p.where ? false : caught == "comparison";
    for (const char *w = p.where; *w;) { // caught is one of the "|"-separated names
      size_t n = strcspn(w, "|");
      right |= caught == std::string(w, n);
      w += n + (w[n] == '|');
    }
    VB_CHECK(right, "fault %d in %s: expected %s (%s), caught by '%s'", p.number, p.file, p.label, p.where,
             caught.c_str());
    kinds++;
  }
  planted = -1;
  VB_CHECK(kinds >= 70, "only %u faults", kinds);
  printf("  %u planted faults\n", kinds);
}

int main(int argc, char **argv) {
  static const struct vb_test tests[] = {{"no-fault", no_fault}, {"every-fault", every_fault}, {nullptr, nullptr}};
  const struct vb_suite suites[] = {{"vb_attention-plants", tests, nullptr, nullptr}, {}};
  return vb_test_main(argc, argv, suites);
}
