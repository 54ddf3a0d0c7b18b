#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Puts the example unit into a copy of the tree, as docs/bring-your-own-unit.md says, and tests it there: RTL against
# reference and cycle model. Usage: examples/relu/run.sh [TREE]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
tree=${1:-${BUILD:-$top/build}/examples/relu}
mkdir -p "$tree/docs"
for d in Makefile hw sim host kernels_cl make tests; do cp -R "$top/$d" "$tree/"; done

cd "$tree"
mkdir -p hw/relu
cp "$here/relu.json" hw/regs/
cp "$here"/vb_relu*.sv hw/relu/
cp "$here/golden_relu.c" sim/golden/relu.c
cp "$here/cycle_relu.c" sim/cycle/relu.c
cp "$here/gen_relu.c" tests/hw/cycle/
python3 hw/regs/gen_regs.py
# The other units and configurations are not needed for this one's test.
make --no-print-directory BUILD=build SIM_UNITS=relu CYCLE_CONFIGS=base build/tests/hw/test_cycle
exec build/tests/hw/test_cycle --filter cycle_base.relu
