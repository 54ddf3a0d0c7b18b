#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Line coverage of the RTL: adds up what many models counted, over instances and configurations.

    coverage.py DATA       DATA holds Verilator's coverage files; prints a table by module and every point that never ran

A point is a branch or block of an always block. One that cannot run has a reason in tests/hw/coverage.waivers:
FILE :: KIND :: TEXT OF THE LINE :: REASON. Exit status 1: a point without a reason never ran, or a reason is of one that runs.
"""
import collections
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
FIELD = re.compile("\x01([^\x02]*)\x02([^\x01]*)")


def points(folder):
    """(file, line, column, kind) -> count"""
    counts = collections.Counter()
    files = sorted(folder.glob("*.dat"))
    if not files:
        sys.exit(f"coverage.py: {folder}: no coverage files")
    for path in files:
        for line in path.read_text().splitlines():
            if not line.startswith("C '"):
                continue
            key, count = line[3:].rsplit("' ", 1)
            f = dict(FIELD.findall(key))
            counts[f["f"], int(f["l"]), int(f["n"]), f["o"]] += int(count)
    return counts


def waivers(path):
    found = {}
    for i, line in enumerate(path.read_text().splitlines(), 1):
        if line and not line.startswith("#"):
            parts = line.split(" :: ")
            if len(parts) != 4 or not all(parts):
                sys.exit(f"coverage.py: {path}:{i}: not FILE :: KIND :: TEXT :: REASON")
            found[tuple(parts[:3])] = i
    return found


def main(folder):
    counts = points(pathlib.Path(folder))
    waived, used, missing = waivers(HERE / "coverage.waivers"), set(), []
    table = collections.defaultdict(lambda: [0, 0, 0])
    for (name, line, _, kind), count in sorted(counts.items()):
        text = pathlib.Path(name).read_text().splitlines()[line - 1].strip()
        row = table[name]
        row[0] += 1
        if count:
            row[1] += 1
        elif (name, kind, text) in waived:
            row[2] += 1
            used.add((name, kind, text))
        else:
            missing.append(f"{name}:{line}: {kind} never ran: {text}")
    print("points    ran  waived")
    for name, (all_, ran, excused) in sorted(table.items()):
        print(f"{all_:6} {ran:6} {excused:7}  {name}")
    total = [sum(r[i] for r in table.values()) for i in range(3)]
    print(f"{total[0]:6} {total[1]:6} {total[2]:7}  all: {100 * total[1] / total[0]:.1f} %")
    for line in missing:
        print(line)
    stale = sorted(waived.keys() - used)
    for point in stale:
        print(f"tests/hw/coverage.waivers:{waived[point]}: no point that never ran: {' :: '.join(point)}")
    return bool(missing or stale)


if len(sys.argv) != 2:
    sys.exit(__doc__)
sys.exit(main(sys.argv[1]))
