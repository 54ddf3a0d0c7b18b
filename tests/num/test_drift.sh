#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make check-tables` must notice one changed digit in any of the three committed copies of the tables.
set -euo pipefail
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/../support/shell.sh"

tree=$vb_tmp/tree
mkdir -p "$tree"/host/num "$tree"/kernels_cl "$tree"/hw/common
files=(host/num/tables.c kernels_cl/tables.cl hw/common/vb_tables_pkg.sv)
fresh() { printf '%s\0' "${files[@]}" | xargs -0 -I{} cp {} "$tree/{}"; }

fresh
check clean python3 host/num/gen_tables.py --check "$tree"
for f in "${files[@]}"; do
  fresh
  # One digit of the coefficient 16065909, EXP2_24's second segment.
  sed -i 's/16065909/16065908/' "$tree/$f"
  check_status 1 "changed_$(basename "$f")" python3 host/num/gen_tables.py --check "$tree"
  check "change_was_made_$(basename "$f")" bash -c '! cmp -s "$1" "$2"' - "$f" "$tree/$f"
  rm "$tree/$f"
  check_status 1 "missing_$(basename "$f")" python3 host/num/gen_tables.py --check "$tree"
done
fresh
check regenerates python3 host/num/gen_tables.py "$tree"
for f in "${files[@]}"; do check "same_$(basename "$f")" cmp "$f" "$tree/$f"; done
finish
