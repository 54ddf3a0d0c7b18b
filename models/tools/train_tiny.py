# SPDX-License-Identifier: Apache-2.0
"""Trains the tiny checkpoints of models/tiny on public-domain text (CPU, one thread).

    train_tiny.py text  --work DIR                    corpus check, held-out sample, tokeniser
    train_tiny.py train --work DIR --arch moe|dense   trains and saves models/tiny/<arch>
    train_tiny.py eval  --model DIR                   held-out bits per byte of a saved checkpoint
    train_tiny.py say   --model DIR --prompt TEXT     greedy/sampled continuation, to look at

Random weights are no substitute: their attention is flat and their routing even, which makes sparse
attention, expert caching and quantisation look far better (or worse) than on a trained model.
"""

import argparse
import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM

import tiny_corpus as corpus

TINY = Path(__file__).resolve().parent.parent / "tiny"
CORPUS_SHA256 = "b934db11e01c69fd354bf90d828a82bd7249136eb5b3e34921ff93c5d0b81894"
HELD_OUT_BYTES = 64 * 1024
WINDOW = 512  # tokens per training sequence and per evaluation window

COMMON = dict(
    vocab_size=corpus.VOCAB,
    hidden_size=128,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=32,
    max_position_embeddings=2048,
    rms_norm_eps=1e-6,
    tie_word_embeddings=True,
    initializer_range=0.04,
    bos_token_id=None,
    eos_token_id=None,
    pad_token_id=None,
)


def new_model(arch: str):
    if arch == "moe":
        config = Qwen3MoeConfig(
            **COMMON,
            intermediate_size=384,
            num_experts=16,
            num_experts_per_tok=4,
            moe_intermediate_size=64,
            norm_topk_prob=True,
            decoder_sparse_step=1,
            mlp_only_layers=[],
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        )
        return Qwen3MoeForCausalLM._from_config(config, dtype=torch.float32, attn_implementation="sdpa")
    # Original length 256: at 512 positions the slowest frequencies are scaled, one lies in the blend.
    rope = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0)
    config = LlamaConfig(**COMMON, intermediate_size=384, rope_parameters={**rope, "original_max_position_embeddings": 256})
    return LlamaForCausalLM._from_config(config, dtype=torch.float32, attn_implementation="sdpa")


def load_model(folder: Path):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    return model.eval()


def make_text(work: Path) -> tuple[list[np.ndarray], list[tuple[int, int]]]:
    """Writes held-out sample and tokenisers; returns the encoded training parts and the merges."""
    docs = corpus.documents(work)
    found = corpus.corpus_sha256(docs)
    if found != CORPUS_SHA256:
        raise SystemExit(f"corpus SHA-256 is {found}, expected {CORPUS_SHA256}: other package versions?")
    training = [corpus.split(text)[0] for text in docs.values()]
    merges = corpus.train_merges(training)
    TINY.mkdir(parents=True, exist_ok=True)
    (TINY / "heldout.txt").write_text(corpus.heldout_sample(docs, HELD_OUT_BYTES), encoding="utf-8", newline="\n")
    for arch in ("moe", "dense"):
        corpus.write_tokenizer(TINY / arch, merges)
    return [corpus.encode(text, merges) for text in training], merges


def check_tokenizer(work: Path, merges: list[tuple[int, int]]) -> int:
    """The library and our rank-order pass must agree, and decoding must give the text back."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(TINY / "moe" / "tokenizer.json"))
    rng = np.random.default_rng(7)
    samples = 0
    for text in corpus.documents(work).values():
        for start in rng.integers(0, len(text) - 2000, 8):
            sample = text[start : start + 2000]
            ids = tokenizer.encode(sample).ids
            if ids != corpus.encode(sample, merges).tolist() or tokenizer.decode(ids) != sample:
                raise SystemExit(f"tokenisers disagree at character {start}")
            samples += 1
    return samples


def expert_load(model, ids: torch.Tensor) -> list[list[float]]:
    """Per MoE layer, each expert's share of the routed (token, slot) pairs, times the expert count."""
    k, experts = model.config.num_experts_per_tok, model.config.num_experts
    totals = None
    with torch.no_grad():
        for chunk in ids.split(8):
            logits = model(input_ids=chunk, output_router_logits=True, use_cache=False).router_logits
            counts = torch.stack([torch.bincount(z.topk(k, -1).indices.flatten(), minlength=experts) for z in logits])
            totals = counts if totals is None else totals + counts
    return (totals / totals.sum(1, keepdim=True) * experts).tolist()


