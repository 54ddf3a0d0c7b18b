#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What make/packages.txt asks for and this machine lacks.
#   deps.sh list [TIER]    the packages of a tier (default need), one a line
#   deps.sh install [TIER] install what is missing; without the right to, print the exact line and exit 1
#   deps.sh doctor         a table of everything with versions; exit 1 if a `need` row is missing
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-doctor} want=${2:-need}

rows() { grep -v -e '^#' -e '^[[:space:]]*$' make/packages.txt; }

# Sets `version` and returns 0 when the probe finds it.
probe() {
  local kind=${1%%:*} name=${1#*:}
  version=
  case $kind in
  cmd)
    command -v "$name" >/dev/null 2>&1 || return 1
    version=$({ "$name" --version 2>&1 || true; } | grep -om1 -E '[0-9]+(\.[0-9]+)+' | head -n1 || true)
    ;;
  pc)
    command -v pkg-config >/dev/null 2>&1 || return 1
    version=$(pkg-config --modversion "$name" 2>/dev/null) || return 1
    ;;
  file) compgen -G "$name" >/dev/null || return 1 ;;
  *) echo "deps.sh: unknown probe $1" >&2 && exit 2 ;;
  esac
}

# Presence only: no program is started, so that `make test` pays nothing for asking.
present() {
  case ${1%%:*} in
  cmd) command -v "${1#*:}" >/dev/null 2>&1 ;;
  *) probe "$1" ;;
  esac
}

missing() {
  rows | while read -r package check tier _; do
    [[ $want == all || $tier == need || $tier == "$want" ]] || continue
    present "$check" || echo "$package"
  done
}

install_missing() {
  local list line run=()
  mapfile -t list < <(missing)
  [[ ${#list[@]} -gt 0 ]] || return 0
  line="apt-get install -y --no-install-recommends ${list[*]}"
  if [[ $(id -u) != 0 ]]; then
    if ! command -v sudo >/dev/null 2>&1 || ! sudo -n true 2>/dev/null; then
      printf 'missing packages; run:\n  sudo apt-get update && sudo %s\n' "$line" >&2
      return 1
    fi
    run=(sudo -n)
  fi
  if ! command -v apt-get >/dev/null 2>&1; then
    printf 'no apt-get here; install what these Debian packages hold: %s\n' "${list[*]}" >&2
    return 1
  fi
  echo "installing: ${list[*]}"
  # The package lists are fetched only if the installation cannot do without: it is slow and needs the network.
  # shellcheck disable=SC2086
  "${run[@]}" env DEBIAN_FRONTEND=noninteractive $line >/dev/null 2>&1 || {
    "${run[@]}" apt-get update -qq
    "${run[@]}" env DEBIAN_FRONTEND=noninteractive $line -qq
  }
  mapfile -t list < <(missing)
  [[ ${#list[@]} -eq 0 ]] || { echo "still missing after the installation: ${list[*]}" >&2 && return 1; }
}

doctor() {
  local bad=() dev=() state
  printf '%-20s %-10s %-14s %s\n' package state version 'needed by'
  while read -r package check tier use; do
    if probe "$check"; then
      state=ok
    else
      state=MISSING
      if [[ $tier == need ]]; then bad+=("$package"); else dev+=("$package"); fi
    fi
    printf '%-20s %-10s %-14s %s%s\n' "$package" "$state" "${version:--}" "$use" "$([[ $tier == need ]] || echo ' (optional)')"
  done < <(rows)
  printf '\n%-20s %s\n' 'processor' "$(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n1)"
  printf '%-20s %s\n' 'vector paths' "$(grep -om1 -w -E 'avx512_vnni|avx_vnni' /proc/cpuinfo || echo 'no VNNI') $(grep -om1 -w avx2 /proc/cpuinfo || echo 'no AVX2')"
  printf '%-20s %s\n' 'OpenCL drivers' "$(cat /etc/OpenCL/vendors/*.icd 2>/dev/null | tr '\n' ' ' || true)"
  if [[ ${#dev[@]} -gt 0 ]]; then
    printf '\noptional, for the targets named: apt-get install -y --no-install-recommends %s\n' "${dev[*]}"
  fi
  if [[ ${#bad[@]} -gt 0 ]]; then
    printf '\nmissing for build, demo or test; run:\n  apt-get install -y --no-install-recommends %s\n' "${bad[*]}"
    return 1
  fi
  printf '\neverything that build, demo and test need is here\n'
}

case $mode in
list) rows | awk -v t="$want" 't == "all" || $3 == "need" || $3 == t { print $1 }' ;;
missing) missing ;;
install) install_missing ;;
doctor) doctor ;;
*) echo "usage: deps.sh list|missing|install|doctor [TIER]" >&2 && exit 2 ;;
esac
