#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make install` below a private prefix gives a command that works from there, and a library that others can link.
set -euo pipefail
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/shell.sh"
unset MAKEFLAGS MFLAGS MAKELEVEL

prefix=$vb_tmp/prefix
check install make install BUILD="$BUILD" PREFIX="$prefix"
for f in bin/verbatim lib/libverbatim.a lib/libverbatim.so lib/libverbatim.so.0 lib/pkgconfig/verbatim.pc \
  include/verbatim/ops.h include/verbatim/layout.h include/verbatim/result.h share/man/man1/verbatim.1; do
  check "has_$(basename "$f")" test -s "$prefix/$f"
done
check version "$prefix/bin/verbatim" --version
check help "$prefix/bin/verbatim" --help
check no_build_path bash -c '! grep -q "$2" "$1"/lib/pkgconfig/verbatim.pc' - "$prefix" "$PWD"

# A sanitized library needs a sanitized program.
if [[ $BUILD != */asan && $BUILD != */tsan ]]; then
  cat >"$vb_tmp/use.c" <<'C'
#include <stdio.h>
#include <verbatim/layout.h>
#include <verbatim/ops.h>
#include <verbatim/result.h>
int main(void) { return vb_rec_bytes(33) == 96 && vb_fail(VB_DEVICE, "x") == VB_DEVICE ? puts(vb_last_error()) < 0 : 1; }
C
  export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
  check links_shared bash -c 'cc -Wall -Wextra -Werror "$1/use.c" $(pkg-config --cflags --libs verbatim) -o "$1/use" &&
    LD_LIBRARY_PATH=$2/lib "$1/use"' - "$vb_tmp" "$prefix"
  if [[ -e $prefix/lib/libverbatim_sim.so ]]; then
    check finds_its_driver bash -c '"$1"/bin/verbatim devices | grep -qi sim' - "$prefix"
  else
    skip finds_its_driver "no simulated hardware in this build"
  fi
fi
check staged make install BUILD="$BUILD" PREFIX=/usr DESTDIR="$vb_tmp/stage"
check staged_driver test -s "$vb_tmp/stage/etc/OpenCL/vendors/verbatim.icd"
check nothing_outside bash -c 'test -z "$(find "$1" -mindepth 1 -maxdepth 1 ! -name usr ! -name etc)"' - "$vb_tmp/stage"
finish
