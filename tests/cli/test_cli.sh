#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The command as a user meets it: names, exit statuses, files, planted faults with their replay, bad input.
set -euo pipefail
source tests/support/shell.sh
verbatim=$BUILD/verbatim
model=tests/fixtures/qwen3_moe
tokens=1,2,3,4,5,6,7,8,9
export TMPDIR=$vb_tmp


# --- names and usage ---------------------------------------------------------------------------------------------
check help "$verbatim" --help
check help_verify "$verbatim" verify --help
check version "$verbatim" --version
check_status 2 no_command "$verbatim"
check_status 2 unknown_command "$verbatim" frobnicate
check_status 2 unknown_option "$verbatim" verify "$model" --frobnicate
check_status 2 option_of_another_command "$verbatim" devices --steps 3
check_status 2 missing_model "$verbatim" verify
check_status 2 two_models "$verbatim" verify "$model" "$model"
check_status 2 bad_number "$verbatim" verify "$model" --steps many

# --- devices -----------------------------------------------------------------------------------------------------
devices_are_all_there() { "$verbatim" devices >"$vb_tmp/devices" && grep -q '^cpu' "$vb_tmp/devices" && grep -q '^pocl' "$vb_tmp/devices" && grep -q '^sim-base' "$vb_tmp/devices"; }
check devices_are_all_there devices_are_all_there
clinfo_lists_the_simulator() { # a driver with sanitizers wants their runtime first
  local first
  first=$(ldd "$BUILD/libverbatim_sim.so" | awk '/lib[at]san/ { print $3 }')
  LD_PRELOAD=$first ASAN_OPTIONS=detect_leaks=0 OCL_ICD_VENDORS=$PWD/$BUILD/vendors clinfo --list >"$vb_tmp/clinfo"
  grep 'Verbatim Simulator' "$vb_tmp/clinfo"
}
check clinfo_lists_the_simulator clinfo_lists_the_simulator

# --- verify: verdict, report files -------------------------------------------------------------------------------
report() { "$verbatim" verify $model --tokens $tokens --steps 3 --json "$vb_tmp/v.json" --junit "$vb_tmp/v.xml" --timeline "$vb_tmp/t.json" "$@"; }
check verify_over_all_devices report
json_holds_the_fixed_keys() {
  local key
  for key in planned passed failed skipped values_compared seed devices failures; do grep -q "\"$key\":" "$vb_tmp/v.json" || { echo "no key $key" && return 1; }; done
  grep -q '"verdict": "ok"' "$vb_tmp/v.json" && grep -q '"failed": 0' "$vb_tmp/v.json"
  grep -q '<testsuite ' "$vb_tmp/v.xml" && grep -q 'failures="0"' "$vb_tmp/v.xml" && grep -q '"traceEvents"' "$vb_tmp/t.json"
}
check json_holds_the_fixed_keys json_holds_the_fixed_keys
all_devices_took_part() { grep -q '"cpu": {' "$vb_tmp/v.json" && grep -q '"pocl": {' "$vb_tmp/v.json" && grep -q '"sim-base": {' "$vb_tmp/v.json"; }
check all_devices_took_part all_devices_took_part
check random_plans "$verbatim" verify $model --tokens $tokens --steps 2 --plans random:${campaign:+10}4 --seed "$seed"
# --- trained models with their attention on the unit: prompts longer than the windows and the lists ----------------
on_the_unit() { # MODEL
  "$verbatim" verify "models/tiny/$1" --prompt "$(head -c 260 models/tiny/heldout.txt)" --steps 2 --devices sim-base,cpu --plans first >"$vb_tmp/u.out" || { cat "$vb_tmp/u.out" && return 1; }
  grep -E '^  attention ' "$vb_tmp/u.out" && ! grep -E '^  attention +cpu' "$vb_tmp/u.out"
}
for name in moe dsa hybrid window; do check "attention_of_${name}_on_the_unit" on_the_unit $name; done
check plan_written "$verbatim" plan $model -o "$vb_tmp/plan.json"
check plan_used "$verbatim" verify $model --tokens $tokens --plan "$vb_tmp/plan.json"

