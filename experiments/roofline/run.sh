#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Usage: run.sh [FIGURE.svg]
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
mkdir -p "$build/experiments"
${CC:-gcc} -std=gnu11 -O2 -Wall -Wextra -Werror -Ihost -Isim -o "$build/experiments/roof" experiments/roofline/roof.c sim/cycle/port.c sim/dram/*.c
python3 experiments/roofline/roofline.py "$build/verbatim" "$build/experiments/roof" "$build/experiments/roofline.json" "$@"
cmp -s "$build/experiments/roofline.json" experiments/roofline/expected.json ||
  { echo "$build/experiments/roofline.json differs from experiments/roofline/expected.json" >&2 && exit 1; }
echo 'points equal those in expected.json'
