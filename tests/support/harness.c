// SPDX-License-Identifier: Apache-2.0
#include "support/harness.h"
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool vb_test_campaign = false;
uint64_t vb_test_seed = 1;

enum outcome { PASSED, FAILED, SKIPPED };

struct record {
  const char *suite, *test;
  enum outcome outcome;
  double seconds;
  char message[600]; // reason of a skip, or the failures
};

/// State of the run. Tests may use threads, but report from the thread that runs the test.
static struct {
  const char *program, *junit, *filter, *running_suite, *running_test;
  struct record *records;
  size_t count;
  bool skip;
  char reason[600];
  struct {
    char op[48];
    uint64_t values;
  } ops[64];
  size_t op_count;
} run;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void vb_test_skip(const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  vsnprintf(run.reason, sizeof run.reason, format, ap);
  va_end(ap);
  run.skip = true;
}

bool vb_test_check(bool ok, const char *file, int line, const char *format, ...) {
  char message[512];
  va_list ap;
  va_start(ap, format);
  vsnprintf(message, sizeof message, format, ap);
  va_end(ap);
  CU_assertImplementation(ok, (unsigned)line, message, file, "", CU_FALSE);
  return ok;
}

void vb_test_compared(const char *op, uint64_t n) {
  size_t i = 0;
  while (i < run.op_count && strcmp(run.ops[i].op, op)) i++;
  if (i == sizeof run.ops / sizeof *run.ops) {
    fprintf(stderr, "harness: too many operator names\n");
    abort();
  }
  if (i == run.op_count) snprintf(run.ops[run.op_count++].op, sizeof run.ops[i].op, "%s", op);
  run.ops[i].values += n;
}

uint64_t vb_test_values(const char *op) {
  uint64_t sum = 0;
  for (size_t i = 0; i < run.op_count; i++)
    if (!op || !strcmp(run.ops[i].op, op)) sum += run.ops[i].values;
  return sum;
}

static uint64_t element(const void *a, uint64_t i, size_t bytes) {
  uint64_t v = 0; // little-endian hosts only, as the layouts are
  memcpy(&v, (const char *)a + i * bytes, bytes);
  return v;
}

bool vb_test_bits(const char *op, const void *expected, const void *actual, uint64_t n, size_t bytes, const char *file,
                  int line) {
  vb_test_compared(op, n);
  if (!n) return vb_test_check(false, file, line, "%s: nothing to compare", op);
  if (!memcmp(expected, actual, n * bytes)) return vb_test_check(true, file, line, "%s", op);
  uint64_t bad = 0, first = 0;
  for (uint64_t i = n; i-- > 0;)
    if (element(expected, i, bytes) != element(actual, i, bytes)) bad++, first = i;
  return vb_test_check(false, file, line,
                       "%s: %" PRIu64 " of %" PRIu64 " differ, first at [%" PRIu64 "]: expected 0x%0*" PRIx64
                       ", actual 0x%0*" PRIx64,
                       op, bad, n, first, (int)bytes * 2, element(expected, first, bytes), (int)bytes * 2,
                       element(actual, first, bytes));
}

void vb_test_find_driver(void) {
  char path[PATH_MAX + 32];
  ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
  if (getenv("OCL_ICD_VENDORS") || n <= 0) return;
  path[n] = '\0';
  char *tests = NULL; // BUILD/tests/.../test_x
  for (char *s = path; (s = strstr(s, "/tests/")); s++) tests = s;
  if (!tests) return;
  strcpy(tests, "/vendors");
  if (access(path, R_OK) == 0) setenv("OCL_ICD_VENDORS", path, 1);
}

