# SPDX-License-Identifier: Apache-2.0
"""worker.py FLOW IN.il OUT TOP...: synthesise the modules named in a process of its own, their submodules black boxes. Writes
OUT.json: per module its cells, and the seconds and peak MiB of the whole; for flows that are placed also OUT.il, the netlists."""
import json
import resource
import sys
import tempfile
import time

from pathlib import Path

# A top that holds one of each module keeps them all; nothing is optimised across a module's ports.
FLOWS = {
    'xcup': 'synth_xilinx -family xcup -noiopad -noclkbuf -top batch',
    'ecp5': 'synth_ecp5 -noflatten -nowidelut -top batch',
}


def main():
    from pyosys import libyosys as ys
    flow, source, out, *tops = sys.argv[1:]
    design = ys.Design()
    begin = time.process_time()
    with tempfile.NamedTemporaryFile(mode='w', suffix='.il') as batch:
        batch.write('module \\batch\n' + ''.join(f'  attribute \\keep 1\n  cell {t} \\u{i}\n  end\n' for i, t in enumerate(tops)) + 'end\n')
        batch.flush()
        ys.run_pass(f'read_rtlil {source}', design)
        ys.run_pass(f'read_rtlil {batch.name}', design)
    ys.run_pass(FLOWS[flow], design)
    with tempfile.NamedTemporaryFile(suffix='.json') as stat:
        ys.run_pass(f'tee -q -o {stat.name} stat -json', design)
        modules = json.loads(Path(stat.name).read_text())['modules']
    if flow == 'ecp5':
        ys.run_pass('delete batch', design)
        ys.run_pass('setattr -unset src', design)
        ys.run_pass(f'select {" ".join(tops)}', design)
        ys.run_pass(f'write_rtlil -selected {out}.il', design)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cells = {t: modules[t]['num_cells_by_type'] for t in tops}
    Path(out + '.json').write_text(json.dumps({'cells': cells, 'seconds': time.process_time() - begin, 'peak_mib': round(peak)}))


if __name__ == '__main__':
    main()
