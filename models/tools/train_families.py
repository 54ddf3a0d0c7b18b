# SPDX-License-Identifier: Apache-2.0
"""Trains three more kinds of tiny checkpoints: same text, tokeniser and figures as train_tiny.py.

    train_families.py --work DIR dsa      DeepSeek-V3.2: MLA, DSA (16 indexer heads, top 64), grouped MoE
    train_families.py --work DIR hybrid   Qwen3-Next: three Gated DeltaNet layers, one gated attention, MoE
    train_families.py --work DIR window   Gemma 3: window of 64 on two layers of three, multi-query

DIR holds the downloaded packages of train_tiny.py text, whose tokeniser (models/tiny/moe) is used.
The indexer of `dsa` is trained as DeepSeek did: first dense attention, where the indexer learns the
attention's distribution (summed over heads) by a KL loss on detached inputs, then sparse attention,
where it learns that distribution among the selected keys. The router bias is trained without an
auxiliary loss: a step up for an expert with too few tokens, down for one with too many.
"""

import argparse
import json
import shutil
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from transformers import DeepseekV32Config, Gemma3TextConfig, Qwen3NextConfig
from transformers.models.deepseek_v32 import modeling_deepseek_v32 as v32

import tiny_corpus as corpus
import train_tiny
from train_tiny import CORPUS_SHA256, TINY, WINDOW

COMMON = dict(
    vocab_size=corpus.VOCAB,
    hidden_size=128,
    num_attention_heads=4,
    max_position_embeddings=2048,
    rms_norm_eps=1e-6,
    initializer_range=0.04,
    bos_token_id=None,
    eos_token_id=None,
    pad_token_id=None,
)
PLAIN = {"rope_type": "default", "rope_theta": 10000.0}


def new_config(kind: str):
    if kind == "dsa":
        return DeepseekV32Config(
            **COMMON, num_hidden_layers=4, num_key_value_heads=4, tie_word_embeddings=False,
            q_lora_rank=64, kv_lora_rank=64, qk_nope_head_dim=32, qk_rope_head_dim=16, v_head_dim=32,
            index_n_heads=16, index_head_dim=32, index_topk=64,
            intermediate_size=160, moe_intermediate_size=32, n_shared_experts=1, n_routed_experts=8,
            num_experts_per_tok=2, n_group=4, topk_group=2, routed_scaling_factor=1.5,
            norm_topk_prob=True, first_k_dense_replace=1, rope_parameters=PLAIN,
        )
    if kind == "hybrid":
        return Qwen3NextConfig(
            **COMMON, num_hidden_layers=4, num_key_value_heads=2, head_dim=32, tie_word_embeddings=True,
            linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=32, linear_value_head_dim=32,
            linear_conv_kernel_dim=4, intermediate_size=128, moe_intermediate_size=40,
            shared_expert_intermediate_size=40, num_experts=8, num_experts_per_tok=2, norm_topk_prob=True,
            decoder_sparse_step=1, mlp_only_layers=[], rope_parameters={**PLAIN, "partial_rotary_factor": 0.5},
        )
    return Gemma3TextConfig(
        **COMMON, num_hidden_layers=6, num_key_value_heads=1, head_dim=32, tie_word_embeddings=True,
        intermediate_size=256, query_pre_attn_scalar=32, sliding_window=64,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"] * 2,
        rope_parameters={
            "sliding_attention": PLAIN,
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 100000.0},
        },
    )


# ---------------------------------------------------------------------------------------------------
# DSA: the library's indexer runs without gradients.


def index_scores(indexer, x, latent, rope):
    """The same scores as DeepseekV32Indexer.forward (checked in `check_scores`), with gradients.
    One head after the other: 16 score matrices at once would be most of the step's memory traffic."""
    n, t, _ = x.shape
    r, d = indexer.qk_rope_head_dim, indexer.head_dim
    q = indexer.wq_b(latent).view(n, t, indexer.n_heads, d)
    k = indexer.k_norm(indexer.wk(x)).unsqueeze(2)
    q_rope, k_rope = v32.apply_rotary_pos_emb(q[..., :r], k[..., :r], *rope, unsqueeze_dim=2)
    q = torch.cat((q_rope, q[..., r:]), -1)
    k = torch.cat((k_rope, k[..., r:]), -1).squeeze(2)
    w = indexer.weights_proj(x) * (indexer.n_heads**-0.5 * indexer.softmax_scale)
    return sum(w[:, :, h, None] * F.relu(q[:, :, h] @ k.transpose(-1, -2)) for h in range(indexer.n_heads))


