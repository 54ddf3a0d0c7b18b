#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run the operators in oclgrind, an OpenCL device that checks every access: bounds, races between work items, misuse of
# the API. Usage: oclgrind.sh TEST_BINARY [OPTION...]. Status 0: values right and nothing reported; 1: anything else;
# 77: no oclgrind.
#
# Not --uninitialized: in oclgrind 21.10 that check takes a buffer's start for uninitialised after a host write at an
# offset, loses track of lanes in halves of vectors, and crashes on optimised code. The suites fill every buffer with
# junk before each use instead (VERBATIM_OCL_POISON), which shows reads of uninitialised memory in the results.
set -u
test $# -ge 1 || { echo "usage: $0 TEST_BINARY [OPTION...]" >&2; exit 2; }
command -v oclgrind >/dev/null || { echo 'oclgrind is not installed' >&2; exit 77; }
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
# One seed, tiny shapes (VB_OCL_SMALL): an interpreter is a thousand times slower.
# Unoptimised, because oclgrind 21.10 lacks intrinsics that LLVM's optimiser makes (llvm.abs).
VB_OCL_SMALL=1 oclgrind --check-api --data-races --build-options -cl-opt-disable --log "$log" "$@"
status=$?
if test -s "$log"; then
  echo "oclgrind reports $(grep -c '' "$log") lines:" >&2
  head -60 "$log" >&2
  exit 1
fi
test $status -eq 0 || { echo "the test itself failed with status $status" >&2; exit 1; }
echo 'oclgrind: nothing to report'
