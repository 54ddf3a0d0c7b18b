#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run suites one after the other and give ONE verdict: the exit status.
#
#   run_suites.sh --results DIR [--seed N] [--filter SUBSTR] [--timeout S] [--campaign] SUITE...
#
# A suite is an executable whose last line of output is `N passed, N failed, N skipped`. It fails when it exits
# non-zero, when that line is missing, when it reports no test at all, when it runs out of time, or when it skips a
# test that tests/expected_skips.txt does not list (each skip is a line `SKIP NAME: REASON`).
# Per suite: DIR/logs/NAME.log and DIR/suites/NAME.xml (JUnit). All together: DIR/junit.xml.
set -euo pipefail
export LC_ALL=C

results='' seed=1 filter='' limit=900 campaign=() suites=()
expected=${EXPECTED_SKIPS:-tests/expected_skips.txt}
while [[ $# -gt 0 ]]; do
  case $1 in
  --results) results=$2 && shift 2 ;;
  --seed) seed=$2 && shift 2 ;;
  --filter) filter=$2 && shift 2 ;;
  --timeout) limit=$2 && shift 2 ;;
  --campaign) campaign=(--campaign) && shift ;;
  -*) echo "run_suites.sh: unknown option $1" >&2 && exit 2 ;;
  *) suites+=("$1") && shift ;;
  esac
done
[[ -n $results ]] || { echo 'run_suites.sh: --results is missing' >&2 && exit 2; }

rm -rf "$results/logs" "$results/suites" "$results/junit.xml"
mkdir -p "$results/logs" "$results/suites"
build=${BUILD:-build}
export BUILD=$build

xml() { sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g' -e 's/"/\&quot;/g' | tr -d '\000-\010\013-\037'; }

# build/tests/num/test_num and tests/cli/test_cli.sh become num.test_num and cli.test_cli.
suite_name() {
  local n=${1#"$build"/}
  n=${n#tests/}
  n=${n%.sh}
  echo "${n//\//.}"
}

# Empty when the filter leaves the suite out; else its arguments ("whole" for all tests).
chosen() {
  local list
  if [[ -z $filter || $(suite_name "$1") == *"$filter"* ]]; then
    echo whole
  elif [[ $1 != *.sh ]]; then
    if ! list=$("$1" --list 2>/dev/null); then
      echo whole # it cannot even list its tests: run it, so that its failure is seen
    elif grep -qF -e "$filter" <<<"$list"; then
      echo filtered
    fi
  fi
}

# Names of skips in a log that no line of the expected list matches ("NAME: REASON", shell patterns).
unexpected_skips() {
  local line pattern ok
  grep -a '^SKIP ' "$1" | sed 's/^SKIP //' | while IFS= read -r line; do
    ok=
    while IFS= read -r pattern; do
      [[ -z $pattern || $pattern == '#'* ]] && continue
      # shellcheck disable=SC2053
      [[ $line == $pattern ]] && ok=1 && break
    done <"$expected"
    [[ -n $ok ]] || echo "$line"
  done || true
}

synthesise() { # name seconds passed failed skipped log > xml; for suites that wrote no JUnit of their own
  local n=$(($3 + $4 + $5))
  printf '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n'
  printf '<testsuite name="%s" tests="%d" failures="%d" errors="0" skipped="%d" time="%s">\n' "$1" "$n" "$4" "$5" "$2"
  local i
  for ((i = 1; i <= $3; i++)); do printf '<testcase classname="%s" name="passed %d"/>\n' "$1" "$i"; done
  for ((i = 1; i <= $5; i++)); do printf '<testcase classname="%s" name="skipped %d"><skipped/></testcase>\n' "$1" "$i"; done
  for ((i = 1; i <= $4; i++)); do
    printf '<testcase classname="%s" name="failed %d"><failure message="see system-out"/></testcase>\n' "$1" "$i"
  done
  printf '<system-out>'
  tail -n 60 "$6" | xml
  printf '</system-out>\n</testsuite>\n</testsuites>\n'
}

passed=0 failed=0 skipped=0 ran=0 index=0 bad=() started=$EPOCHREALTIME
for suite in "${suites[@]}"; do
  index=$((index + 1))
  how=$(chosen "$suite")
  [[ -n $how ]] || continue
  ran=$((ran + 1))
  name=$(suite_name "$suite")
  log=$results/logs/$name.log junit=$results/suites/$name.xml
  args=(--seed "$seed" --junit "$junit" "${campaign[@]}")
  [[ $how == whole ]] || args+=(--filter "$filter")
  printf '[%2d/%d] %-36s ' "$index" "${#suites[@]}" "$name"
  t0=$EPOCHREALTIME status=0
  timeout --kill-after=10 "$limit" "$suite" "${args[@]}" >"$log" 2>&1 </dev/null || status=$?
  seconds=$(awk -v a="$t0" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')

  p=0 f=0 s=0 why=
  last=$(grep -a . "$log" | tail -n 1 || true)
  if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
    p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]} s=${BASH_REMATCH[3]}
    [[ $((p + f + s)) -gt 0 ]] || why='ran no test'
  else
    why='its last line is not "N passed, N failed, N skipped"'
  fi
  if [[ $status == 124 || $status == 137 ]]; then
    why="out of time ($limit s)"
  elif [[ $status != 0 && -z $why && $f == 0 ]]; then
    why="exit status $status although no test failed"
  fi
  if [[ -z $why && $s != $(grep -ac '^SKIP ' "$log" || true) ]]; then why="skipped $s but named $(grep -ac '^SKIP ' "$log" || true)"; fi
  surprise=$(unexpected_skips "$log")
  if [[ -n $surprise ]]; then why="${why:+$why; }unexpected skip: ${surprise//$'\n'/; }"; fi
  [[ -z $why || $f != 0 ]] || f=1
  if [[ ! -s $junit ]] || ! grep -q '</testsuite>' "$junit" || [[ -n $why ]]; then
    synthesise "$name" "$seconds" "$p" "$f" "$s" "$log" >"$junit"
  fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  printf '%5d passed %3d failed %3d skipped  %7.1f s\n' "$p" "$f" "$s" "$seconds"
  grep -a '^SKIP ' "$log" | sed 's/^/        /' || true
  if [[ $f != 0 || $status != 0 ]]; then
    bad+=("$name${why:+: $why}")
    [[ -z $why ]] || printf '        %s\n' "$why"
    grep -aE -A 8 '^ *(FAIL|not ok)' "$log" | head -n 60 | sed 's/^/        /' || true
    printf '        last lines of %s:\n' "$log"
    tail -n 12 "$log" | sed 's/^/        | /'
  fi
done

{
  printf '<?xml version="1.0" encoding="UTF-8"?>\n'
  printf '<testsuites name="verbatim" tests="%d" failures="%d" errors="0" skipped="%d">\n' \
    $((passed + failed + skipped)) "$failed" "$skipped"
  for x in "$results"/suites/*.xml; do
    [[ -e $x ]] || continue
    sed -E -e 's/<\?xml[^>]*\?>//' -e 's/<\/?testsuites[^>]*>//g' -e '/^[[:space:]]*$/d' "$x"
  done
  printf '</testsuites>\n'
} >"$results/junit.xml"

if [[ $ran == 0 ]]; then
  echo "no suite ran${filter:+, nothing matches $filter}" >&2
  failed=$((failed + 1))
fi
for b in "${bad[@]}"; do printf 'FAILED  %s\n' "$b"; done
printf 'JUnit: %s/junit.xml, logs: %s/logs, %.0f s\n' "$results" "$results" \
  "$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[[ $failed == 0 && ${#bad[@]} == 0 ]]
