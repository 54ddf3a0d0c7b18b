// SPDX-License-Identifier: Apache-2.0
/// Multi-head latent attention, multi-head form as the papers define it, and the DSA lightning indexer.
#include "truth/internal.h"
#include <stdlib.h>
#include <string.h>

static struct matrix attn(struct truth *s, uint32_t l, const char *name, uint32_t first_row, uint32_t cols) {
  return vb_truth_matrix(vb_truth_layer(s, l, "self_attn.%s.weight", name), first_row, cols);
}

struct scored {
  double score;
  uint32_t key;
};
static int better(const void *a, const void *b) {
  const struct scored *x = a, *y = b;
  if (x->score != y->score) return x->score < y->score ? 1 : -1;
  return x->key < y->key ? -1 : 1;
}

/// chosen[t][j]: key j is among the index_topk best of the keys that token t can see. The orthogonal Hadamard rotation of the
/// published code leaves exact scores unchanged, so it does not appear here.
static uint8_t *index_keys(struct truth *s, uint32_t l, const double *x, const double *q_latent) {
  const struct vb_config *c = s->c;
  const uint32_t T = s->T, heads = c->index_heads, d = c->index_dim;
  uint8_t *chosen = vb_truth_take(s, (size_t)T * T, 1);
  const int mark = s->owned_count;
  double *q = vb_truth_values(s, T, (size_t)heads * d), *k = vb_truth_values(s, T, d),
         *w = vb_truth_values(s, T, heads);
  struct scored *row = vb_truth_take(s, T, sizeof *row);
  vb_truth_linear(s, q_latent, T, attn(s, l, "indexer.wq_b", 0, c->q_lora), heads * d, c->q_lora, q);
  vb_truth_linear(s, x, T, attn(s, l, "indexer.wk", 0, c->hidden), d, c->hidden, k);
  vb_truth_layer_norm(s, k, T, d, vb_truth_layer(s, l, "self_attn.indexer.k_norm.weight"),
                      vb_truth_layer(s, l, "self_attn.indexer.k_norm.bias"));
  vb_truth_linear(s, x, T, attn(s, l, "indexer.weights_proj", 0, c->hidden), heads, c->hidden, w);
  bool pairs = vb_truth_planted("index_pairs");
  vb_truth_rope(s, &c->rope, 1, pairs, q, heads, d, 0);
  vb_truth_rope(s, &c->rope, 1, pairs, k, 1, d, 0);
  for (uint32_t t = 0; t < T && s->result == VB_OK; t++) {
    for (uint32_t j = 0; j <= t; j++) {
      double sum = 0;
      for (uint32_t h = 0; h < heads; h++) {
        double dot = 0;
        for (uint32_t i = 0; i < d; i++) dot += q[((size_t)t * heads + h) * d + i] * k[(size_t)j * d + i];
        if (dot > 0 || vb_truth_planted("no_relu")) sum += w[(size_t)t * heads + h] * dot;
      }
      row[j] = (struct scored){sum / sqrt((double)heads * d), j};
    }
    qsort(row, t + 1, sizeof *row, better);
    for (uint32_t i = 0; i < c->index_topk && i <= t; i++) chosen[(size_t)t * T + row[i].key] = 1;
  }
  vb_truth_drop(s, mark);
  return chosen;
}

/// Keys [nope of head h | shared rope part] and values from the latent.
static void expand(struct truth *s, uint32_t l, const double *latent, const double *k_pe, double *k, double *v) {
  const struct vb_config *c = s->c;
  const uint32_t T = s->T, dn = c->nope_dim, dr = c->rope_dim, dv = c->v_dim, both = dn + dv;
  double *kv = vb_truth_values(s, T, (size_t)c->heads * both);
  vb_truth_linear(s, latent, T, attn(s, l, "kv_b_proj", 0, c->kv_lora), c->heads * both, c->kv_lora, kv);
  for (size_t i = 0; i < (size_t)T * c->heads && s->result == VB_OK; i++) {
    memcpy(k + i * (dn + dr), kv + i * both, dn * sizeof *k);
    memcpy(k + i * (dn + dr) + dn, k_pe + i / c->heads * dr, dr * sizeof *k);
    memcpy(v + i * dv, kv + i * both + dn, dv * sizeof *v);
  }
}

void vb_truth_mla(struct truth *s, uint32_t l, const double *x, double *y) {
  const struct vb_config *c = s->c;
  const uint32_t T = s->T, dn = c->nope_dim, dr = c->rope_dim, d = dn + dr, dv = c->v_dim, H = c->heads,
                 wide = c->kv_lora + dr;
  const int mark = s->owned_count;
  double *q = vb_truth_values(s, T, (size_t)H * d), *k = vb_truth_values(s, T, (size_t)H * d),
         *v = vb_truth_values(s, T, (size_t)H * dv);
  double *o = vb_truth_values(s, T, (size_t)H * dv), *a = vb_truth_values(s, T, wide),
         *latent = vb_truth_values(s, T, c->kv_lora), *pe = vb_truth_values(s, T, dr);
  double *q_latent = NULL;
  if (c->q_lora) {
    q_latent = vb_truth_values(s, T, c->q_lora);
    vb_truth_linear(s, x, T, attn(s, l, "q_a_proj", 0, c->hidden), c->q_lora, c->hidden, q_latent);
    vb_truth_latent_norm(s, q_latent, T, c->q_lora, vb_truth_layer(s, l, "self_attn.q_a_layernorm.weight"));
    vb_truth_linear(s, q_latent, T, attn(s, l, "q_b_proj", 0, c->q_lora), H * d, c->q_lora, q);
  } else {
    vb_truth_linear(s, x, T, attn(s, l, "q_proj", 0, c->hidden), H * d, c->hidden, q);
  }
  vb_truth_linear(s, x, T, attn(s, l, "kv_a_proj_with_mqa", 0, c->hidden), wide, c->hidden, a);
  for (uint32_t t = 0; t < T && s->result == VB_OK; t++) {
    memcpy(latent + (size_t)t * c->kv_lora, a + (size_t)t * wide, c->kv_lora * sizeof *a);
    memcpy(pe + (size_t)t * dr, a + (size_t)t * wide + c->kv_lora, dr * sizeof *a);
  }
  vb_truth_latent_norm(s, latent, T, c->kv_lora, vb_truth_layer(s, l, "self_attn.kv_a_layernorm.weight"));
  vb_truth_rope(s, &c->rope, c->rope_mscale, true, q, H, d, dn);
  vb_truth_rope(s, &c->rope, c->rope_mscale, true, pe, 1, dr, 0);
  expand(s, l, latent, pe, k, v);
  struct mask mask = {.scale = vb_truth_planted("no_mscale") ? 1 / sqrt(d) : c->query_scale};
  if (c->index_topk) mask.chosen = index_keys(s, l, x, q_latent);
  vb_truth_attend(s, q, k, v, H, H, d, dv, &mask, o);
  vb_truth_round(s, o, (size_t)T * H * dv);
  vb_truth_linear(s, o, T, attn(s, l, "o_proj", 0, H * dv), c->hidden, H * dv, y);
  vb_truth_drop(s, mark);
}
