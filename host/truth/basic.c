// SPDX-License-Identifier: Apache-2.0
/// Memory, tensors, products, norms and rotation.
#include "truth/internal.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *vb_truth_take(struct truth *s, size_t count, size_t size) {
  bool room = s->owned_count < (int)(sizeof s->owned / sizeof *s->owned);
  void *p = s->result == VB_OK && room ? calloc(count ? count : 1, size) : NULL;
  if (p) s->owned[s->owned_count++] = p;
  else if (s->result == VB_OK) s->result = vb_fail(VB_DEVICE, "out of memory for the algorithm truth");
  return p;
}

void vb_truth_drop(struct truth *s, int mark) {
  while (s->owned_count > mark) free(s->owned[--s->owned_count]);
}

static const struct vb_tensor none = {.name = "", .data = ""};

const struct vb_tensor *vb_truth_tensor(struct truth *s, const char *name) {
  const struct vb_tensor *t = vb_model_find(s->m, name);
  if (!t && s->result == VB_OK) s->result = vb_fail(VB_BAD_INPUT, "algorithm truth: tensor '%s' is missing", name);
  return t ? t : &none;
}

const struct vb_tensor *vb_truth_layer(struct truth *s, uint32_t l, const char *format, ...) {
  char name[192];
  int n = snprintf(name, sizeof name, "model.layers.%u.", l);
  va_list ap;
  va_start(ap, format);
  vsnprintf(name + n, sizeof name - (size_t)n, format, ap);
  va_end(ap);
  return vb_truth_tensor(s, name);
}

bool vb_truth_has(const struct truth *s, uint32_t l, const char *suffix) {
  char name[192];
  snprintf(name, sizeof name, "model.layers.%u.%s", l, suffix);
  return vb_model_find(s->m, name) != NULL;
}

void vb_truth_linear(struct truth *s, const double *x, uint32_t T, struct matrix w, uint32_t rows, uint32_t cols,
                     double *y) {
  if (s->result != VB_OK) return;
  bool failed = false;
  const bool worth_it = (double)T * rows * cols > 1e6; // waking threads costs more than a tiny product
#pragma omp parallel reduction(|| : failed) if (worth_it)
  {
    double *row = malloc(sizeof *row * cols);
    failed = !row;
#pragma omp for
    for (uint32_t r = 0; r < rows; r++) {
      if (!row) continue;
      for (uint32_t c = 0; c < cols; c++) row[c] = vb_truth_weight(s, w.t, w.first + r * w.row_step + c * w.col_step);
      for (uint32_t t = 0; t < T; t++) {
        double sum = 0;
        for (uint32_t c = 0; c < cols; c++) sum += row[c] * x[(size_t)t * cols + c];
        y[(size_t)t * rows + r] = sum;
      }
    }
    free(row);
  }
  vb_truth_round(s, y, (size_t)T * rows);
  if (failed) s->result = vb_fail(VB_DEVICE, "out of memory for the algorithm truth");
}

void vb_truth_bias(struct truth *s, double *x, uint32_t T, uint32_t n, const struct vb_tensor *bias, uint64_t first,
                   uint64_t step) {
  if (s->result != VB_OK || vb_truth_planted("no_bias")) return;
  for (uint32_t t = 0; t < T; t++)
    for (uint32_t i = 0; i < n; i++) x[(size_t)t * n + i] += vb_truth_weight(s, bias, first + i * step);
  vb_truth_round(s, x, (size_t)T * n);
}

static void rms(const double *x, size_t count, uint32_t n, double eps, double centre, const struct vb_tensor *w,
                double *y) {
  for (size_t v = 0; v < count; v++) {
    const double *in = x + v * n;
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += in[i] * in[i];
    double scale = 1 / sqrt(sum / n + eps);
    for (uint32_t i = 0; i < n; i++) y[v * n + i] = in[i] * scale * (w ? centre + vb_tensor_at(w, i) : 1);
  }
}

void vb_truth_rms(struct truth *s, const double *x, size_t count, uint32_t n, const struct vb_tensor *w, bool plain,
                  double *y) {
  double centre = s->c->zero_centred && !plain && !vb_truth_planted("plain_norm") ? 1 : 0;
  if (s->result == VB_OK) rms(x, count, n, s->c->rms_eps, centre, w, y);
  vb_truth_round(s, y, count * n);
}

