# SPDX-License-Identifier: Apache-2.0
"""One flat ECP5 netlist of a unit inside a ring that gives every port a register, for nextpnr.

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


def synthesise(modules, top, out):
    """Write out.json: what a placement tool wants is flat, so that logic is shared and dropped across module borders."""
    whole, sv = Path(f'{out}.il'), Path(f'{out}.sv')
    sv.write_text(ring(top))
    rtlil.yosys(f'read_slang --top vb_ring {sv}\nproc\nwrite_rtlil {whole}\n', f'{out}-ring.log')
    # The ring stands round a black box, which now gets its contents.
    around = rtlil.split(whole.read_text())['\\vb_ring'].replace(f'cell \\{top.name[1:].replace("$", "__")} ', f'cell {top.name} ')
    whole.write_text(around + ''.join(m.text for m in modules.values()))
    rtlil.yosys(f'read_rtlil {whole}\nhierarchy -top vb_ring\nsynth_ecp5 -top vb_ring\nopt_lut_ins -tech lattice\nopt_clean -purge\n'
                f'setattr -unset src\nstat\nselect vb_ring\nwrite_json -selected {out}.json\n', f'{out}-flat.log')
    whole.unlink()