def indexer_forward(indexer, hidden_states, q_resid, position_embeddings, attention_mask, position_ids, cache=None):
    indexer.scores = index_scores(indexer, hidden_states.detach(), q_resid.detach(), position_embeddings)
    masked = indexer.scores.detach() + attention_mask
    return masked.topk(min(indexer.index_topk, masked.shape[-1]), -1).indices.to(torch.int32)


def check_scores(model, tokens) -> None:
    """Training's selection is the library's: compared on the logits, which depend on the selection."""
    with torch.no_grad():
        ours = model(input_ids=tokens, use_cache=False).logits
        keep = [layer.self_attn.indexer.__dict__.pop("forward") for layer in model.model.layers]
        theirs = model(input_ids=tokens, use_cache=False).logits
        for layer, forward in zip(model.model.layers, keep):
            layer.self_attn.indexer.forward = forward
    if not torch.allclose(ours, theirs, atol=1e-4):
        raise SystemExit(f"indexer of training and library differ by {(ours - theirs).abs().max()}")


class Sparse:
    """Hooks that train the indexers and the router biases of a V3.2 model."""

    def __init__(self, model):
        self.kl, self.model, self.routed = [], model, []
        for layer in model.model.layers:
            indexer = layer.self_attn.indexer
            indexer.forward = indexer_forward.__get__(indexer)
            layer.self_attn.register_forward_hook(self.attention)
            if hasattr(layer.mlp, "gate"):
                layer.mlp.gate.register_forward_hook(lambda gate, _i, out: self.routed.append((gate, out[2])))

    def attention(self, module, _inputs, output):
        if not module.training:
            return
        target = output[1].detach().mean(1)  # a zero where the mask or the selection excludes the key
        scores = module.indexer.scores.masked_fill(target == 0, -1e30)
        log_ratio = target.clamp_min(1e-20).log() - scores.log_softmax(-1)
        self.kl.append((target * log_ratio).sum(-1).mean())

    def take(self) -> torch.Tensor:
        total = torch.stack(self.kl).sum()
        self.kl.clear()
        return total

    def balance(self, rate: float) -> None:
        with torch.no_grad():
            for gate, chosen in self.routed:
                load = torch.bincount(chosen.flatten(), minlength=gate.num_experts).float()
                gate.e_score_correction_bias += rate * (load.mean() - load).sign()
        self.routed.clear()

    def topk(self, k: int) -> None:
        for layer in self.model.model.layers:
            layer.self_attn.indexer.index_topk = k

    def remove(self) -> None:
        for layer in self.model.model.layers:
            del layer.self_attn.indexer.__dict__["forward"]