# --- planted faults: each is reported with layer, operator and index, exits 1 (3: a dead device) and replays -------
fault() { # WHERE DEVICE [VAR=VALUE]... -- ARGS: verify fails, names WHERE and DEVICE; the printed replay fails too
  local where=$1 device=$2 status=0 env=()
  shift 2
  while [[ $1 != -- ]]; do env+=("$1") && shift; done
  shift
  rm -rf "$vb_tmp/cases"
  env "${env[@]}" "$verbatim" verify "${on:-$model}" --tokens $tokens --steps 1 --cases "$vb_tmp/cases" --json "$vb_tmp/f.json" "$@" >"$vb_tmp/f.out" 2>&1 || status=$?
  cat "$vb_tmp/f.out"
  [[ $status == "${fails_with:-1}" ]] || { echo "verify: exit status $status, expected ${fails_with:-1}" && return 1; }
  grep -q "FAILED $where" "$vb_tmp/f.out" && grep -q "\"operator\": \"$where\"" "$vb_tmp/f.json" && grep -q "\"device\": \"$device\"" "$vb_tmp/f.json"
  [[ ${fails_with:-1} == 3 ]] || grep -q '"expected": "0x' "$vb_tmp/f.json"
  local replay
  replay=$(sed -n 's/^  replay: //p' "$vb_tmp/f.out" | head -n 1)
  [[ -n $replay ]] || { echo 'no replay command' && return 1; }
  status=0
  bash -c "$replay" || status=$?
  [[ $status == "${fails_with:-1}" ]] || { echo "replay: exit status $status, expected ${fails_with:-1}: $replay" && return 1; }
}
check fault_in_a_cpu_output fault layer.1.q_proj cpu -- --inject output:layer.1.q_proj:3:7@cpu
check fault_in_a_kernels_output fault layer.0.experts pocl -- --devices pocl --inject output:layer.0.experts:5:3@pocl
check fault_in_a_units_output fault layer.2.router sim-base -- --inject output:layer.2.router:1:0@sim-base
check fault_in_a_weight fault layer.1.o_proj cpu -- --devices cpu --inject weight:layer.1.o_proj:17:6
on=models/tiny/moe check fault_in_an_rtl_register fault layer.0.attention sim-base VERBATIM_SIM_FAULT=attention:reg:120:0 -- --tokens 1,2,3,4,5,6
check fault_in_rtl_read_data fault layer.0.router sim-base VERBATIM_SIM_FAULT=router:30:30 -- --tokens 1,2,3,4,5,6
on=models/tiny/moe fails_with=3 check device_dies_mid_run fault layer.0.attention sim-base VERBATIM_SIM_FAULT=axi:slverr@9 -- --tokens 1,2,3,4,5,6
wave_of_a_cpu() { bad 'device cpu is not simulated' replay "$(ls "$vb_tmp"/cases/*.h5 | head -n 1)" --devices cpu --wave "$vb_tmp/w.fst"; }
fault_in_a_table_entry() { # a device built from other tables is refused, or its first wrong bit is found
  cp -r kernels_cl "$vb_tmp/kernels"
  sed -i 's/{16777208, 726692, 15407}/{16777208, 726690, 15407}/' "$vb_tmp/kernels/tables.cl"
  ! cmp -s kernels_cl/tables.cl "$vb_tmp/kernels/tables.cl"
  local status=0
  VERBATIM_KERNELS=$vb_tmp/kernels "$verbatim" verify $model --tokens $tokens --devices pocl >"$vb_tmp/k.out" 2>&1 || status=$?
  cat "$vb_tmp/k.out"
  [[ $status != 0 ]] && grep -Eq 'refused: .*(table|known-answer|probe)|FAILED layer' "$vb_tmp/k.out"
}
check fault_in_a_table_entry fault_in_a_table_entry
missing_range() {
  sed '0,/"begin": 0/s//"begin": 1/' "$vb_tmp/plan.json" >"$vb_tmp/hole.json"
  "$verbatim" verify $model --tokens $tokens --plan "$vb_tmp/hole.json"
}
check_status 2 plan_with_a_missing_range missing_range

