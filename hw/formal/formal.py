# SPDX-License-Identifier: Apache-2.0
"""Proofs of leaf cells, each with mutants that must fail: formal.py [NAME...] [--write]. Engine: abc through AIGER.

A proof's cell is read from hw/ as it is; a mutant is the same file with one place changed. Results: build/formal/results.json,
docs/formal.md with --write.
"""
import json
import re
import subprocess
import sys
import time

from pathlib import Path

WORK = Path('build/formal')
PACKAGES = ['hw/common/vb_tables_pkg.sv', WORK / 'vb_pkg.sv']  # addresses and lengths as short as a proof needs
SHORT = [('AddrW = 40', 'AddrW = 16'), ('LenW = 24', 'LenW = 5')]

# name: harness, cells, engine, what is proved, mutants (file, text, replacement)
FIFO, MODEL, RD = 'hw/common/vb_fifo.sv', 'hw/formal/vb_fifo_model.sv', 'hw/common/vb_axi_rd.sv'
TOPK, PLACE = 'hw/router/vb_router_topk.sv', 'hw/router/vb_router_place.sv'
PROOFS = {
    'fifo': ('fv_fifo', [FIFO], 'pdr', 'order and content of any element, count, full, empty; unbounded, reset at any time; 4 places of 3 bits', [
        (FIFO, 'if (pop_i) rp_q <= rp_q + 1\'b1;', 'if (pop_i && !push_i) rp_q <= rp_q + 1\'b1;'),
        (FIFO, 'empty_q <= pop_i && count_o == (AW + 1)\'(1);', 'empty_q <= pop_i && count_o[AW-1:0] != \'0;'),
        (FIFO, 'full_q <= push_i && count_o == (AW + 1)\'(DEPTH - 1);', 'full_q <= push_i && count_o == (AW + 1)\'(DEPTH - 2);'),
        (FIFO, 'mem[wp_q[AW-1:0]] <= data_i;', 'mem[rp_q[AW-1:0]] <= data_i;'),
        (FIFO, 'assign data_o = mem[rp_q[AW-1:0]];', 'assign data_o = mem[rp_q[AW-1:0] ^ (AW)\'(wp_q[AW])];'),
        (FIFO, 'rp_q <= \'0;', 'rp_q <= wp_q;'),
    ]),
    'fifo_model': ('fv_fifo', [MODEL], 'pdr', 'the shift register that stands for vb_fifo inside other proofs is a FIFO too', [
        (MODEL, '(push_i) - (AW + 1)\'(pop_i);\n    for', '(push_i);\n    for'),
    ]),
    'axi_rd': ('fv_axi_rd', [RD, MODEL], 'pdr', 'AR stable; address continues the descriptor; bursts inside 4 KiB and MAX_BURST; whole descriptors, in order; '
               'no overflow of the data FIFO, credits conserved; unbounded, reset at any time; 16-bit addresses, 64-bit bus, bursts of 4, FIFO of 4 beats, 2 bursts', [
        (RD, 'beat_of = 9\'(address >> LGB) | ~9\'(PAGE - 1);', 'beat_of = 9\'d0;'),
        (RD, 'addr_q <= addr_q + (AW\'(limit_q) << LGB);', 'addr_q <= addr_q + (AW\'(MAX_BURST) << LGB);'),
        (RD, '&& (!arvalid_o || arready_i);', ';'),
        (RD, '32\'(free_q) >= 32\'(limit_q)', '32\'(free_q) + 1 >= 32\'(limit_q)'),
        (RD, 'free_q <= free_q - (issue ? (FW + 1)\'(burst) : \'0) + (FW + 1)\'(pop);', 'free_q <= issue ? free_q - (FW + 1)\'(burst) : free_q + (FW + 1)\'(pop);'),
        (RD, '!tag_full && ', ''),
        (RD, 'arlen_q <= burst - 8\'d1;', 'arlen_q <= burst;'),
        (RD, 'vb_pkg::fits(cmd_beats_i, vb_pkg::burst_limit(beat_of(cmd_addr_i), 8\'(MAX_BURST)))', 'vb_pkg::fits(cmd_beats_i, 8\'(MAX_BURST))'),
        (RD, '.pop_i(pop && out_rlast)', '.pop_i(pop && out_last_o)'),
    ]),
    'router_topk': ('fv_topk', [TOPK, PLACE], 'pdr', 'the k-th largest of a token, and its cycle; unbounded, every k, gaps, resets at any time; 2 lanes, 3 places, tokens of 1..8 '
                    'entries with keys of 2 bits', [
        (TOPK, 'ent_i[m*EW + IW +: EW - IW] > ent_i[l*EW', 'ent_i[m*EW + IW +: EW - IW] < ent_i[l*EW'),
        (TOPK, 'if (rank == LGP\'(s))', 'if (rank == LGP\'(s + 1))'),
        (TOPK, 'done_o <= valid[K] && last[K] && !rst_i;', 'done_o <= valid[K] && last[K];'),
        (TOPK, 'k_i == 5\'(s + 1) ?', 'k_i == 5\'(s + 2) ?'),
        (TOPK, 'v1_q <= valid_i && !rst_i;', 'v1_q <= valid_i;'),
        (TOPK, 'K - s > P ? N : N - 1;', 'K - s > P + 1 || N == 1 ? N : N - 1;'),
        (PLACE, 'first_i || sorted_i', 'sorted_i'),
        (PLACE, 'assign old = first_i ? \'0 : kept_o;', 'assign old = kept_o;'),
        (PLACE, '+: EW] > kept_o;', '+: EW] < kept_o;'),
        (PLACE, 'above[l] ? old', 'above[0] ? old'),
        (PLACE, 'valid_o <= valid_i && !rst_i;', 'valid_o <= valid_i;'),
    ]),
}


