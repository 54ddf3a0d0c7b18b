# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For suites in shell: source this, then call `check NAME COMMAND...`, `check_status N NAME COMMAND...` or
# `skip NAME REASON`, and end with `finish`. Options are those of the C suites (--junit, --filter, --seed, --campaign).
# Output of a check is shown only when it fails; the last check's output stays in $out.

BUILD=${BUILD:-build}
vb_passed=0 vb_failed=0 vb_skipped=0 vb_junit='' vb_filter='' vb_cases=''
export seed=1 campaign=''
vb_suite=$(basename "$0" .sh)
while [[ $# -gt 0 ]]; do
  case $1 in
  --junit) vb_junit=$2 && shift 2 ;;
  --filter) vb_filter=$2 && shift 2 ;;
  --seed) seed=$2 && shift 2 ;;
  --campaign) campaign=1 && shift ;;
  *) echo "$0: unknown option $1" >&2 && exit 2 ;;
  esac
done
vb_tmp=$(mktemp -d)
trap 'rm -rf "$vb_tmp"' EXIT
out=$vb_tmp/out

vb_xml() { sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g' -e 's/"/\&quot;/g' | tr -d '\000-\010\013-\037'; }

# A check passes when the command exits with the wanted status.
check_status() {
  local want=$1 name=$2 status=0 t0=$EPOCHREALTIME
  shift 2
  [[ -z $vb_filter || $vb_suite.$name == *"$vb_filter"* ]] || return 0
  # In the background, because `set -e` is off inside anything that `||` follows: a function's first failing line must
  # fail the check.
  (set -e && "$@") >"$out" 2>&1 &
  wait $! || status=$?
  local seconds
  seconds=$(awk -v a="$t0" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
  vb_cases+="<testcase classname=\"$vb_suite\" name=\"$(vb_xml <<<"$name")\" time=\"$seconds\">"
  if [[ $status == "$want" ]]; then
    vb_passed=$((vb_passed + 1))
    echo "  ok    $vb_suite.$name ($seconds s)"
  else
    vb_failed=$((vb_failed + 1))
    echo "  FAIL  $vb_suite.$name: exit status $status, expected $want: $*"
    sed 's/^/    | /' "$out"
    vb_cases+="<failure message=\"exit status $status, expected $want\">$(tail -n 40 "$out" | vb_xml)</failure>"
  fi
  vb_cases+=$'</testcase>\n'
}
check() { check_status 0 "$@"; }

skip() {
  [[ -z $vb_filter || $vb_suite.$1 == *"$vb_filter"* ]] || return 0
  vb_skipped=$((vb_skipped + 1))
  echo "SKIP $vb_suite.$1: $2"
  vb_cases+="<testcase classname=\"$vb_suite\" name=\"$1\"><skipped message=\"$(vb_xml <<<"$2")\"/></testcase>"$'\n'
}

finish() {
  local n=$((vb_passed + vb_failed + vb_skipped))
  if [[ -n $vb_junit ]]; then
    {
      printf '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n'
      printf '<testsuite name="%s" tests="%d" failures="%d" errors="0" skipped="%d">\n%s</testsuite>\n</testsuites>\n' \
        "$vb_suite" "$n" "$vb_failed" "$vb_skipped" "$vb_cases"
    } >"$vb_junit"
  fi
  echo "$vb_passed passed, $vb_failed failed, $vb_skipped skipped"
  [[ $n -gt 0 && $vb_failed == 0 ]]
  exit
}