void vb_truth_latent_norm(struct truth *s, double *x, size_t count, uint32_t n, const struct vb_tensor *w) {
  if (s->result == VB_OK && !vb_truth_planted("no_latent_norm")) rms(x, count, n, 1e-6, 0, w, x);
  vb_truth_round(s, x, count * n);
}

void vb_truth_layer_norm(struct truth *s, double *x, size_t count, uint32_t n, const struct vb_tensor *w,
                         const struct vb_tensor *b) {
  if (s->result != VB_OK) return;
  for (size_t v = 0; v < count; v++) {
    double *y = x + v * n, mean = 0, var = 0;
    for (uint32_t i = 0; i < n; i++) mean += y[i] / n;
    for (uint32_t i = 0; i < n; i++) var += (y[i] - mean) * (y[i] - mean) / n;
    for (uint32_t i = 0; i < n; i++) y[i] = (y[i] - mean) / sqrt(var + 1e-6) * vb_tensor_at(w, i) + vb_tensor_at(b, i);
  }
  vb_truth_round(s, x, count * n);
}

/// YaRN: dimensions that turn more than beta_fast times in the original length keep their frequency, those below beta_slow
/// turns are slowed by `factor`, a linear ramp between.
static long double yarn_share(const struct vb_rope_config *r, uint32_t i) {
  const long double two_pi = 6.283185307179586476925286766559L;
  long double ends[2];
  const double beta[2] = {r->high_freq, r->low_freq};
  for (int k = 0; k < 2; k++)
    ends[k] = r->dims * logl((long double)r->original_length / ((long double)beta[k] * two_pi)) /
              (2 * logl((long double)r->theta));
  if (r->truncate) ends[0] = floorl(ends[0]), ends[1] = ceill(ends[1]);
  if (ends[0] < 0) ends[0] = 0;
  if (ends[1] > r->dims - 1) ends[1] = r->dims - 1;
  if (ends[0] == ends[1]) ends[1] += 0.001L;
  long double ramp = (i - ends[0]) / (ends[1] - ends[0]);
  return 1 - (ramp < 0 ? 0 : ramp > 1 ? 1 : ramp);
}

/// Angle per position of dimension pair i, with the published length extensions.
static long double frequency(const struct vb_rope_config *r, uint32_t i) {
  const long double two_pi = 6.283185307179586476925286766559L;
  long double f = powl((long double)r->theta, -2.0L * i / r->dims);
  if (vb_truth_planted("unscaled_rope")) return f;
  if (r->scaling == VB_ROPE_LINEAR) return f / (long double)r->factor;
  if (r->scaling == VB_ROPE_YARN) {
    long double keep = yarn_share(r, i);
    return f * keep + f / (long double)r->factor * (1 - keep);
  }
  if (r->scaling != VB_ROPE_LLAMA3) return f;
  long double turns = (long double)r->original_length * f / two_pi; // original length in wavelengths
  if (turns > (long double)r->high_freq) return f;
  if (turns < (long double)r->low_freq || r->low_freq == r->high_freq) return f / (long double)r->factor;
  long double smooth = (turns - (long double)r->low_freq) / (long double)(r->high_freq - r->low_freq);
  return (1 - smooth) * f / (long double)r->factor + smooth * f;
}

void vb_truth_rope(struct truth *s, const struct vb_rope_config *r, double mscale, bool pairs, double *x,
                   uint32_t heads, uint32_t d, uint32_t first) {
  const uint32_t half = r->dims / 2;
  const double m = mscale == 0 || vb_truth_planted("no_mscale") ? 1 : mscale;
  if (s->result != VB_OK) return;
  if (vb_truth_planted("rope_pairs")) pairs = !pairs;
  for (uint32_t i = 0; i < half; i++) {
    const long double f = frequency(r, i);
    const uint32_t a = first + (pairs ? 2 * i : i), b = pairs ? a + 1 : a + half;
    for (uint32_t t = 0; t < s->T; t++) {
      const double c = (double)cosl(t * f) * m, sn = (double)sinl(t * f) * m;
      for (uint32_t h = 0; h < heads; h++) {
        double *v = x + ((size_t)t * heads + h) * d, p = v[a], q = v[b];
        v[a] = p * c - q * sn;
        v[b] = q * c + p * sn;
      }
    }
  }
  vb_truth_round(s, x, (size_t)s->T * heads * d);
}