struct vb_rng vb_test_rng(void) {
  struct vb_rng r = {vb_test_seed};
  uint64_t h = 0xcbf29ce484222325u;
  for (const char *s = run.running_suite; s && *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3u;
  for (const char *s = run.running_test; s && *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3u;
  r.state = vb_rng_next(&r) ^ h;
  return r;
}

static void print_failures(const CU_pFailureRecord first, char *message, size_t size) {
  size_t at = 0;
  unsigned shown = 0;
  for (CU_pFailureRecord f = first; f; f = f->pNext) {
    if (shown++ == 5) {
      printf("    ...\n");
      break;
    }
    const char *file = f->strFileName ? f->strFileName : "?", *what = f->strCondition ? f->strCondition : "";
    printf("    %s:%u: %s\n", file, f->uiLineNumber, what);
    if (at < size) {
      int n = snprintf(message + at, size - at, "%s:%u: %s\n", file, f->uiLineNumber, what);
      at += n > 0 ? (size_t)n : 0;
    }
  }
}

static void run_one(CU_pSuite suite, CU_pTest test, const struct vb_suite *s, const struct vb_test *t) {
  struct record *r = &run.records[run.count++];
  *r = (struct record){.suite = s->name, .test = t->name};
  run.running_suite = s->name;
  run.running_test = t->name;
  run.skip = false;
  uint64_t values = vb_test_values(NULL);
  double start = now();
  CU_ErrorCode error = CU_run_test(suite, test);
  r->seconds = now() - start;
  // CUnit clears its counts at the start of every CU_run_test, so these are this test's own.
  unsigned asserts = CU_get_number_of_asserts(), failures = CU_get_number_of_failures();
  if (error != CUE_SUCCESS || failures || CU_get_number_of_suites_failed()) r->outcome = FAILED;
  else if (run.skip) r->outcome = SKIPPED;
  else if (!asserts && vb_test_values(NULL) == values) r->outcome = FAILED;
  switch (r->outcome) {
  case PASSED: printf("  ok    %s.%s (%.2f s)\n", s->name, t->name, r->seconds); break;
  case SKIPPED:
    snprintf(r->message, sizeof r->message, "%s", run.reason);
    printf("SKIP %s.%s: %s\n", s->name, t->name, run.reason);
    break;
  case FAILED:
    printf("  FAIL  %s.%s (%.2f s)\n", s->name, t->name, r->seconds);
    if (failures && CU_get_failure_list()) {
      print_failures(CU_get_failure_list(), r->message, sizeof r->message);
    } else {
      snprintf(r->message, sizeof r->message, "%s",
               error != CUE_SUCCESS || CU_get_number_of_suites_failed() ? "the suite's setup or teardown failed"
                                                                        : "asserted nothing");
      printf("    %s\n", r->message);
    }
    printf("    replay: %s --filter %s.%s --seed %" PRIu64 "%s\n", run.program, s->name, t->name, vb_test_seed,
           vb_test_campaign ? " --campaign" : "");
  }
  fflush(stdout);
}

static void xml_text(FILE *f, const char *s) {
  for (; *s; s++) {
    unsigned char c = (unsigned char)*s;
    if (c == '&') fputs("&amp;", f);
    else if (c == '<') fputs("&lt;", f);
    else if (c == '>') fputs("&gt;", f);
    else if (c == '"') fputs("&quot;", f);
    else if (c == '\n') fputs("&#10;", f);
    else if (c < 32 && c != '\t') fputc('?', f);
    else fputc(c, f);
  }
}

/// One <testsuite> a file, between lines that a merge can drop.
static bool write_junit(const char *path, const unsigned totals[3]) {
  const char *base = strrchr(run.program, '/');
  FILE *f = fopen(path, "w");
  if (!f) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return false;
  }
  double seconds = 0;
  for (size_t i = 0; i < run.count; i++) seconds += run.records[i].seconds;
  fprintf(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"");
  xml_text(f, base ? base + 1 : run.program);
  fprintf(f, "\" tests=\"%zu\" failures=\"%u\" errors=\"0\" skipped=\"%u\" time=\"%.3f\">\n<properties>\n", run.count,
          totals[FAILED], totals[SKIPPED], seconds);
  fprintf(f, "<property name=\"seed\" value=\"%" PRIu64 "\"/>\n", vb_test_seed);
  for (size_t i = 0; i < run.op_count; i++) {
    fprintf(f, "<property name=\"values_compared.");
    xml_text(f, run.ops[i].op);
    fprintf(f, "\" value=\"%" PRIu64 "\"/>\n", run.ops[i].values);
  }
  fprintf(f, "</properties>\n");
  for (size_t i = 0; i < run.count; i++) {
    const struct record *r = &run.records[i];
    fprintf(f, "<testcase classname=\"");
    xml_text(f, r->suite);
    fprintf(f, "\" name=\"");
    xml_text(f, r->test);
    fprintf(f, "\" time=\"%.3f\"", r->seconds);
    if (r->outcome == PASSED) {
      fprintf(f, "/>\n");
      continue;
    }
    fprintf(f, "><%s message=\"", r->outcome == FAILED ? "failure" : "skipped");
    xml_text(f, r->message);
    fprintf(f, "\"/></testcase>\n");
  }
  fprintf(f, "</testsuite>\n</testsuites>\n");
  bool ok = !ferror(f);
  return !fclose(f) && ok;
}

static bool selected(const struct vb_suite *s, const struct vb_test *t) {
  char name[256];
  snprintf(name, sizeof name, "%s.%s", s->name, t->name);
  return !run.filter || strstr(name, run.filter);
}

static int usage(FILE *f, int status) {
  fprintf(f, "usage: %s [--junit FILE] [--campaign] [--filter SUBSTR] [--seed N] [--list]\n", run.program);
  return status;
}

// Idle OpenMP threads spin for milliseconds by default, which on busy cores made suites 15 times slower. The
// runtime reads its policy once, while it is loaded: start the program again with the other one, unless the caller
// chose.
__attribute__((constructor)) static void wait_without_spinning(int argc, char **argv) {
  if (argc < 1 || getenv("OMP_WAIT_POLICY")) return;
  if (setenv("OMP_WAIT_POLICY", "passive", 1) == 0) execv("/proc/self/exe", argv); // if that fails: just slower
}

int vb_test_main(int argc, char **argv, const struct vb_suite *suites) {
  bool list = false;
  run.program = argv[0];
  for (int i = 1; i < argc; i++) {
    const char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
    char *end = NULL;
    if (!strcmp(a, "--help")) return usage(stdout, 0);
    else if (!strcmp(a, "--campaign")) vb_test_campaign = true;
    else if (!strcmp(a, "--list")) list = true;
    else if (!strcmp(a, "--junit") && value) run.junit = value, i++;
    else if (!strcmp(a, "--filter") && value) run.filter = value, i++;
    else if (!strcmp(a, "--seed") && value) {
      errno = 0;
      vb_test_seed = strtoull(value, &end, 0);
      i++;
      if (errno || end == value || *end) {
        fprintf(stderr, "%s: --seed: '%s' is no number\n", run.program, value);
        return 2;
      }
    } else {
      fprintf(stderr, "%s: unknown or incomplete option '%s'\n", run.program, a);
      return usage(stderr, 2);
    }
  }

  size_t total = 0;
  for (const struct vb_suite *s = suites; s->name; s++)
    for (const struct vb_test *t = s->tests; t->name; t++) {
      total++;
      if (list) printf("%s.%s\n", s->name, t->name);
    }
  if (list) return 0;
  run.records = calloc(total + 1, sizeof *run.records);
  if (!run.records || CU_initialize_registry() != CUE_SUCCESS) {
    fprintf(stderr, "harness: out of memory\n");
    return 1;
  }
  for (const struct vb_suite *s = suites; s->name; s++) {
    // CUnit runs a suite's setup and teardown around each single test: every test starts from the same state.
    CU_pSuite suite = CU_add_suite(s->name, s->setup, s->teardown);
    for (const struct vb_test *t = s->tests; t->name; t++) {
      CU_pTest test = suite ? CU_add_test(suite, t->name, t->run) : NULL;
      if (!test) {
        fprintf(stderr, "harness: cannot add %s.%s: %s\n", s->name, t->name, CU_get_error_msg());
        return 1;
      }
      if (selected(s, t)) run_one(suite, test, s, t);
    }
  }
  CU_cleanup_registry();

  unsigned totals[3] = {0, 0, 0};
  for (size_t i = 0; i < run.count; i++) totals[run.records[i].outcome]++;
  if (run.op_count) {
    printf("values compared:");
    for (size_t i = 0; i < run.op_count; i++) printf(" %s %" PRIu64, run.ops[i].op, run.ops[i].values);
    printf("\n");
  }
  bool written = !run.junit || write_junit(run.junit, totals);
  free(run.records);
  if (!run.count) fprintf(stderr, "%s: no test was selected\n", run.program);
  printf("%u passed, %u failed, %u skipped\n", totals[PASSED], totals[FAILED], totals[SKIPPED]);
  return totals[FAILED] || !run.count || !written;
}
