#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write docs/accuracy.md from `verbatim errors` over the tiny trained models and the fixtures.

Usage: accuracy.py VERBATIM OUT.md
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

INTRO = """<!-- SPDX-License-Identifier: Apache-2.0 -->
<!-- Written by `make docs-accuracy`. Do not edit. -->
# Accuracy

How far the contract's arithmetic ([numerics.md](numerics.md)) is from exact arithmetic on real models, beside the same figure for
bf16. `verbatim errors MODEL -o FILE.md` makes such tables for any model.

- **Truth** is the algorithm in fp64 on the raw weights (`verbatim truth`).
- **bf16** is truth with matrices, biases and every operator's result rounded to bf16, sums and everything inside an operator kept
  wide, routing included: what a careful bf16 implementation gives. It rounds weights only where the checkpoint is wider than bf16, whereas the contract
  puts every matrix into 8-bit blocks, which is most of its distance.
- NMSE is the sum of squared differences over the sum of squares of truth's logits; KL is that of truth's distribution from the
  other, in nats a token; top-1 is the share of positions with the same most likely token.
- The fixtures have random weights: their logits are nearly flat, so that a small change moves the most likely token, and their routers
  and indexers meet near ties, where one flip moves a whole expert. The trained models say more.
"""


def study(verbatim, model, arguments):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "e.json")
        subprocess.run([verbatim, "errors", model, *arguments, "--json", out, "-q"], check=True)
        with open(out, encoding="utf-8") as f:
            return json.load(f)


def tokens(verbatim, model):
    """A fixed token list: random weights have no language."""
    seen = subprocess.run([verbatim, "inspect", model], check=True, capture_output=True, text=True).stdout
    vocab, state, ids = int(re.search(r"vocabulary (\d+)", seen).group(1)), 1, []
    for _ in range(48):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        ids.append(str((state >> 33) % vocab))
    return ["-t", ",".join(ids)]


def end_to_end(studies):
    lines = ["| model | family | tokens | NMSE | bf16 | KL | bf16 | top-1 | bf16 |", "|---|---|---|---|---|---|---|---|---|"]
    for s in studies:
        c, b = s["contract"], s["bf16"]
        lines.append(
            f"| {os.path.basename(s['model'])} | {s['model_type']} | {s['tokens']} | {c['nmse']:.1e} | {b['nmse']:.1e} "
            f"| {c['kl']:.1e} | {b['kl']:.1e} | {100 * c['top1']:.0f} % | {100 * b['top1']:.0f} % |")
    return "\n".join(lines) + "\n"


def number(x):
    return f"{x:.1e}" if x else "0"


def by_kind(studies):
    """Every kind of operator: range of its relative RMS error over models and places, worst element, selections."""
    kinds = {}
    for s in studies:
        for row in s["operators"]:
            # The router's logits are 14-bit blocks.
            kind = "linear (router)" if row["operator"] == "router_logits" else row["kind"]
            kinds.setdefault(kind, []).append(row)
    lines = ["| operator | values | least RMS error | largest | largest error / RMS | other selections |", "|---|---|---|---|---|---|"]
    for kind in sorted(kinds):
        rows, with_values = kinds[kind], [r for r in kinds[kind] if r["values"]]
        other, all_ = sum(r["other_selections"] for r in rows), sum(r["selections"] for r in rows)
        errors = [r["relative_rms"] for r in with_values]
        numbers = f"{number(min(errors))} | {number(max(errors))} | {number(max(r['max'] for r in with_values))}" if errors else "- | - | -"
        lines.append(f"| {kind} | {sum(r['values'] for r in rows)} | {numbers} | {f'{other} of {all_}' if all_ else '-'} |")
    return "\n".join(lines) + "\n"


def operators(s):
    lines = ["| operator | kind | RMS error | largest error / RMS | other selections |", "|---|---|---|---|---|"]
    for r in s["operators"]:
        numbers = f"{number(r['relative_rms'])} | {number(r['max'])}" if r["values"] else "- | -"
        chosen = f"{r['other_selections']} of {r['selections']}" if r["selections"] else "-"
        lines.append(f"| {r['operator']} | {r['kind']} | {numbers} | {chosen} |")
    return "\n".join(lines) + "\n"


def main():
    verbatim, out = sys.argv[1:]
    with open("models/tiny/heldout.txt", encoding="utf-8") as f:
        text = f.read()[:400]
    trained = [study(verbatim, os.path.dirname(p), ["-p", text]) for p in sorted(glob.glob("models/tiny/*/config.json"))]
    fixtures = [os.path.dirname(p) for p in sorted(glob.glob("tests/fixtures/*/config.json"))]
    random = [study(verbatim, m, tokens(verbatim, m)) for m in fixtures]
    parts = [INTRO, "\n## Trained models (`models/tiny`)\n\nHeld-out text.\n\n", end_to_end(trained)]
    parts += ["\n## Random weights (`tests/fixtures`)\n\n", end_to_end(random)]
    parts += ["\n## By operator, all models\n\nEach operator against fp64 on the same inputs, matrices raw: the error that it adds, not what it inherits. "
              "Errors are relative to the RMS of the operator's exact output.\n\n", by_kind(trained + random)]
    parts.append("\n## By place, trained models\n")
    for s in trained:
        parts += [f"\n### {os.path.basename(s['model'])}\n\n", operators(s)]
    with open(out + ".tmp", "w", encoding="utf-8") as f:
        f.write("".join(parts))
    os.replace(out + ".tmp", out)


main()
