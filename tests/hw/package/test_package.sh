#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What other tools take the units up by: hw/verbatim.core lists every source, and kernel.xml says of an argument what the C
# header says, which comes from the same registers by another generator.
set -euo pipefail
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

package=hw/package/package.py

new_source_is_named() {
  cp -r hw Makefile "$vb_tmp"
  touch "$vb_tmp/hw/router/vb_router_new.sv"
  if python3 "$vb_tmp/$package" core --check 2>"$vb_tmp/err"; then return 1; fi
  grep -qF "verbatim.core is out of date" "$vb_tmp/err"
  python3 "$vb_tmp/$package" core
  python3 "$vb_tmp/$package" core --check
  grep -qF "router/vb_router_new.sv" "$vb_tmp/hw/verbatim.core"
}
every_source_once() {
  find hw -name '*.sv' -not -path 'hw/config/*' -not -path 'hw/formal/*' | sed 's|^hw/||' | sort >"$vb_tmp/sources"
  grep -o '[a-z]*/vb_[a-z0-9_]*\.sv$' hw/verbatim.core | sort | diff "$vb_tmp/sources" -
}
value() { xmllint --xpath "string($1)" "$vb_tmp/k/kernel.xml"; }
as_the_header_says() { # UNIT CONFIG BITS
  python3 $package kernel "$1" "$2" "$vb_tmp/k"
  xmllint --noout "$vb_tmp/k/kernel.xml"
  [[ $(value //kernel/@name) == "vb_$1" && $(value //kernel/@hwControlProtocol) == ap_ctrl_hs ]]
  [[ $(value '//port[@name="m_axi_gmem"]/@dataWidth') == "$3" ]]
  local n=0 row name kind slot
  while read -r row; do
    IFS=', ' read -r name kind slot _ <<<"${row#*(}"
    local arg="//arg[@id=\"$slot\"]" want_port=s_axi_control want_type
    case $kind in
    U32) want_type=uint ;;
    U64) want_type=ulong ;;
    *) want_type='void*' want_port=m_axi_gmem ;;
    esac
    [[ $(value "$arg/@name") == "$name" && $(value "$arg/@type") == "$want_type" && $(value "$arg/@port") == "$want_port" ]]
    [[ $(($(value "$arg/@offset"))) == $((0x10 + 8 * slot)) ]]
    n=$((n + 1))
  done < <(sed -n "/define VB_${1^^}_ARGS(X)/,/^\$/p" hw/regs/vb_regs.h | grep -o 'X([a-z].*)')
  [[ $n -gt 10 && $(value 'count(//arg)') == "$n" ]]
  grep -q "/hw/$1/vb_$1.sv" "$vb_tmp/k/files.f"
  if grep -E '_(bind|chk)\.sv' "$vb_tmp/k/files.f"; then return 1; fi # for simulation alone
}
elaborates() { # UNIT CONFIG
  python3 $package kernel "$1" "$2" "$vb_tmp/k"
  verilator --lint-only -Wno-fatal -Wno-lint -Wno-style -f "$vb_tmp/k/files.f" --top-module "vb_$1"
}
refused() { # TEXT ARGUMENT...
  local text=$1
  shift
  if python3 $package "$@" 2>"$vb_tmp/err"; then return 1; fi
  grep -qF "$text" "$vb_tmp/err" && [[ ! -e $vb_tmp/none ]]
}

check committed python3 $package core --check
check new_source new_source_is_named
check every_source_once every_source_once
for u in attention indexer router; do
  check "kernel_$u" as_the_header_says $u base 256
  check "elaborates_$u" elaborates $u base
done
check kernel_small as_the_header_says router small 64
check kernel_paper as_the_header_says router paper 512
check unknown_unit refused "no unit 'mac'; there are: attention, indexer, router" kernel mac base "$vb_tmp/none"
check unknown_config refused "no configuration 'huge'; there are: base, paper, small" kernel router huge "$vb_tmp/none"
finish