def aiger(name, top, files, out):
    """The harness with its cells as a bit-level machine; memories become registers, unknown initial values become inputs."""
    script = [f'read_slang -D FORMAL -Ihw/common --top {top} {" ".join(map(str, PACKAGES + files))} hw/formal/{top}.sv',
              f'hierarchy -check -top {top}', 'proc', 'flatten', 'setundef -anyseq', 'async2sync', 'chformal -lower', 'opt_clean', 'memory_map', 'opt -full', 'techmap',
              'opt -fast', 'dffunmap', 'aigmap', 'opt_clean', 'setundef -anyseq', f'write_aiger -zinit {out}']
    code = 'import sys; from pyosys import libyosys as ys; d = ys.Design(); [ys.run_pass(l, d) for l in sys.stdin.read().splitlines()]'
    with open(f'{out}.log', 'w') as log:
        run = subprocess.run([sys.executable, '-c', code], input='\n'.join(script), text=True, stdout=log, stderr=log, check=False)
    if run.returncode:
        raise SystemExit(f'formal: {name}: yosys failed, see {out}.log')


def solve(engine, aig, limit_s):
    """proved, violated or unknown, and the seconds."""
    import pyosys
    abc = Path(pyosys.__file__).parent / 'yosys-abc'
    begin = time.monotonic()
    flag = f'-T {limit_s}'
    text = subprocess.run([abc, '-c', f'read_aiger {aig}; fold; orpos; strash; scorr; {engine} {flag}; print_status'], capture_output=True, text=True,
                          timeout=limit_s + 60, check=False).stdout
    seconds = time.monotonic() - begin
    if re.search(r'was asserted in frame|Status = *0', text):
        return 'violated', seconds
    # A bounded engine has proved its bound only if it reached it.
    bound = re.search(r'bmc3 -F (\d+)', engine)
    if 'Property proved' in text or (bound and f'No output asserted in {bound[1]} frames' in text):
        return 'proved', seconds
    Path(f'{aig}.abc').write_text(text)
    return 'unknown', seconds


def prove(name, limit_s=300):
    top, cells, engine, what, mutants = PROOFS[name]
    rows = []
    for number, mutant in enumerate([None] + mutants):
        files = list(cells)
        tag = f'{name}-{number}'
        if mutant:
            source, old, new = mutant
            text = Path(source).read_text()
            if text.count(old) != 1:
                raise SystemExit(f'formal: {name}: mutant {number}: its text stands {text.count(old)} times in {source}')
            changed = WORK / f'{tag}.sv'
            changed.write_text(text.replace(old, new))
            files[files.index(source)] = changed
        out = WORK / f'{tag}.aig'
        aiger(name, top, files, out)
        verdict, seconds = solve(engine, out, limit_s)
        right = verdict == ('violated' if mutant else 'proved')
        print(f'  FV    {name} {"mutant " + str(number) if mutant else "cell"}: {verdict}, {seconds:.1f} s{"" if right else "  <-- WRONG"}', flush=True)
        rows.append({'mutant': number, 'verdict': verdict, 'seconds': round(seconds, 1), 'right': right})
    return {'what': what, 'engine': engine, 'rows': rows}


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    package = Path('hw/common/vb_pkg.sv').read_text()
    for old, new in SHORT:
        assert package.count(old) == 1
        package = package.replace(old, new)
    (WORK / 'vb_pkg.sv').write_text(package)
    names = [a for a in sys.argv[1:] if not a.startswith('-')] or list(PROOFS)
    results = {n: prove(n) for n in names}
    (WORK / 'results.json').write_text(json.dumps(results, indent=1) + '\n')
    if '--write' in sys.argv:
        text = ('<!-- SPDX-License-Identifier: Apache-2.0 -->\n<!-- Written by `make formal`; do not edit. -->\n# Proofs of leaf cells\n\n'
                '`make formal` proves each cell as it stands in `hw/` (yosys to AIGER, abc) and changes it in one place after another: each mutant must '
                'violate a property, or the properties are too weak. Harnesses: `hw/formal`. What a memory or a neighbour may do is made by '
                'construction; nothing is assumed.\n\n| cell | proved | engine | s | mutants found | slowest mutant s |\n|---|---|---|---|---|---|\n')
        for name, r in results.items():
            cell, *mutants = r['rows']
            text += (f'| `{PROOFS[name][1][0]}` | {r["what"]}: {cell["verdict"]} | {r["engine"]} | {cell["seconds"]} | '
                     f'{sum(m["right"] for m in mutants)} of {len(mutants)} | {max(m["seconds"] for m in mutants)} |\n')
        Path('docs/formal.md').write_text(text)
    if not all(row['right'] for r in results.values() for row in r['rows']):
        raise SystemExit(1)


if __name__ == '__main__':
    main()
