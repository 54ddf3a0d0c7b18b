# SPDX-License-Identifier: Apache-2.0
"""Synthesis of unique modules, kept by the digest of module, flow and tool: BASE-DIGEST-KEY.json (cells, seconds, MiB)."""
import hashlib
import json
import os
import subprocess
import sys
import time

from importlib.metadata import version
from pathlib import Path

import worker

HERE = Path(__file__).resolve().parent
BATCH = 250_000  # bytes of RTLIL synthesised by one process, which spends 4 s on its libraries


class Cache:
    def __init__(self, folder, limit_s):
        self.folder, self.limit_s = Path(folder), limit_s
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key = hashlib.sha256(f'{worker.FLOW} {version("pyosys")}'.encode()).hexdigest()[:8]

    def path(self, module, end):
        return self.folder / f'{module.base}-{module.digest}-{self.key}{end}'

    def fill(self, modules):
        """Synthesise what is missing: small modules together, smallest first, so that an end before time leaves much done."""
        missing = sorted((m for m in modules.values() if not self.path(m, '.json').exists()), key=lambda m: len(m.text))
        while missing:
            batch = [missing.pop(0)]
            while missing and sum(len(m.text) for m in batch) + len(missing[0].text) < BATCH:
                batch.append(missing.pop(0))
            self.synthesise(batch, modules)

    def synthesise(self, batch, modules):
        inside = {m.digest for m in batch}
        stubs = {d for m in batch for d in m.children} - inside
        part = self.folder / f'part{os.getpid()}'
        source, log = Path(f'{part}.in.il'), self.path(batch[-1], '.log')
        source.write_text(''.join(modules[d].stub for d in sorted(stubs)) + ''.join(m.text for m in batch))
        begin = time.monotonic()
        with open(log, 'w') as out:
            run = subprocess.run([sys.executable, HERE / 'worker.py', source, f'{part}.json', *(m.name for m in batch)],
                                 stdout=out, stderr=out, timeout=self.limit_s, check=False)
        if run.returncode:
            raise SystemExit(f'silicon: synthesis failed, see {log} and {source}')
        result = json.loads(Path(f'{part}.json').read_text())
        size = sum(len(m.text) for m in batch)
        for m in batch:
            share = {'cells': result['cells'][m.name], 'seconds': round(result['seconds'] * len(m.text) / size, 2), 'peak_mib': result['peak_mib']}
            self.path(m, '.json').write_text(json.dumps(share))
        for f in (source, log, Path(f'{part}.json')):
            f.unlink(missing_ok=True)
        names = ' '.join(sorted({m.base for m in batch}))
        print(f'  SYN   {time.monotonic() - begin:6.1f} s {result["seconds"]:6.1f} s CPU {result["peak_mib"]} MiB: {names}', flush=True)

    def result(self, module):
        return json.loads(self.path(module, '.json').read_text())


def instances(modules, top):
    """How often each unique module stands in the top."""
    count = {top.digest: 1}
    for module in reversed(modules.values()):
        for digest, n in module.children.items():
            count[digest] = count.get(digest, 0) + n * count.get(module.digest, 0)
    return count
