#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
plans=${1:-200}
mkdir -p "$build/experiments"
out=$build/experiments/partition_invariance.json
"$build/verbatim" verify models/tiny/moe --plans "random:$plans" --seed 1 --devices cpu,pocl,sim-base --json "$out" | tail -n 8
[[ $plans == 200 ]] || exit 0
for key in planned passed failed skipped values_compared plans; do
  want=$(sed -n "s/^ *\"$key\": *\([0-9]*\).*/\1/p" experiments/partition_invariance/expected.json)
  have=$(sed -n "s/^ *\"$key\": *\([0-9]*\).*/\1/p" "$out")
  [[ $want == "$have" ]] || { echo "$key: $have, expected $want" >&2 && exit 1; }
done
echo 'counts equal those in expected.json'
