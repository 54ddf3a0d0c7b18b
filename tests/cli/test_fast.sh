#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Devices without hardware, sim-NAME-fast: one plan gives the bits and the cycles of the RTL device.
set -euo pipefail
source tests/support/shell.sh
verbatim=$BUILD/verbatim
model=models/tiny/moe
export TMPDIR=$vb_tmp

# A plan that puts every operator that the fast device has on DEVICE, and the rest on the CPU.
plan_for() {
  "$verbatim" plan "$1" --devices sim-base-fast,cpu -o "$vb_tmp/plan.json" >/dev/null
  python3 - "$vb_tmp/plan.json" "$2" <<'PY'
import json, sys
path, device = sys.argv[1:]
plan = json.load(open(path))
for name in list(plan["operators"]):
    if name.endswith((".router", ".indexer")):
        plan["operators"][name] = {"axis": "tokens", "parts": [{"begin": 0, "device": "sim-base-fast"}]}
text = json.dumps(plan).replace("sim-base-fast", device)
open(path, "w").write(text)
PY
}

# Cycles of every operator on DEVICE, one line each.
cycles_on() { # MODEL DEVICE [VAR=VALUE]...
  local on=$1 device=$2
  shift 2
  plan_for "$on" "$device"
  env "$@" "$verbatim" verify "$on" --tokens 1,2,3,4,5,6,7,8,9,10,11 --steps 3 --devices "$device,cpu" \
    --plan "$vb_tmp/plan.json" --json "$vb_tmp/v.json" -q >"$vb_tmp/v.out" || { cat "$vb_tmp/v.out" && return 1; }
  python3 - "$vb_tmp/v.json" "$device" <<'PY'
import json, sys
result, device = json.load(open(sys.argv[1])), sys.argv[2]
assert result["verdict"] == "ok" and result["simulated_cycles"] > 0
for op in result["operators"]:
    if device in op["devices"]:
        d = op["devices"][device]
        print(op["path"], d["calls"], d["cycles"], d["busy"], d["device_ns"])
PY
}

same_cycles() { # MODEL OPERATOR [VAR=VALUE]...: all four layers have one
  local on=$1 operator=$2
  shift 2
  cycles_on "$on" sim-base "$@" >"$vb_tmp/rtl"
  cycles_on "$on" sim-base-fast "$@" >"$vb_tmp/fast"
  [[ $(grep -c "$operator" "$vb_tmp/rtl") == 4 ]] || { cat "$vb_tmp/rtl" && return 1; }
  diff "$vb_tmp/rtl" "$vb_tmp/fast"
}
check same_bits_and_cycles same_cycles "$model" attention VERBATIM_SIM_DRAM=
check same_cycles_on_another_part same_cycles "$model" router VERBATIM_SIM_DRAM=hbm2e
check same_cycles_with_noise same_cycles "$model" router VERBATIM_SIM_DRAM=ddr5-4800 VERBATIM_SIM_SEED=7
check same_cycles_of_an_indexer same_cycles models/tiny/dsa indexer VERBATIM_SIM_DRAM= VERBATIM_SIM_SEED=3

another_part_differs() {
  cycles_on "$model" sim-base-fast VERBATIM_SIM_DRAM=ddr4-2400 >"$vb_tmp/a"
  cycles_on "$model" sim-base-fast VERBATIM_SIM_DRAM=ddr4-2400 VERBATIM_SIM_SEED=3 >"$vb_tmp/b"
  ! diff "$vb_tmp/a" "$vb_tmp/b" >/dev/null
}
check another_seed_differs another_part_differs

refused() { # TEXT COMMAND...: exit status 2 and the text
  local text=$1 status=0
  shift
  "$@" >"$vb_tmp/r" 2>&1 || status=$?
  cat "$vb_tmp/r"
  [[ $status == 2 ]] && grep -q -- "$text" "$vb_tmp/r"
}
check no_fault_can_be_planted refused 'no hardware in which a fault' env VERBATIM_SIM_FAULT=router:10:3 \
  "$verbatim" verify $model --tokens 1,2 --devices cpu,sim-base-fast
check no_waveform refused 'no hardware that could be traced' env VERBATIM_SIM_TRACE="$vb_tmp/w.fst" \
  "$verbatim" verify $model --tokens 1,2 --devices cpu,sim-base-fast

# They prove nothing about bits, so they take part only when they are named.
listed() { "$verbatim" devices | grep '^sim-base-fast' && "$verbatim" devices | grep '^sim-paper-fast'; }
check devices_lists_them listed
left_out() {
  "$verbatim" verify $model --tokens 1,2 --steps 0 --json "$vb_tmp/d.json" -q >/dev/null
  grep -q '"sim-base"' "$vb_tmp/d.json" && ! grep -q -- '-fast' "$vb_tmp/d.json"
}
check left_out_unless_named left_out
finish
