# SPDX-License-Identifier: Apache-2.0
"""accept.py UNIT:CONFIG...: yosys elaborates exactly the sources that synthesis takes, and finds no driver conflict, no
combinational loop and no undriven wire in what it read."""
import sys

import rtlil

if __name__ == '__main__':
    for job in sys.argv[1:]:
        unit, config = job.split(':')
        print(f'  LINT  yosys {unit} ({config})', flush=True)
        rtlil.yosys(rtlil.read(unit, config) + 'check -assert\n', f'build/silicon/lint-{unit}-{config}.log')
