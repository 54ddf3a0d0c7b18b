#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make check-regs`: the committed files are what the generator makes, one changed digit in any of them is named, and a
# contradictory source is refused with its reason.
set -euo pipefail
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

gen=hw/regs/gen_regs.py
tree=$vb_tmp/tree
files=(docs/registers.md hw/regs/vb_regs.h hw/common/vb_regs_*.svh hw/common/README.md hw/router/README.md hw/indexer/README.md hw/top/README.md)
fresh() {
  rm -rf "$tree"
  mkdir -p "$tree/docs" "$tree/hw"
  cp docs/registers.md "$tree/docs"
  local d
  for d in hw/regs hw/common hw/router hw/attention hw/indexer hw/top; do cp -r "$d" "$tree/hw"; done
}
refused() { # FILE SED-SCRIPT TEXT: the changed source is refused, and the message says why
  fresh
  sed -i "$2" "$tree/hw/regs/$1"
  if cmp -s "$tree/hw/regs/$1" "hw/regs/$1"; then echo "nothing was changed" && return 1; fi
  if python3 $gen --root "$tree" --check; then echo "accepted" && return 1; fi 2>"$vb_tmp/err"
  cat "$vb_tmp/err"
  grep -qF "$3" "$vb_tmp/err" && grep -qF "$1" "$vb_tmp/err"
}
drift_is_named() {
  if python3 $gen --root "$tree" --check 2>"$vb_tmp/err"; then return 1; fi
  grep -qF "$1 is out of date" "$vb_tmp/err" && [[ $(wc -l <"$vb_tmp/err") == 1 ]]
}

check committed python3 $gen --check
for f in "${files[@]}"; do
  fresh
  # A digit of a slot, an offset or a code, whichever the file has.
  sed -i '0,/| 0x1/s//| 0x9/; 0,/= 0x1/s//= 0x9/; 0,/= 10;/s//= 90;/' "$tree/$f"
  check "drift_$(basename "$(dirname "$f")")_$(basename "$f")" drift_is_named "$f"
done
fresh
rm "$tree/hw/regs/vb_regs.h"
check missing_file drift_is_named hw/regs/vb_regs.h
check regenerates python3 $gen --root "$tree"
check same_again cmp hw/regs/vb_regs.h "$tree/hw/regs/vb_regs.h"

check two_slots refused router.json 's/"slot": 7,/"slot": 8,/' "its place in the list is 7"
check two_names refused router.json 's/"name": "gates"/"name": "ids"/' "argument ids appears twice"
check unknown_kind refused router.json 's/"buffer_w"/"buffer"/' "kind 'buffer'"
check unknown_key refused router.json 's/"max": 512/"maximum": 512/' "maximum"
check no_meaning refused router.json '0,/"meaning": "[^"]*"/s//"meaning": ""/' "no meaning"
check code_of_another_range refused attention.json 's/0x31/0x21/' "not in 0x30..0x3f"
check code_twice refused attention.json 's/0x31/0x30/' "appears twice"
check overlapping_status refused common.json 's/"word": 8,/"word": 7,/' "status word 7 appears twice"
finish
