#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The unit of docs/bring-your-own-unit.md: it builds and passes its test as the document says, it is as short as the
# document says, and its test sees a wrong reference and a cycle too many.
set -euo pipefail
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/../support/shell.sh"

tree=$BUILD/examples/relu
works() {
  rm -rf "$tree"
  examples/relu/run.sh "$tree"
}
short() { [[ $(cat examples/relu/*.{json,sv,c} | wc -l) -lt 200 ]]; }
fails_with() { # FILE SED-SCRIPT
  cp "$tree/$1" "$vb_tmp/good"
  sed -i "$2" "$tree/$1"
  if cmp -s "$tree/$1" "$vb_tmp/good"; then echo "nothing was changed" && return 1; fi
  local status=0
  make --no-print-directory -C "$tree" BUILD=build SIM_UNITS=relu CYCLE_CONFIGS=base build/tests/hw/test_cycle || return 1
  (cd "$tree" && build/tests/hw/test_cycle --filter cycle_base.relu) || status=$?
  cp "$vb_tmp/good" "$tree/$1"
  [[ $status == 1 ]]
}

check "the example passes its test" works
check "it has less than 200 lines" short
check "a wrong reference is seen" fails_with sim/golden/relu.c 's/x\[i\] >> 31 ? 0/0 ? 0/'
check "a cycle too many is seen" fails_with sim/cycle/relu.c 's/done + 1 - VB_CYCLE_START/done + 2 - VB_CYCLE_START/'
finish
