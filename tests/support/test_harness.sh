#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The machinery that gives verdicts, with faults planted in every place where a red test could turn green.
set -euo pipefail
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/shell.sh"
planted=$BUILD/tests/support/planted

# --- the C harness: what a binary's exit status says ---------------------------------------------------------------
says() { # TEXT COMMAND...: the command's output holds TEXT, whatever its status
  local text=$1
  shift
  "$@" >"$vb_tmp/says" 2>&1 || true
  grep -qF -e "$text" "$vb_tmp/says" || { cat "$vb_tmp/says"; return 1; }
}
check_status 0 good "$planted" --filter planted.good
for t in bad_assert bad_check bad_bits asserts_nothing compares_nothing; do
  check_status 1 "$t" "$planted" --filter "planted.$t"
done
check_status 1 setup_fails "$planted" --filter unready
check_status 1 nothing_selected "$planted" --filter no_such_test
check_status 134 crash_is_not_hidden "$planted" --filter planted.crashes
check_status 2 unknown_option "$planted" --frobnicate
check_status 2 bad_seed "$planted" --seed 12x
check_status 1 junit_unwritable "$planted" --filter planted.good --junit /nonexistent/x.xml
check names_file_line says 'tests/support/planted/planted.c:' "$planted" --filter bad_assert
check names_index says 'first at [2]: expected 0x00000003, actual 0x00000083' "$planted" --filter bad_bits
check counts_values says 'values compared: planted_op 4' "$planted" --filter bad_bits
check prints_replay says '--filter planted.bad_bits --seed 7' "$planted" --filter bad_bits --seed 7
check counts_last says '0 passed, 0 failed, 1 skipped' "$planted" --filter planted.skips

same_seed() { cmp <("$planted" --filter draws --seed "$1" | grep -v ok) <("$planted" --filter draws --seed "$2" | grep -v ok); }
check same_seed_same_inputs same_seed 5 5
check_status 1 other_seed_other_inputs same_seed 5 6

fails_early() {
  false
  true
}
check_status 1 shell_check_stops_at_first_failure fails_early

junit_counts() {
  "$planted" --filter planted.bad --junit "$vb_tmp/j.xml" || true
  xmllint --noout "$vb_tmp/j.xml"
  [[ $(xmllint --xpath 'string(//testsuite/@failures)' "$vb_tmp/j.xml") == 3 ]]
  [[ $(xmllint --xpath 'count(//failure)' "$vb_tmp/j.xml") == 3 ]]
}
check junit junit_counts

# --- the runner: what a suite's behaviour says ---------------------------------------------------------------------
fake() { # NAME BODY: a suite in shell
  mkdir -p "$vb_tmp/tests/fake"
  printf '#!/bin/sh\n%s\n' "$2" >"$vb_tmp/tests/fake/test_$1.sh"
  chmod +x "$vb_tmp/tests/fake/test_$1.sh"
}
run() { # [OPTION...] -- NAME...
  local opts=() names=()
  while [[ $1 != -- ]]; do opts+=("$1") && shift; done
  shift
  for n; do names+=("$vb_tmp/tests/fake/test_$n.sh"); done
  EXPECTED_SKIPS=$vb_tmp/skips BUILD=$vb_tmp tests/support/run_suites.sh --results "$vb_tmp/results" "${opts[@]}" "${names[@]}"
}
printf '# why\nfake.known: no such chip*\n' >"$vb_tmp/skips"
fake ok 'echo "3 passed, 0 failed, 0 skipped"'
fake red 'echo "2 passed, 1 failed, 0 skipped"; exit 1'
fake red_hidden 'echo "2 passed, 1 failed, 0 skipped"'
fake status 'echo "2 passed, 0 failed, 0 skipped"; exit 5'
fake silent 'exit 0'
fake no_counts_last 'echo "2 passed, 0 failed, 0 skipped"; echo done'
fake none 'echo "0 passed, 0 failed, 0 skipped"'
fake crash 'echo "2 passed, 0 failed, 0 skipped"; kill -SEGV $$'
fake hang 'sleep 30; echo "1 passed, 0 failed, 0 skipped"'
fake skip_known 'echo "SKIP fake.known: no such chip here"; echo "1 passed, 0 failed, 1 skipped"'
fake skip_unknown 'echo "SKIP fake.other: tool missing"; echo "1 passed, 0 failed, 1 skipped"'
fake skip_nameless 'echo "1 passed, 0 failed, 1 skipped"'
check_status 0 runner_ok run -- ok
check_status 0 runner_expected_skip run -- skip_known
for n in red red_hidden status silent no_counts_last none crash skip_unknown skip_nameless; do
  check_status 1 "runner_$n" run -- ok "$n"
done
check_status 1 runner_hang run --timeout 1 -- hang
check_status 1 runner_no_suite run --
check_status 1 runner_filter_matches_nothing run --filter no_such_test -- ok
check_status 1 runner_missing_suite run -- absent

totals() { says '7 passed, 2 failed, 1 skipped' run -- ok red skip_known ok_none_such; }
fake ok_none_such 'echo "1 passed, 1 failed, 0 skipped"; exit 1'
check runner_totals totals
merged() {
  run -- ok red skip_known || true
  xmllint --noout "$vb_tmp/results/junit.xml"
  [[ $(xmllint --xpath 'count(//testsuite)' "$vb_tmp/results/junit.xml") == 3 ]]
  [[ $(xmllint --xpath 'string(/testsuites/@failures)' "$vb_tmp/results/junit.xml") == 1 ]]
}
check runner_junit merged
finish
