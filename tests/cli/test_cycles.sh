#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# verbatim cycles: predictions of jobs, cases and models; what the simulated device counts is the same number.
set -euo pipefail
source tests/support/shell.sh
verbatim=$BUILD/verbatim
export TMPDIR=$vb_tmp

job() { "$verbatim" cycles router tokens=16 experts=64 k=4 --json "$vb_tmp/j.json" "$@" >"$vb_tmp/j.txt" && cat "$vb_tmp/j.txt"; }
check unit_with_arguments job
json_adds_up() {
  python3 - "$vb_tmp/j.json" <<'PY'
import json, sys
j = json.load(open(sys.argv[1]))
job = j["jobs"][0]
assert job["cycles"] == sum(job["classes"].values()) == j["cycles"] > 0
assert job["bytes_read"] == 16 * 64 * 4 and job["bytes_written"] == 3 * 16 * 4 * 4 + 64 * 4 + 65 * 4
assert abs(j["seconds"] - j["cycles"] * 4e-9) < 1e-15 and job["arguments"]["experts"] == 64
PY
}
check json_adds_up json_adds_up

# A captured case: the device counts what the model predicts. Without banks, as buffers lie elsewhere on the device.
captured() { # MODEL UNIT: a case of it, by a planted fault
  local status=0
  rm -rf "$vb_tmp/cases"
  "$verbatim" verify "$1" --tokens 1,2,3,4,5,6,7 --steps 0 --cases "$vb_tmp/cases" --devices cpu \
    --inject "output:layer.1.$2:5:3" -q >"$vb_tmp/v.out" 2>&1 || status=$?
  [[ $status == 1 ]] || { cat "$vb_tmp/v.out" >&2 && return 1; } # a planted difference, nothing else
  ls "$vb_tmp"/cases/*.h5
}
case_costs_what_the_device_counts() { # MODEL UNIT
  local file device model
  file=$(captured "$@")
  device=$(VERBATIM_SIM_DRAM=ideal "$verbatim" replay "$file" --devices sim-base | sed -n 's/.*: \([0-9]*\) simulated cycles.*/\1/p')
  "$verbatim" cycles "$file" --dram ideal --json "$vb_tmp/c.json"
  model=$(sed -n 's/^ "cycles": \([0-9]*\),$/\1/p' "$vb_tmp/c.json")
  echo "device $device, model $model"
  [[ -n $device && $device == "$model" ]]
}
check router_case_costs_what_the_device_counts case_costs_what_the_device_counts models/tiny/moe router
check attention_case_costs_what_the_device_counts case_costs_what_the_device_counts models/tiny/moe attention
check latent_case_costs_what_the_device_counts case_costs_what_the_device_counts models/tiny/dsa attention
check indexer_case_costs_what_the_device_counts case_costs_what_the_device_counts models/tiny/dsa indexer

model_step() { # every MoE layer of the model, jobs of one shape together
  "$verbatim" cycles models/qwen3-30b-a3b.json --prefill 64 --config paper --dram hbm2e --json "$vb_tmp/m.json"
  python3 - "$vb_tmp/m.json" <<'PY'
import json, sys
m = json.load(open(sys.argv[1]))
router = [j for j in m["jobs"] if j["unit"] == "router"]
assert len(router) == 1 and router[0]["jobs"] == router[0]["layers"] == 48
assert m["configuration"] == "paper" and m["dram"] == "hbm2e"
PY
}
check model_step model_step
noise_costs() {
  job && cp "$vb_tmp/j.json" "$vb_tmp/quiet.json" && job --noise 3
  ! diff <(grep '"cycles"' "$vb_tmp/quiet.json") <(grep '"cycles"' "$vb_tmp/j.json") >/dev/null
}
check noise_costs noise_costs

bad() { # TEXT ARGS...: exit status 2 and the text
  local text=$1 status=0
  shift
  "$verbatim" cycles "$@" >"$vb_tmp/b" 2>&1 || status=$?
  cat "$vb_tmp/b"
  [[ $status == 2 ]] && grep -q -- "$text" "$vb_tmp/b"
}
check illegal_job bad 'error 0x10' router k=17
check unknown_argument bad 'names: logits' router heads=3
check not_a_number bad '"tokens=many" is no' router tokens=many
check unknown_configuration bad 'known: base' router --config huge
check unknown_part bad 'known: ddr4-2400' router --dram sdram
check no_such_file bad 'No such file' nowhere.json
check arguments_of_a_model bad 'only a unit takes' models/llama-3-8b.json tokens=3
check_status 2 nothing "$verbatim" cycles
finish