# --- model files -------------------------------------------------------------------------------------------------
check import "$verbatim" import $model -o "$vb_tmp/m.h5"
check container_is_the_same_model "$verbatim" verify "$vb_tmp/m.h5" --tokens $tokens --devices cpu
check inspect_directory "$verbatim" inspect $model
check inspect_container "$verbatim" inspect "$vb_tmp/m.h5"
check truth "$verbatim" truth $model --tokens 1,2,3 -o "$vb_tmp/truth.h5"
check run_logits "$verbatim" run $model --tokens 1,2,3 --logits "$vb_tmp/logits.h5"
shapes() { h5dump -H -d /logits "$vb_tmp/truth.h5" | grep 'F64LE' && h5dump -H -d /logits "$vb_tmp/logits.h5" | grep 'F32LE' && h5dump -H -d /logits "$vb_tmp/logits.h5" | grep 'SIMPLE { ( 3, '; }
check logits_have_the_promised_shapes shapes
check inspect_logits "$verbatim" inspect "$vb_tmp/truth.h5"
seq 1 9 >"$vb_tmp/ids"
check tokens_from_a_file "$verbatim" run $model --tokens @"$vb_tmp/ids" --steps 2

# --- bad input: exit status 2, the file and the key or value named -------------------------------------------------
bad() { # WORDS ARGS...
  local words=$1 status=0
  shift
  "$verbatim" "$@" >"$vb_tmp/bad.out" 2>&1 || status=$?
  cat "$vb_tmp/bad.out"
  [[ $status == 2 ]] && grep -qF -- "$words" "$vb_tmp/bad.out"
}
check bad_model_path bad nowhere verify nowhere
check bad_waveform_of_a_cpu wave_of_a_cpu
check bad_token bad 'vocabulary' verify $model --tokens 1,99999
check bad_token_text bad 'not a token id' verify $model --tokens 1,two
other_tokenizer() {
  cp -r models/tiny/dense "$vb_tmp/regex" && sed -i 's/"use_regex": false/"use_regex": true/' "$vb_tmp/regex/tokenizer.json"
  bad tokenize_text.py run "$vb_tmp/regex" --prompt x && "$verbatim" run "$vb_tmp/regex" --tokens 1,2 --steps 1
}
check bad_tokenizer_names_the_helper other_tokenizer
check bad_token_file bad 'No such file' verify $model --tokens @nowhere
check bad_prompt_and_tokens bad 'not both' verify $model --tokens 1 --prompt x
check bad_plans bad 'random:N' verify $model --plans zigzag:3
check bad_device bad 'no device "gpu9"' verify $model --tokens 1 --devices gpu9
check bad_plan_file bad 'nowhere.json: No such file' verify $model --tokens 1 --plan nowhere.json
# a fault in what another device makes would be called the other's
others_share() {
  python3 - "$vb_tmp/plan.json" "$vb_tmp/shares.json" <<'PY'
import json, sys
plan = json.load(open(sys.argv[1]))
plan["operators"]["layer.0.q_proj"] = {"axis": "rows", "parts": [{"device": "cpu", "begin": 0, "end": 8}, {"device": "pocl", "begin": 8}]}
json.dump(plan, open(sys.argv[2], "w"))
PY
  bad 'cpu makes elements 0 to ' verify $model --tokens 1 --steps 0 --plan "$vb_tmp/shares.json" --inject output:layer.0.q_proj:8:1@cpu &&
    bad 'elements 8 to ' verify $model --tokens 1 --steps 0 --plan "$vb_tmp/shares.json" --inject output:layer.0.q_proj:7:1@pocl &&
    bad 'no device "gpu9"' verify $model --tokens 1 --inject output:layer.0.q_proj:7:1@gpu9
}
check bad_inject_into_anothers_share others_share
check bad_inject bad '--inject' verify $model --tokens 1 --inject nonsense
check bad_isa env VERBATIM_ISA=mmx bash -c "! $verbatim devices"
truncated() {
  cp -r $model "$vb_tmp/cut" && for f in "$vb_tmp"/cut/*.safetensors; do truncate -s 1000 "$f"; done
  bad safetensors verify "$vb_tmp/cut" --tokens 1
}
check bad_truncated_safetensors truncated
truncated_container() {
  head -c 20000 "$vb_tmp/m.h5" >"$vb_tmp/cut.h5"
  bad cut.h5 verify "$vb_tmp/cut.h5" --tokens 1
}
check bad_truncated_container truncated_container
unknown_key() {
  cp -r $model "$vb_tmp/key" && sed -i 's/^{/{ "attention_colour": 3,/' "$vb_tmp/key/config.json"
  bad attention_colour verify "$vb_tmp/key" --tokens 1
}
check bad_unknown_config_key unknown_key
unknown_type() {
  cp -r $model "$vb_tmp/type" && sed -i 's/"model_type": "[a-z0-9_]*"/"model_type": "perceptron9"/' "$vb_tmp/type/config.json"
  bad perceptron9 verify "$vb_tmp/type" --tokens 1
}
check bad_unknown_model_type unknown_type
full_output() { "$verbatim" "$@" >/dev/full; }
check_status 3 output_that_cannot_be_written full_output devices
check_status 3 version_that_cannot_be_written full_output --version
foreign_cache() { # a folder that others can write to is not used for kernels
  mkdir -p "$vb_tmp/cache/verbatim-pocl-$(id -u)" && chmod 777 "$vb_tmp/cache/verbatim-pocl-$(id -u)"
  env -u POCL_CACHE_DIR HOME="$vb_tmp/nohome" TMPDIR="$vb_tmp/cache" "$verbatim" run $model --tokens 1 --steps 1 --devices cpu 2>&1 | grep "set POCL_CACHE_DIR" &&
    [[ -z $(ls "$vb_tmp/cache/verbatim-pocl-$(id -u)") ]]
}
check foreign_kernel_cache foreign_cache
check bad_output_place bad '/nowhere/x.h5' truth $model --tokens 1 -o /nowhere/x.h5

# --- the trained models: contract against truth ------------------------------------------------------------------
perplexity() { # MODEL BYTES PERCENT
  head -c "$2" models/tiny/heldout.txt >"$vb_tmp/text"
  "$verbatim" perplexity "models/tiny/$1" "$vb_tmp/text" --json "$vb_tmp/p.json" -q
  cat "$vb_tmp/p.json"
  awk -F': ' -v limit="$3" '/"difference_percent"/ { d = $2 + 0; seen = 1 } END { exit !(seen && d > -limit && d < limit) }' "$vb_tmp/p.json"
}
windows() {
  cp -r models/tiny/dense "$vb_tmp/short" && sed -i 's/"max_position_embeddings": [0-9]*/"max_position_embeddings": 64/' "$vb_tmp/short/config.json"
  head -c 300 models/tiny/heldout.txt >"$vb_tmp/text"
  "$verbatim" perplexity "$vb_tmp/short" "$vb_tmp/text" -q | grep 'in windows of 64 '
}
check perplexity_names_its_windows windows
check perplexity_moe perplexity moe ${campaign:+6}5000 0.3
check perplexity_dense perplexity dense ${campaign:+6}5000 0.3
check perplexity_sparse_latent perplexity dsa ${campaign:+6}3000 0.5
check perplexity_delta_rule perplexity hybrid ${campaign:+6}3000 0.5
check perplexity_windows perplexity window ${campaign:+6}3000 0.5
finish
