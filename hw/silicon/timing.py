# SPDX-License-Identifier: Apache-2.0
"""timing.py NETLIST.json [NS [NAME...]]: the longest paths of an ECP5 netlist before placement, in seconds instead of half an hour.

Groups of paths above NS (default 12), by start register and end module, with the worst of each; with NAMEs every step of
the worst path into a register so named. Delays of cells are those of nextpnr's LFE5U speed grade 8; of a wire nothing is known
yet, so it costs WIRE and a little for its fan-out: a guide to what to shorten, not a frequency. Nets that go to a thousand
places in half the chip take 4 to 9 ns when routed, whatever stands here: look at the fan-outs too.
"""
import json
import math
import re
import sys

from collections import Counter

WIRE, FANOUT = 0.5, 0.1                  # ns, and ns per doubling of the sinks
LUT, MUX, CARRY_IN, CARRY, CARRY_OUT, MULT = 0.18, 0.15, 0.35, 0.06, 0.29, 3.1
CLK_TO_Q = {'TRELLIS_FF': 0.4, 'DP16KD': 4.5, 'TRELLIS_DPR16X4': 0.5}
SETUP, ENABLE = 0.1, 0.2


class Netlist:
    """Combinational arcs into each bit, start delays, and ends."""

    def __init__(self, module):
        self.arcs, self.start, self.ends, self.fan = {}, {}, [], Counter()
        self.names = names(module)
        for name, cell in module['cells'].items():
            getattr(self, cell['type'].lower(), self.other)(name, cell['type'], cell['connections'])
        self.arrival, self.source = {}, {}

    def bits(self, pins, pattern):
        return [(p, b) for p, bits in pins.items() if re.fullmatch(pattern, p) for b in bits if isinstance(b, int)]

    def through(self, pins, inputs, outputs, delay, routed=True):
        for _, i in self.bits(pins, inputs):
            self.fan[i] += routed
            for _, o in self.bits(pins, outputs):
                self.arcs.setdefault(o, []).append((i, delay, routed))

    def into(self, pins, inputs, setup, end):
        for p, b in self.bits(pins, inputs):
            self.fan[b] += 1
            self.ends.append((b, setup, f'{end} {p}'))

    def out_of(self, pins, outputs, kind):
        for _, b in self.bits(pins, outputs):
            self.start[b] = CLK_TO_Q[kind]

    def trellis_ff(self, name, kind, pins):
        end = self.names.get(pins['Q'][0], name)
        self.out_of(pins, 'Q', kind)
        self.into(pins, 'DI|M', SETUP, end)
        self.into(pins, 'CE|LSR', ENABLE, end)

    def lut4(self, name, kind, pins):
        self.through(pins, '[ABCD]', 'Z', LUT)

    def pfumx(self, name, kind, pins):
        self.through(pins, '[AB]LUT', 'Z', MUX, routed=False)
        self.through(pins, 'C0', 'Z', MUX)

    def l6mux21(self, name, kind, pins):
        self.through(pins, 'D[01]', 'Z', MUX, routed=False)
        self.through(pins, 'SD', 'Z', MUX)

    def ccu2c(self, name, kind, pins):
        for half, later in (('0', 'S1|COUT'), ('1', 'COUT')):
            self.through(pins, f'[ABCD]{half}', f'S{half}', LUT)
            self.through(pins, f'[ABCD]{half}', later, CARRY_IN)
        self.through(pins, 'CIN', 'COUT', CARRY, routed=False)
        self.through(pins, 'CIN', 'S[01]', CARRY_OUT, routed=False)

    def mult18x18d(self, name, kind, pins):
        self.through(pins, r'[AB]\d+|SIGNED[AB]', r'P\d+', MULT)

    def dp16kd(self, name, kind, pins):
        self.out_of(pins, r'DO[AB]\d+', kind)
        self.into(pins, r'(DI|AD)[AB]\d+|CE[AB]|WE[AB]|OCE[AB]|RST[AB]', SETUP, name)

    def trellis_dpr16x4(self, name, kind, pins):
        self.out_of(pins, 'DO', kind)
        self.through(pins, 'RAD', 'DO', LUT)
        self.into(pins, 'WAD|DI|WRE', SETUP, name)

    def other(self, name, kind, pins):
        raise SystemExit(f'timing: {kind} of {name} has no delays here')

    def arrive(self, end):
        """Latest arrival at a bit; without recursion, since carry chains are long."""
        todo = [end]
        while todo:
            bit = todo[-1]
            missing = [i for i, _, _ in self.arcs.get(bit, ()) if i not in self.arrival]
            if bit not in self.arrival and missing:
                todo += missing
                continue
            todo.pop()
            best = (self.start.get(bit, 0.0), None)
            for i, delay, routed in self.arcs.get(bit, ()):
                best = max(best, (self.arrival[i] + delay + (self.wire(i) if routed else 0), i), key=lambda x: x[0])
            self.arrival[bit], self.source[bit] = best
        return self.arrival[end]

    def wire(self, bit):
        return WIRE + FANOUT * math.log2(1 + self.fan[bit])

    def path(self, bit):
        while bit is not None:
            yield bit
            bit = self.source[bit]


def names(module):
    """A name for each bit: of the user's if there is one, the shortest."""
    best = {}
    for name, net in module['netnames'].items():
        for i, bit in enumerate(net['bits']):
            if isinstance(bit, int):
                full = (net.get('hide_name', 0), len(name), f'{name}[{i}]' if len(net['bits']) > 1 else name)
                best[bit] = min(best.get(bit, full), full)
    return {bit: full[2].removeprefix('u_dut.') for bit, full in best.items()}


def group(name):
    """The register without its index, generate loops as [*], and nothing of what yosys appends."""
    name = re.sub(r'_(TRELLIS_FF|LUT4|PFUMX|L6MUX21|CCU2C|MULT18X18D|TRELLIS_DPR16X4)_.*', '~', name.split(' ')[0])
    return re.sub(r'\[\d+\](?=\.)', '[*]', re.sub(r'\[\d+\]$', '', name))


def main():
    netlist = Netlist(json.loads(open(sys.argv[1], encoding='utf-8').read())['modules']['vb_ring'])
    limit = float(sys.argv[2]) if len(sys.argv) > 2 else 12.0
    ends = sorted(((netlist.arrive(b) + netlist.wire(b) + setup, end, b) for b, setup, end in netlist.ends), reverse=True)
    for wanted in sys.argv[3:]:
        time, end, bit = next(e for e in ends if wanted in e[1])
        print(f'{time:5.1f} ns into {end}')
        for b in netlist.path(bit):
            print(f'  {netlist.arrival[b]:5.2f} fan-out {netlist.fan[b]:4d} {netlist.names[b]}')
    if len(sys.argv) > 3:
        return
    groups = {}
    for time, end, bit in ends:
        if time < limit:
            break
        steps = list(netlist.path(bit))
        start = group(netlist.names[steps[-1]])
        entry = groups.setdefault((start, group(end).rpartition('.')[0]), [time, len(steps), 0, start, end])
        entry[2] += 1
    print(f'longest {ends[0][0]:.1f} ns; {len(groups)} groups above {limit:g} ns')
    for time, steps, count, start, end in groups.values():
        print(f'{time:5.1f} ns {steps:3d} cells x{count:<4d} {start} -> {group(end)} ({end.rpartition(" ")[2]})')


if __name__ == '__main__':
    main()