def attention_mass(model, ids: torch.Tensor) -> dict[str, list[float]]:
    """Per layer, the attention probability in the 16 and 64 strongest and in the 64 nearest keys, mean
    over heads and over the queries of the second half of the window (256 or more keys to choose from)."""
    model.set_attn_implementation("eager")
    sums = torch.zeros(3, model.config.num_hidden_layers)
    with torch.no_grad():
        for window in ids:
            out = model(input_ids=window[None], output_attentions=True, use_cache=False)
            for layer, p in enumerate(out.attentions):
                p = p[0, :, WINDOW // 2 :]
                top = p.sort(-1, descending=True).values
                near = torch.ones(WINDOW, WINDOW).tril().triu(-63)[WINDOW // 2 :].bool()
                sums[0, layer] += top[..., :16].sum(-1).mean()
                sums[1, layer] += top[..., :64].sum(-1).mean()
                sums[2, layer] += p.masked_fill(~near, 0.0).sum(-1).mean()
    model.set_attn_implementation("sdpa")
    rows = [[round(v, 3) for v in row] for row in (sums / len(ids)).tolist()]
    return dict(zip(("attention_top16", "attention_top64", "attention_nearest64"), rows))


def evaluate(model, merges, text: str) -> dict:
    """Held-out figures. The text is encoded in one go and cut into consecutive windows of 512 tokens
    (the last may be shorter); each window starts with an empty cache and its first token is not scored.
    bits_per_byte divides the scored bits by the bytes of the scored tokens."""
    ids = corpus.encode(text, merges)
    spelled = [bytes([b]) for b in range(256)]
    for a, b in merges:
        spelled.append(spelled[a] + spelled[b])
    lengths = np.array([len(s) for s in spelled])
    nats = scored_bytes = scored = 0
    with torch.no_grad():
        for at in range(0, len(ids), WINDOW):
            window = torch.from_numpy(ids[at : at + WINDOW].astype(np.int64))[None]
            logits = model(input_ids=window, use_cache=False).logits[0, :-1]
            nats += F.cross_entropy(logits, window[0, 1:], reduction="sum").item()
            scored += window.shape[1] - 1
            scored_bytes += int(lengths[ids[at + 1 : at + WINDOW]].sum())
    result = {
        "heldout_bytes": len(text.encode()),
        "heldout_tokens": len(ids),
        "scored_tokens": scored,
        "scored_bytes": scored_bytes,
        "nats_per_token": round(nats / scored, 5),
        "perplexity": round(math.exp(nats / scored), 4),
        "bits_per_byte": round(nats / math.log(2) / scored_bytes, 5),
    }
    whole = torch.from_numpy(ids[: len(ids) // WINDOW * WINDOW].astype(np.int64)).reshape(-1, WINDOW)
    result |= attention_mass(model, whole[::4])
    if hasattr(model.config, "num_experts"):
        load = expert_load(model, whole)
        result["expert_load_max_over_mean"] = [round(max(layer), 3) for layer in load]
        result["expert_load_min_over_mean"] = [round(min(layer), 3) for layer in load]
    return result


def balance_loss(router_logits, k: int) -> torch.Tensor:
    """Switch loss summed over layers. Per layer, unlike the library's, which pools all layers first:
    there an expert starved in one layer is excused by its busy namesake in another."""
    total = 0.0
    for z in router_logits:
        p = z.float().softmax(-1)
        share = F.one_hot(p.topk(k, -1).indices, p.shape[-1]).float().sum(1).mean(0)
        total = total + p.shape[-1] * (share * p.mean(0)).sum()
    return total


def learning_rate(step: int, steps: int, peak: float, warm: int) -> float:
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def save(model, arch: str) -> None:
    # A copy: casting the model itself would also round its RoPE tables, for the rest of the training.
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(TINY / arch)
    (TINY / arch / "generation_config.json").unlink(missing_ok=True)
    for path in (TINY / arch).iterdir():
        path.chmod(0o644)


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    parts, merges = make_text(args.work)
    tokens = np.concatenate(parts).astype(np.int64)
    # A second stage starts from stored weights; the optimiser's moments start anew, hence its warm-up.
    model = load_model(args.init).train() if args.init else new_model(args.arch)
    moe = args.arch == "moe"
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.95), fused=True)
    sample = torch.from_numpy(tokens[: 16 * WINDOW]).reshape(16, WINDOW)
    began, running = time.time(), None
    last = min(args.stop or args.steps, args.steps)
    for step in range(last):
        rate = learning_rate(step, args.steps, args.lr, args.warm)
        for group in optimiser.param_groups:
            group["lr"] = rate
        starts = rng.integers(0, len(tokens) - WINDOW, args.batch)
        batch = torch.from_numpy(np.stack([tokens[s : s + WINDOW + 1] for s in starts]))
        out = model(input_ids=batch[:, :-1], use_cache=False, **({"output_router_logits": True} if moe else {}))
        loss = F.cross_entropy(out.logits.flatten(0, 1), batch[:, 1:].flatten())
        extra = args.aux * balance_loss(out.router_logits, model.config.num_experts_per_tok) if moe else 0.0
        optimiser.zero_grad(set_to_none=True)
        (loss + extra).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        running = loss.item() if running is None else 0.98 * running + 0.02 * loss.item()
        if (step + 1) % args.log_every == 0:
            line = f"step {step + 1} loss {running:.4f} lr {rate:.2e} {(step + 1) / (time.time() - began):.2f} steps/s"
            if moe and (step + 1) % (5 * args.log_every) == 0:
                load = expert_load(model, sample)
                line += "  load " + " ".join(f"{min(layer):.2f}-{max(layer):.2f}" for layer in load)
            print(line, flush=True)
        if args.save_every and (step + 1) % args.save_every == 0:
            save(model, args.arch)
    save(model, args.arch)
    minutes = (time.time() - began) / 60
    # Figures of the stored (bfloat16) weights, not of the float32 ones that were trained.
    final = load_model(TINY / args.arch)
    text = (TINY / "heldout.txt").read_text(encoding="utf-8")
    report = {
        "command": f"train_tiny.py train --arch {args.arch} --steps {args.steps} --batch {args.batch} --lr {args.lr} "
        f"--warm {args.warm} --seed {args.seed}"
        + (f" --aux {args.aux}" if moe else "")
        + (f" --stop {args.stop}" if args.stop else "")
        + (f" --init models/tiny/{args.arch}" if args.init else ""),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "corpus_sha256": CORPUS_SHA256,
        "parameters": sum(p.numel() for p in final.parameters()),
        "training_tokens_seen": last * args.batch * WINDOW,
        "training_minutes_one_thread": round(minutes, 1),
        **evaluate(final, merges, text),
    }
    (TINY / args.arch / "training.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


def say(args: argparse.Namespace) -> None:
    model, merges = load_model(args.model), corpus.read_merges(args.model)
    torch.manual_seed(args.seed)
    spelled = [bytes([b]) for b in range(256)]
    for a, b in merges:
        spelled.append(spelled[a] + spelled[b])
    ids = torch.from_numpy(corpus.encode(args.prompt, merges).astype(np.int64))[None]
    out = model.generate(ids, max_new_tokens=args.tokens, do_sample=args.temperature > 0, temperature=args.temperature or 1.0, top_k=0)
    print(b"".join(spelled[i] for i in out[0].tolist()).decode("utf-8", "replace"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    p = commands.add_parser("text")
    p.add_argument("--work", type=Path, required=True, help="folder for downloaded packages, outside the repository")
    p = commands.add_parser("train")
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--arch", choices=("moe", "dense"), required=True)
    p.add_argument("--steps", type=int, default=4000)
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--lr", type=float, default=3e-3)
    p.add_argument("--warm", type=int, default=100)
    p.add_argument("--aux", type=float, default=0.0003, help="balance loss per layer (MoE)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--init", type=Path, help="checkpoint to go on from, instead of random weights")
    p.add_argument("--stop", type=int, default=0, help="end after so many of --steps, before the decay is done")
    p.add_argument("--log-every", type=int, default=50)
    p.add_argument("--save-every", type=int, default=0, help="steps between intermediate saves")
    p = commands.add_parser("eval")
    p.add_argument("--model", type=Path, required=True)
    p.add_argument("--text", type=Path, default=TINY / "heldout.txt")
    p.add_argument("--update", action="store_true", help="store the figures in the model's training.json")
    p = commands.add_parser("say")
    p.add_argument("--model", type=Path, required=True)
    p.add_argument("--prompt", default="It was a ")
    p.add_argument("--tokens", type=int, default=200)
    p.add_argument("--temperature", type=float, default=0.7)
    p.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if args.command == "text":
        merges = make_text(args.work)[1]
        print(f"tokeniser agrees with the library on {check_tokenizer(args.work, merges)} samples")
    elif args.command == "train":
        train(args)
    elif args.command == "eval":
        text = args.text.read_text(encoding="utf-8")
        figures = evaluate(load_model(args.model), corpus.read_merges(args.model), text)
        print(json.dumps(figures, indent=1))
        if args.update:
            report = args.model / "training.json"
            report.write_text(json.dumps({**json.loads(report.read_text()), **figures}, indent=1) + "\n")
    else:
        say(args)


if __name__ == "__main__":
    main()
