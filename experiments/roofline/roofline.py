#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where do the units lie under their roofs? Cycles by `verbatim cycles`, memory roofs by the program roof (run.sh).

    roofline.py VERBATIM ROOF OUT.json [FIGURE.svg]

Writes the points, prints them as a table, and draws them when a figure is asked for (matplotlib).
"""
import json
import pathlib
import subprocess
import sys
import tempfile

ROWS = {"base": 8, "paper": 32}
LANES = 32
# name, unit, arguments, query rows that share a key at a time, for the memory roof: bytes of a key record, and from one to the next
GQA = "dk=128 dv=128"
MLA = "dk=576 dv=512 flags=1"
JOBS = [
    ("prefill 512 x 8192, GQA 4", "attention", f"rows=2048 rows_per_token=4 {GQA} key_end=8192 first_count=7681", 2048, (160, 160)),
    ("prefill 64 x 8192, MLA", "attention", f"rows=8192 rows_per_token=128 {MLA} key_end=8192 first_count=8129", 8192, (608, 608)),
    ("decode, MLA, 2048 of 16384 keys", "attention", f"rows=128 rows_per_token=128 {MLA} key_end=16384 first_count=16384 list_block=1 list_count=2048", 128, (608, 8 * 608)),
    ("decode, GQA 8, 8192 keys", "attention", f"rows=8 rows_per_token=8 {GQA} key_end=8192 first_count=8192", 8, (160, 160)),
    ("decode, GQA 4, 8192 keys", "attention", f"rows=4 rows_per_token=4 {GQA} key_end=8192 first_count=8192", 4, (160, 160)),
    ("decode, MHA, 8192 keys", "attention", f"rows=1 rows_per_token=1 {GQA} key_end=8192 first_count=8192", 1, (160, 160)),
    ("decode, MHA, 2048 of 8192 keys", "attention", f"rows=1 rows_per_token=1 {GQA} key_end=8192 first_count=8192 list_block=1 list_count=2048", 1, (160, 4 * 160)),
    ("indexer, 64 heads, 16384 keys", "indexer", "heads=64 dk=128 topk=2048 first_count=16384", 64, (160, 160)),
]
CASES = [("paper", "hbm2e"), ("paper", "ddr4-2400"), ("base", "hbm2e"), ("base", "ddr4-2400")]


def predict(verbatim, config, dram, unit, args):
    with tempfile.TemporaryDirectory() as tmp:
        out = pathlib.Path(tmp) / "job.json"
        subprocess.run([verbatim, "cycles", unit, *args.split(), "--config", config, "--dram", dram, "--json", str(out)],
                       check=True, stdout=subprocess.DEVNULL)
        return json.loads(out.read_text())["jobs"][0]


def memory_roof(roof, config, dram, record, stride):
    out = subprocess.run([roof, config, dram, str(record), str(stride)], check=True, capture_output=True, text=True)
    return float(out.stdout)


def point(verbatim, roof, config, dram, job):
    name, unit, args, rows, (record, stride) = job
    j = predict(verbatim, config, dram, unit, args)
    moved = j["bytes_read"] + j["bytes_written"]
    peak, full = ROWS[config] * LANES, min(rows, ROWS[config]) * LANES
    bandwidth = memory_roof(roof, config, dram, record, stride)
    intensity = j["multiplications"] / moved
    reached = j["multiplications"] / j["cycles"]
    bound = min(full, intensity * bandwidth)
    return {"configuration": config, "dram": dram, "job": name, "cycles": j["cycles"], "bytes": moved, "multiplications": j["multiplications"],
            "intensity": round(intensity, 3), "reached": round(reached, 3), "peak": peak, "rows_roof": full, "bandwidth_roof": bandwidth,
            "bound_by": "memory" if intensity * bandwidth < full else "array", "percent_of_bound": round(100 * reached / bound, 2),
            "array_percent": round(100 * reached / peak, 2)}


def table(points):
    print(f"{'configuration':13} {'memory':10} {'job':32} {'MAC/B':>7} {'MAC/cycle':>9} {'array %':>7}  {'bound by':8} {'% of bound':>10}")
    for p in points:
        print(f"{p['configuration']:13} {p['dram']:10} {p['job']:32} {p['intensity']:7.2f} {p['reached']:9.1f} {p['array_percent']:7.1f}  "
              f"{p['bound_by']:8} {p['percent_of_bound']:10.1f}")


def draw(points, path):
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    matplotlib.rcParams["svg.hashsalt"] = "verbatim"  # the same bytes at every run
    import matplotlib.pyplot as plt
    fig, axes = plt.subplots(1, 2, figsize=(11, 4.6), sharey=True)
    for axis, config in zip(axes, ["paper", "base"]):
        peak = ROWS[config] * LANES
        for dram, marker in [("hbm2e", "o"), ("ddr4-2400", "s")]:
            mine = [p for p in points if p["configuration"] == config and p["dram"] == dram]
            best = max(p["bandwidth_roof"] for p in mine)
            xs = [0.5, peak / best, 2000]
            axis.plot(xs, [min(peak, x * best) for x in xs], "-", lw=1, color="0.3" if dram == "hbm2e" else "0.7")
            axis.plot([p["intensity"] for p in mine], [p["reached"] for p in mine], marker, ms=5, label=dram, alpha=0.8)
        for rows in sorted({p["rows_roof"] for p in points if p["configuration"] == config}):
            axis.axhline(rows, lw=0.5, ls=":", color="0.6")
        for p in points:
            if p["configuration"] == config and p["dram"] == "hbm2e":
                axis.annotate(p["job"], (p["intensity"], p["reached"]), fontsize=6, xytext=(4, -7), textcoords="offset points")
        axis.set(xscale="log", yscale="log", title=config, xlabel="useful multiplications a byte moved")
        axis.legend(fontsize=7, loc="lower right")
    axes[0].set_ylabel("useful multiplications a cycle")
    fig.tight_layout()
    fig.savefig(path, metadata={"Date": None})


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    verbatim, roof, out = sys.argv[1:4]
    points = [point(verbatim, roof, config, dram, job) for config, dram in CASES for job in JOBS]
    pathlib.Path(out).write_text(json.dumps(points, indent=1) + "\n")
    table(points)
    if len(sys.argv) == 5:
        draw(points, sys.argv[4])


if __name__ == "__main__":
    main()