def indexer_recall(model, ids: torch.Tensor) -> list[float]:
    """Per layer: the share of the dense attention (mean over heads, queries of the window's second
    half) that falls on the keys which the indexer selects."""
    found = [0.0] * model.config.num_hidden_layers
    chosen: dict[int, torch.Tensor] = {}
    hooks = [layer.self_attn.indexer.register_forward_hook(lambda _m, _i, out, at=i: chosen.__setitem__(at, out))
             for i, layer in enumerate(model.model.layers)]
    k = model.config.index_topk
    layers = model.model.layers
    with torch.no_grad():
        for window in ids:
            for layer in layers:
                layer.self_attn.indexer.index_topk = k
            model(input_ids=window[None], use_cache=False)
            selected = dict(chosen)
            for layer in layers:
                layer.self_attn.indexer.index_topk = WINDOW
            attentions = model(input_ids=window[None], output_attentions=True, use_cache=False).attentions
            for i, p in enumerate(attentions):
                found[i] += float(p.mean(1).gather(-1, selected[i].long())[0, WINDOW // 2 :].sum(-1).mean())
    for layer in layers:
        layer.self_attn.indexer.index_topk = k
    for hook in hooks:
        hook.remove()
    return [round(f / len(ids), 3) for f in found]


# ---------------------------------------------------------------------------------------------------


def save(model, kind: str) -> None:
    # A second model: casting the trained one would also round its RoPE tables.
    plain = type(model)._from_config(model.config, dtype=torch.bfloat16)
    plain.load_state_dict(model.state_dict())
    if kind == "dsa":  # float32 in published files
        for layer in plain.model.layers:
            if hasattr(layer.mlp, "gate"):
                layer.mlp.gate.e_score_correction_bias = layer.mlp.gate.e_score_correction_bias.float()
    plain.save_pretrained(TINY / kind)
    (TINY / kind / "generation_config.json").unlink(missing_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(TINY / "moe" / name, TINY / kind / name)
    for path in (TINY / kind).iterdir():
        path.chmod(0o644)


def train(args: argparse.Namespace) -> None:
    kind = args.kind
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    docs = corpus.documents(args.work)
    if corpus.corpus_sha256(docs) != CORPUS_SHA256:
        raise SystemExit("the corpus differs: other package versions?")
    merges = corpus.read_merges(TINY / "moe")
    tokens = np.concatenate([corpus.encode(corpus.split(t)[0], merges) for t in docs.values()]).astype(np.int64)

    # Eager attention where its probabilities are needed as the indexer's target.
    how = {"attn_implementation": "eager" if kind == "dsa" else "sdpa", "experts_implementation": "eager"}
    model = transformers.AutoModelForCausalLM.from_config(new_config(kind), dtype=torch.float32, **how).train()
    sparse = Sparse(model) if kind == "dsa" else None
    if sparse:
        check_scores(model, torch.from_numpy(tokens[None, :200]))
    routed = kind == "hybrid"
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.95), fused=True)
    dense_steps = args.steps * 3 // 5 if sparse else 0
    began, running, kl = time.process_time(), None, 0.0
    for step in range(args.steps):
        if sparse and step in (0, dense_steps):
            sparse.topk(model.config.index_topk if step else 1 << 30)
        for group in optimiser.param_groups:
            group["lr"] = train_tiny.learning_rate(step, args.steps, args.lr, args.warm)
        starts = rng.integers(0, len(tokens) - args.length, args.batch)
        batch = torch.from_numpy(np.stack([tokens[s : s + args.length + 1] for s in starts]))
        out = model(input_ids=batch[:, :-1], use_cache=False, **({"output_router_logits": True} if routed else {}))
        loss = F.cross_entropy(out.logits.flatten(0, 1), batch[:, 1:].flatten())
        total = loss
        if sparse:
            index_loss = sparse.take()
            total = loss + index_loss
            kl = index_loss.item() if not kl else 0.98 * kl + 0.02 * index_loss.item()
            sparse.balance(0.002)
        if routed:
            total = loss + args.aux * train_tiny.balance_loss(out.router_logits, model.config.num_experts_per_tok)
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        running = loss.item() if running is None else 0.98 * running + 0.02 * loss.item()
        if (step + 1) % args.log_every == 0:
            rate = (step + 1) / (time.process_time() - began)
            print(f"{kind} step {step + 1} loss {running:.4f} {rate:.2f} steps/s" + (f" kl {kl:.3f}" if sparse else ""), flush=True)
        if args.save_every and (step + 1) % args.save_every == 0:
            save(model, kind)
    minutes = (time.process_time() - began) / 60
    save(model, kind)
    report(args, merges, minutes)


def report(args: argparse.Namespace, merges, minutes: float) -> None:
    """Figures of the stored (bfloat16) weights, by the library in float32."""
    kind = args.kind
    how = {"attn_implementation": "eager" if kind == "dsa" else "sdpa", "experts_implementation": "eager"}
    final = transformers.AutoModelForCausalLM.from_pretrained(TINY / kind, dtype=torch.float32, **how).eval()
    text = (TINY / "heldout.txt").read_text(encoding="utf-8")
    figures = train_tiny.evaluate(final, merges, text)
    if kind == "hybrid":  # only one layer has attention probabilities; the library lists it first
        for key in [k for k in figures if k.startswith("attention_")]:
            figures[key] = figures[key][:1]
    if kind == "dsa":
        ids = torch.from_numpy(corpus.encode(text, merges)[: 8 * WINDOW].astype(np.int64)).reshape(-1, WINDOW)
        final.set_attn_implementation("eager")
        figures["indexer_recall"] = indexer_recall(final, ids)
    done = {
        "command": f"train_families.py {kind} --steps {args.steps} --batch {args.batch} --length {args.length} "
        f"--lr {args.lr} --warm {args.warm} --seed {args.seed}" + (f" --aux {args.aux}" if kind == "hybrid" else ""),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "corpus_sha256": CORPUS_SHA256,
        "parameters": sum(p.numel() for p in final.parameters()),
        "training_tokens_seen": args.steps * args.batch * args.length,
        "training_cpu_minutes_one_thread": round(minutes, 1),
        **figures,
    }
    (TINY / kind / "training.json").write_text(json.dumps(done, indent=1) + "\n")
    print(json.dumps(done, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("dsa", "hybrid", "window"))
    parser.add_argument("--work", type=Path, required=True, help="folder of the downloaded packages")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=WINDOW, help="tokens per training sequence")
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--warm", type=int, default=100)
    parser.add_argument("--aux", type=float, default=0.0003, help="balance loss per layer (hybrid)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--save-every", type=int, default=0)
    args = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    train(args)


if __name__ == "__main__":
    main()
