# SPDX-License-Identifier: Apache-2.0
"""Elaborate a unit with read_slang and cut it into its unique modules.

read_slang makes one module an INSTANCE; thirty-two equal rows would be synthesised thirty-two times. Two modules are taken as
one when their text is equal after source positions are dropped, automatic names are numbered in order of appearance and
submodules are named by their own digest, bottom up. The digest is also the key of the synthesis cache: a change in one
leaf costs the synthesis of that leaf and of the modules that hold it by name only (their text names the new digest).
"""
import hashlib
import re
import subprocess
import sys
import tempfile

from pathlib import Path

MODULE = re.compile(r'^(?:attribute [^\n]*\n)*module (\S+)\n.*?^end\n', re.M | re.S)
CELL = re.compile(r'^  cell (\S+) (\S+)$', re.M)
PORT = re.compile(r'^  wire [^\n]*(?:input|output|inout) [^\n]*\n', re.M)
AUTO = re.compile(r'(?<=[\s{])\$[^\s\[\]{}]+')


def sources(unit, config, root=Path('.')):
    """Files of a unit for a configuration; checkers and bind files are for simulation only."""
    hw = root / 'hw'
    packages = [hw / 'common/vb_tables_pkg.sv', hw / 'common/vb_pkg.sv', hw / 'config' / config / 'vb_cfg_pkg.sv']
    packages += sorted((hw / unit).glob('*_pkg.sv'))
    rest = [f for d in ('common', unit) for f in sorted((hw / d).glob('*.sv'))]
    return packages + [f for f in rest if not re.search(r'_(pkg|chk|bind)\.sv$', f.name)]


def yosys(script, log):
    """Run a yosys script in a process of its own (the library ends the process on an error); its end is shown when it fails."""
    log = Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    code = 'import sys; from pyosys import libyosys as ys; d = ys.Design(); [ys.run_pass(l, d) for l in sys.stdin.read().splitlines() if l]'
    with open(log, 'wb') as out:
        run = subprocess.run([sys.executable, '-c', code], input=script.encode(), stdout=out, stderr=out, check=False)
    if run.returncode:
        sys.stderr.write('\n'.join(log.read_text(errors='replace').splitlines()[-20:]) + '\n')
        raise SystemExit(f'yosys failed, see {log}')


def read(unit, config, options=''):
    """Script that reads a unit, one module an instance. Assertions are for simulation and proofs."""
    files = ' '.join(str(f) for f in sources(unit, config))
    return f'read_slang --ignore-assertions --keep-hierarchy -Ihw/common {options} --top vb_{unit} {files}\nhierarchy -check\n'


def elaborate(unit, config, log):
    """RTLIL text of the whole unit."""
    with tempfile.NamedTemporaryFile(suffix='.il') as out:
        yosys(read(unit, config) + f'write_rtlil {out.name}\n', log)
        return Path(out.name).read_text()


class Module:
    """One unique module: digest, canonical text, port stub, children as {digest: count}."""

    def __init__(self, base, text, children):
        self.base, self.children = base, children
        self.digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.name = f'\\{base}${self.digest}'
        self.text = text.replace('module \\@', f'module {self.name}', 1)
        self.stub = f'attribute \\blackbox 1\nmodule {self.name}\n' + ''.join(PORT.findall(text)) + 'end\n'


def canonical(body, kinds):
    """Text that equal modules share; kinds maps the original type of a submodule to its Module."""
    body = re.sub(r'^ *attribute \\(?:src|hdlname|top|keep_hierarchy|always_ff|always_comb|single_bit_vector|wiretype)\b[^\n]*\n', '', body, flags=re.M)
    body = re.sub(r'module \S+', lambda _: 'module \\@', body, count=1)
    body = CELL.sub(lambda m: f'  cell {kinds[m[1]].name} {m[2]}' if m[1] in kinds else m[0], body)
    names = {}

    def number(match):
        return names.setdefault(match[0], f'$n{len(names)}')
    # Types of cells begin with $ too; automatic names are those that a wire, memory or cell declares.
    declared = set(re.findall(r'^  (?:wire|memory)\b.* (\$\S+)$', body, re.M)) | {n for _, n in CELL.findall(body) if n[0] == '$'}
    body = AUTO.sub(lambda m: number(m) if m[0] in declared else m[0], body)
    # MEMID parameters name memories as strings.
    return re.sub(r'(?<=MEMID ")(\\?)(\$[^"]+)"', lambda m: f'{m[1]}{names.get(m[2], m[2])}"', body)


def split(text):
    """Text of each module by name."""
    return {m[1]: m[0] for m in MODULE.finditer(text)}


def unique(text, top):
    """(modules by digest in bottom-up order, top Module)."""
    bodies = split(text)
    done, order = {}, {}

    def visit(name):
        if name in done:
            return done[name]
        counts = {}
        for kind, _ in CELL.findall(bodies[name]):
            if kind in bodies:
                child = visit(kind)
                counts[child.digest] = counts.get(child.digest, 0) + 1
        base = re.split(r'[$]', name[1:])[0]
        module = Module(base, canonical(bodies[name], done), counts)
        done[name] = order.setdefault(module.digest, module)
        return done[name]
    sys.setrecursionlimit(10000)
    return order, visit(top)
