# SPDX-License-Identifier: Apache-2.0
"""worker.py IN.il OUT.json TOP...: synthesise the modules named for UltraScale+ in a process of its own, their submodules black
boxes. OUT.json: per module its cells, and the seconds and peak MiB of the whole."""
import json
import resource
import sys
import tempfile
import time

from pathlib import Path

# A top that holds one of each module keeps them all; nothing is optimised across a module's ports.
FLOW = 'synth_xilinx -family xcup -noiopad -noclkbuf -top batch'


def main():
    from pyosys import libyosys as ys
    source, out, *tops = sys.argv[1:]
    design = ys.Design()
    begin = time.process_time()
    with tempfile.NamedTemporaryFile(mode='w', suffix='.il') as batch:
        batch.write('module \\batch\n' + ''.join(f'  attribute \\keep 1\n  cell {t} \\u{i}\n  end\n' for i, t in enumerate(tops)) + 'end\n')
        batch.flush()
        ys.run_pass(f'read_rtlil {source}', design)
        ys.run_pass(f'read_rtlil {batch.name}', design)
    ys.run_pass('scratchpad -set abc9.verify 0', design)  # a proof that abc worked right, which takes an hour for a sorter
    ys.run_pass(FLOW, design)
    with tempfile.NamedTemporaryFile(suffix='.json') as stat:
        ys.run_pass(f'tee -q -o {stat.name} stat -json', design)
        modules = json.loads(Path(stat.name).read_text())['modules']
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cells = {t: modules[t]['num_cells_by_type'] for t in tops}
    Path(out).write_text(json.dumps({'cells': cells, 'seconds': time.process_time() - begin, 'peak_mib': round(peak)}))


if __name__ == '__main__':
    main()
