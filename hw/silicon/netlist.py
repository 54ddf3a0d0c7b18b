# SPDX-License-Identifier: Apache-2.0
"""One flat ECP5 netlist of a unit from the netlists of its modules, inside a ring that gives every port a register.

A unit has more port bits than the largest ECP5 has pins, and is meant to stand inside a chip. The ring feeds all inputs from
one shift register and folds all outputs, registered, into one pin: every path of the unit, port paths included, lies between
two registers of the placed design, so that its frequency is the unit's.
"""
import re

from pathlib import Path

import rtlil


def ports(text):
    """[(name, bits, is input)] of a module's RTLIL, in port order."""
    found = re.findall(r'^  wire (?:width (\d+) )?(input|output) (\d+) (?:signed )?\\(\S+)$', text, re.M)
    return [(name, int(width or 1), kind == 'input') for width, kind, _, name in sorted(found, key=lambda p: int(p[2]))]


def ring(module):
    """SystemVerilog of the ring."""
    listed = ports(module.text)
    ins = [(n, w) for n, w, is_in in listed if is_in and n != 'ap_clk']
    outs = [(n, w) for n, w, is_in in listed if not is_in]
    text = [f'(* blackbox *) module {module.name[1:].replace("$", "__")} (']
    text.append(',\n'.join(f'  {"input" if i else "output"} logic [{w - 1}:0] {n}' for n, w, i in listed) + ');\nendmodule')
    n_in, n_out = sum(w for _, w in ins), sum(w for _, w in outs)
    text.append('module vb_ring (input logic clk, input logic si, output logic so);')
    text.append(f'  logic [{n_in - 1}:0] in_q;\n  logic [{n_out - 1}:0] out, out_q;\n  logic [{(n_out + 15) // 16 - 1}:0] fold_q;')
    text.append('  always_ff @(posedge clk) begin\n    in_q <= {in_q[$bits(in_q)-2:0], si};\n    out_q <= out;\n    so <= ^fold_q;')
    text.append('    for (int i = 0; i < $bits(fold_q); i++) fold_q[i] <= ^((out_q >> (16 * i)) & 16\'hffff);\n  end')
    pins, at = ['.ap_clk(clk)'], 0
    for name, width in ins:
        pins.append(f'.{name}(in_q[{at} +: {width}])')
        at += width
    at = 0
    for name, width in outs:
        pins.append(f'.{name}(out[{at} +: {width}])')
        at += width
    text.append(f'  {module.name[1:].replace("$", "__")} u_dut ({", ".join(pins)});\nendmodule\n')
    return '\n'.join(text)


def assemble(modules, top, cache, out):
    """Write out.json for nextpnr."""
    whole, sv = Path(f'{out}.il'), Path(f'{out}.sv')
    sv.write_text(ring(top))
    stub = top.name[1:].replace('$', '__')
    # The ring is mapped first, round a black box; then the box gets its contents and the whole is flattened.
    rtlil.yosys(f'read_slang --top vb_ring {sv}\nsynth_ecp5 -noflatten -nowidelut -top vb_ring\nwrite_rtlil {whole}\n', f'{out}-ring.log')
    mapped = rtlil.split(whole.read_text())['\\vb_ring'].replace(f'cell \\{stub} ', f'cell {top.name} ')
    whole.write_text(mapped + ''.join(cache.path(m, '.il').read_text() for m in modules.values()))
    rtlil.yosys(f'read_verilog -lib -specify +/lattice/cells_sim_ecp5.v +/lattice/cells_bb_ecp5.v\nread_rtlil {whole}\nhierarchy -top vb_ring\nflatten\nopt_expr\nopt_merge\nopt_clean -purge\nopt_lut_ins -tech lattice\n'
                f'opt_clean -purge\nsetattr -unset src\nstat\nselect vb_ring\nwrite_json -selected {out}.json\n', f'{out}-flat.log')
    whole.unlink()
