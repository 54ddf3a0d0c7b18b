#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Comparing the CPU's operators with the reference says nothing where they call it: host/cpu must not mention it.
set -euo pipefail
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/../support/shell.sh"

# grep finds nothing (status 1) in files that exist.
check files_exist test -s host/cpu/attention.c
check_status 1 cpu_calls_no_reference grep -nE 'vb_ref_|ref/ref\.h' host/cpu -r
# Every operator that the runtime runs on the CPU is the CPU's own.
run_cpu() { sed -n '/^static vb_result run_cpu(/,/^}/p' host/runtime/device.c; }
check run_cpu_found test "$(run_cpu | grep -c 'vb_cpu_')" -ge 16
check_status 1 run_cpu_calls_no_reference grep -n vb_ref_ <(run_cpu)
# And the searches do find what they look for.
mkdir "$vb_tmp/planted" && echo 'vb_ref_add(op);' >"$vb_tmp/planted/add.c"
check planted_call_is_found grep -rnE 'vb_ref_|ref/ref\.h' "$vb_tmp/planted"
finish
