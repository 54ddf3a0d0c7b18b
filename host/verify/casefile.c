// SPDX-License-Identifier: Apache-2.0
#include "verify/casefile.h"
#include "verify/case_experts.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/// The reference as a function of the kind, through its device so that there is one table.
vb_result vb_case_reference(enum vb_op_kind kind, const union vb_any_op *op) {
  struct vb_run_stats stats = {0};
  struct vb_device *ref = vb_device_open_ref();
  if (!ref) return vb_fail(VB_DEVICE, "out of memory");
  vb_result r = ref->run(ref, kind, op, &stats);
  ref->close(ref);
  return r;
}

/// Element i of an array as raw bits.
static uint64_t element(const void *data, uint64_t i, size_t bytes) {
  uint64_t v = 0;
  memcpy(&v, (const uint8_t *)data + i * bytes, bytes);
  return v;
}

/// Give every output and scratch field of c fresh memory filled with `fill`.
static vb_result fresh_outputs(struct vb_case_op *c, int fill, struct vb_field *f, uint32_t *n) {
  *n = vb_case_fields(c, f);
  for (uint32_t i = 0; i < *n; i++) {
    if (!vb_field_is_made(&f[i])) continue;
    void *p = malloc(vb_field_bytes(&f[i]) + 1);
    *vb_field_array(&f[i]) = p;
    if (p) memset(p, fill, vb_field_bytes(&f[i]));
  }
  for (uint32_t i = 0; i < *n; i++)
    if (vb_field_is_array(&f[i]) && !*vb_field_array(&f[i]) && vb_field_bytes(&f[i]))
      return vb_fail(VB_DEVICE, "out of memory for a case");
  return VB_OK;
}

static void free_outputs(struct vb_field *f, uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    if (vb_field_is_made(&f[i])) free(*vb_field_array(&f[i]));
}

/// Two reference runs over memory filled differently agree exactly on the bytes that the operator writes.
vb_result vb_case_check(enum vb_op_kind kind, const union vb_any_op *op, bool *differs, struct vb_difference *d) {
  struct vb_case_op actual, one, two;
  struct vb_field fa[VB_MAX_FIELDS], f1[VB_MAX_FIELDS], f2[VB_MAX_FIELDS];
  uint32_t n1 = 0, n2 = 0;
  vb_case_from_op(kind, op, &actual);
  vb_case_from_op(kind, op, &one);
  vb_case_from_op(kind, op, &two);
  vb_case_fields(&actual, fa);
  *differs = false;
  vb_result r = fresh_outputs(&one, 0x00, f1, &n1);
  vb_result r2 = fresh_outputs(&two, 0xff, f2, &n2);
  if (!r) r = r2;
  if (!r) r = vb_case_reference(kind, &one.op);
  if (!r) r = vb_case_reference(kind, &two.op);
  for (uint32_t i = 0; !r && i < n1; i++) {
    if (f1[i].role != VB_FIELD_OUT) continue;
    size_t bytes = vb_h5_bytes(f1[i].type);
    const void *a = *vb_field_array(&fa[i]), *x = *vb_field_array(&f1[i]), *y = *vb_field_array(&f2[i]);
    uint64_t found = 0;
    for (uint64_t e = 0; e < f1[i].count; e++) {
      uint64_t want = element(x, e, bytes), got = element(a, e, bytes);
      if (want != element(y, e, bytes) || want == got) continue;
      if (!found++ && !*differs) *d = (struct vb_difference){f1[i].name, e, 0, (uint32_t)bytes, want, got};
    }
    if (found && !*differs) d->differing = found, *differs = true;
  }
  free_outputs(f1, n1);
  free_outputs(f2, n2);
  return r;
}

vb_result vb_case_written(enum vb_op_kind kind, const union vb_any_op *op, uint64_t index, struct vb_written *w) {
  struct vb_case_op one, two;
  struct vb_field f1[VB_MAX_FIELDS], f2[VB_MAX_FIELDS];
  uint32_t n1 = 0, n2 = 0, o = 0;
  vb_case_from_op(kind, op, &one);
  vb_case_from_op(kind, op, &two);
  *w = (struct vb_written){0};
  vb_result r = fresh_outputs(&one, 0x00, f1, &n1);
  vb_result r2 = fresh_outputs(&two, 0xff, f2, &n2);
  if (!r) r = r2;
  if (!r) r = vb_case_reference(kind, &one.op);
  if (!r) r = vb_case_reference(kind, &two.op);
  while (o < n1 && f1[o].role != VB_FIELD_OUT) o++;
  const size_t bytes = o < n1 ? vb_h5_bytes(f1[o].type) : 0;
  for (uint64_t e = 0; !r && o < n1 && e < f1[o].count; e++) {
    if (element(*vb_field_array(&f1[o]), e, bytes) != element(*vb_field_array(&f2[o]), e, bytes)) continue;
    if (!w->elements++) w->first = e;
    w->last = e;
    w->index_too |= e == index;
  }
  free_outputs(f1, n1);
  free_outputs(f2, n2);
  return r;
}

/// Keep of a KV cache only the positions that the call may see.
static vb_result compact_kv(struct vb_kv *kv, uint32_t end) {
  struct vb_kv small = *kv;
  size_t kr = vb_rec_bytes(kv->dk), vr = vb_val_bytes(kv->dv);
  small.capacity = small.length = end ? end : 1;
  small.k = calloc((size_t)kv->heads * small.capacity, kr);
  small.v = kv->v ? calloc((size_t)kv->heads * small.capacity, vr) : NULL;
  if (!small.k || (kv->v && !small.v)) {
    free(small.k), free(small.v);
    return vb_fail(VB_DEVICE, "out of memory for a case");
  }
  for (uint32_t h = 0; h < kv->heads && end; h++) {
    memcpy(vb_kv_key(&small, h, 0), vb_kv_key(kv, h, 0), kr * end);
    if (kv->v) memcpy(vb_kv_val(&small, h, 0), vb_kv_val(kv, h, 0), vr * end);
  }
  *kv = small;
  return VB_OK;
}

static vb_result write_case(hid_t file, struct vb_case_op *c, void *const *golden, const struct vb_case_origin *o) {
  struct vb_field f[VB_MAX_FIELDS];
  uint32_t n = vb_case_fields(c, f);
  vb_result r = vb_h5_set_provenance(file);
  if (!r) r = vb_h5_set_text(file, "operator", vb_op_name(c->kind));
  if (!r) r = vb_h5_set_text(file, "path", o->path ? o->path : "");
  if (!r) r = vb_h5_set_text(file, "device", o->device ? o->device : "");
  if (!r) r = vb_h5_set_text(file, "inject", o->inject ? o->inject : "");
  if (!r) r = vb_h5_set_u64(file, "seed", o->seed);
  if (!r) r = vb_h5_set_u64(file, "call", o->call);
  for (uint32_t i = 0; !r && i < n; i++) {
    const void *data = vb_field_is_array(&f[i]) ? *vb_field_array(&f[i]) : f[i].at;
    if (f[i].role == VB_FIELD_SCRATCH) continue;
    if (f[i].role == VB_FIELD_OUT && golden && golden[i]) data = golden[i];
    if (!vb_field_is_array(&f[i])) r = vb_h5_set_u64(file, f[i].name, element(data, 0, vb_h5_bytes(f[i].type)));
    else r = vb_h5_write(file, f[i].name, f[i].type, 1, &f[i].count, data);
  }
  return r;
}

vb_result vb_case_save(const char *path, enum vb_op_kind kind, const union vb_any_op *op, void *const *golden,
                       const struct vb_case_origin *o) {
  struct vb_case_op c;
  struct vb_field f[VB_MAX_FIELDS];
  uint32_t n = 0;
  char tmp[PATH_MAX];
  vb_case_from_op(kind, op, &c);
  bool cached = kind == VB_OP_ATTENTION || kind == VB_OP_INDEXER;
  uint32_t seen = kind == VB_OP_ATTENTION ? op->attention.key.end : op->indexer.first_count + op->indexer.t.end - 1;
  vb_result r = cached ? compact_kv(&c.kv, seen) : VB_OK;
  if (r) return r;
  struct vb_arena *memory = kind == VB_OP_EXPERTS ? vb_arena_new() : NULL;
  if (kind == VB_OP_EXPERTS)
    r = memory ? vb_case_compact_experts(&c, memory) : vb_fail(VB_DEVICE, "out of memory for a case");
  if (!r) r = fresh_outputs(&c, 0, f, &n);
  if (!r) r = vb_case_reference(kind, &c.op);
  if (!r) {
    hid_t file = vb_h5_create(path, tmp, sizeof tmp);
    r = file < 0 ? VB_BAD_INPUT : vb_h5_publish(file, tmp, path, write_case(file, &c, golden, o));
  }
  free_outputs(f, n);
  if (cached) free(c.kv.k), free(c.kv.v);
  vb_arena_free(memory);
  return r;
}

static vb_result read_kind(hid_t file, enum vb_op_kind *kind) {
  char *name;
  vb_result r = vb_h5_get_text(file, "operator", &name);
  if (r) return r;
  for (*kind = 0; *kind < VB_OP_KINDS && strcmp(name, vb_op_name(*kind));) ++*kind;
  if (*kind == VB_OP_KINDS) r = vb_fail(VB_BAD_INPUT, "unknown operator \"%s\"", name);
  free(name);
  return r;
}

enum { MAX_SIZE = 1 << 24 };                         // of a scalar
static const uint64_t max_array = (uint64_t)4 << 30; // bytes

static vb_result read_scalars(hid_t file, struct vb_case_op *c) {
  struct vb_field f[VB_MAX_FIELDS];
  uint32_t n = vb_case_fields(c, f);
  for (uint32_t i = 0; i < n; i++) {
    uint64_t v;
    if (vb_field_is_array(&f[i])) continue;
    if (f[i].later && H5Aexists(file, f[i].name) == 0) continue; // c is zeroed
    vb_result r = vb_h5_get_u64(file, f[i].name, &v);
    if (r) return r;
    if (f[i].role == VB_FIELD_SCALAR && v > MAX_SIZE)
      return vb_fail(VB_BAD_INPUT, "attribute %s = %llu is above the limit of %d", f[i].name, (unsigned long long)v,
                     MAX_SIZE);
    memcpy(f[i].at, &v, vb_h5_bytes(f[i].type));
  }
  return VB_OK;
}

static vb_result read_arrays(hid_t file, struct vb_case *c) {
  struct vb_field f[VB_MAX_FIELDS];
  uint32_t n = vb_case_fields(&c->c, f);
  for (uint32_t i = 0; i < n; i++) {
    int rank;
    uint64_t dim[4] = {0};
    void *data;
    if (!vb_field_is_array(&f[i])) continue;
    if (f[i].count > max_array / vb_h5_bytes(f[i].type))
      return vb_fail(VB_BAD_INPUT, "the scalars call for more than %llu bytes of %s", (unsigned long long)max_array,
                     f[i].name);
    if (f[i].role != VB_FIELD_IN) *vb_field_array(&f[i]) = calloc(vb_field_bytes(&f[i]) + 1, 1);
    if (f[i].role == VB_FIELD_SCRATCH) continue;
    vb_result r = vb_h5_read(file, f[i].name, f[i].type, max_array, &data, &rank, dim);
    if (r) return r;
    if (f[i].role == VB_FIELD_IN) *vb_field_array(&f[i]) = data;
    else c->expected[i] = data;
    if (rank != 1 || dim[0] != f[i].count)
      return vb_fail(VB_BAD_INPUT, "dataset %s has %llu elements, the scalars call for %llu", f[i].name,
                     (unsigned long long)dim[0], (unsigned long long)f[i].count);
  }
  return VB_OK;
}

/// Key lists are followed without a further look: entries ascend, and their keys are 32-bit numbers.
static vb_result check_lists(const struct vb_case_op *c) {
  const struct vb_attention_op *o = &c->op.attention;
  const uint32_t block = o->list_block ? o->list_block : 1;
  if (block & (block - 1)) return vb_fail(VB_BAD_INPUT, "attribute list_block = %u is no power of two", block);
  if (!c->has.list) return VB_OK;
  for (uint32_t t = o->t.begin; t < o->t.end; t++) {
    const uint32_t *list = o->list + (uint64_t)t * o->list_stride, n = o->list_count[t];
    if (n > o->list_stride)
      return vb_fail(VB_BAD_INPUT, "list_count[%u] = %u, but a list has room for %u entries", t, n, o->list_stride);
    for (uint32_t i = 0; i < n; i++) {
      if (list[i] > UINT32_MAX / block)
        return vb_fail(VB_BAD_INPUT, "list[%u][%u] = %u: blocks of %u keys end at %u", t, i, list[i], block,
                       UINT32_MAX / block);
      if (i && list[i] <= list[i - 1])
        return vb_fail(VB_BAD_INPUT, "list[%u][%u] = %u follows %u: entries must ascend", t, i, list[i], list[i - 1]);
    }
  }
  return VB_OK;
}

/// What the operators rely on: ranges inside their arrays, whole groups, ids inside the experts.
static vb_result check_sane(const struct vb_case_op *c) {
  bool ok = true;
  if (c->kind == VB_OP_ATTENTION) {
    const struct vb_attention_op *o = &c->op.attention;
    ok = c->kv.heads && o->heads && !(o->heads % c->kv.heads) && o->h.end <= o->heads && o->key.end <= c->kv.capacity &&
         c->kv.dk && c->kv.dk <= VB_MAX_DK && c->kv.dv && c->kv.dv <= (c->has.values ? VB_MAX_DV : VB_MAX_DV_SHARED) &&
         (c->has.values || c->kv.dv <= c->kv.dk) &&
         (uint64_t)o->first_count + o->t.end <= c->kv.capacity + 1ull + (1u << 24) && o->first_count &&
         o->mode <= VB_ATTN_SUM && o->h.begin <= o->h.end;
    vb_result r = ok ? check_lists(c) : VB_OK;
    if (r) return r;
  } else if (c->kind == VB_OP_LINEAR) {
    const struct vb_linear_op *o = &c->op.linear;
    uint32_t rows = c->w8.rows ? c->w8.rows : c->w14.rows, blocks = c->w8.rows ? c->w8.blocks : c->w14.blocks;
    uint32_t cols = c->w8.rows ? c->w8.cols : c->w14.cols;
    ok = rows && !(rows % (o->groups ? o->groups : 1)) && blocks == vb_blocks(cols) && o->n.end <= rows &&
         o->b.end <= blocks && o->b.begin <= o->b.end;
  } else if (c->kind == VB_OP_EXPERTS) {
    const struct vb_experts_op *o = &c->op.experts;
    const struct vb_experts_w *w = &c->experts;
    ok = w->experts && o->e.end <= w->experts + (w->shared_inter > 0) && o->mode <= VB_EXPERTS_DOWN &&
         w->gate.rows == (uint64_t)w->experts * w->inter && w->up.rows == w->gate.rows &&
         w->down.rows == (uint64_t)w->experts * w->dim && w->gate.blocks == vb_blocks(w->dim) &&
         w->up.blocks == w->gate.blocks && w->down.blocks == vb_blocks(w->inter) &&
         w->shared_gate.rows == w->shared_inter && w->shared_up.rows == w->shared_inter &&
         (!w->shared_inter || w->shared_down.rows == w->dim);
    for (uint64_t i = 0; ok && i < (uint64_t)o->t.end * o->k; i++) ok = o->ids[i] < w->experts;
  } else if (c->kind == VB_OP_INDEXER) {
    const struct vb_indexer_op *o = &c->op.indexer;
    ok = o->heads && o->k && c->kv.dk && c->kv.dk <= VB_MAX_DK && o->first_count &&
         (uint64_t)o->first_count + o->t.end <= c->kv.capacity + 1ull &&
         (o->mode == VB_INDEXER_FULL ||
          (o->mode == VB_INDEXER_SCORES && o->score_stride >= o->first_count + o->t.end - 1));
  } else if (c->kind == VB_OP_DELTA) {
    const struct vb_delta_op *o = &c->op.delta;
    ok = o->key_heads && o->heads && !(o->heads % o->key_heads) && o->h.end <= o->heads && o->dk && o->dk <= 256 &&
         o->dv && o->dv <= 256;
  } else if (c->kind == VB_OP_JOIN) {
    const struct vb_join_op *o = &c->op.join;
    const struct vb_piece *p[] = {&o->a, &o->b};
    ok = o->h.end <= o->heads;
    for (uint32_t i = 0; i < 2; i++)
      ok = ok && (!p[i]->len ||
                  ((uint64_t)p[i]->first + p[i]->len <= p[i]->width && (p[i]->heads == 1 || p[i]->heads == o->heads)));
  } else if (c->kind == VB_OP_SWIGLU) {
    ok = c->op.swiglu.n.end <= c->op.swiglu.cols;
  } else if (c->kind == VB_OP_ADD) {
    ok = c->op.add.n.end <= c->op.add.cols;
  } else if (c->kind == VB_OP_SOFTCAP) {
    ok = c->op.softcap.n.end <= c->op.softcap.cols;
  } else if (c->kind == VB_OP_CONV) {
    ok = c->op.conv.n.end <= c->op.conv.cols;
  } else if (c->kind == VB_OP_RMSNORM) {
    ok = c->op.rmsnorm.g.end <= c->op.rmsnorm.groups && c->op.rmsnorm.kind <= VB_NORM_LAYER &&
         (c->op.rmsnorm.kind != VB_NORM_LAYER || c->has.bias);
  } else if (c->kind == VB_OP_PACK_Q) {
    ok = c->op.pack_q.h.end <= c->op.pack_q.heads && c->op.pack_q.d && c->op.pack_q.d <= VB_MAX_DK;
    if (c->op.pack_q.hadamard) ok = ok && c->op.pack_q.d <= 128 && !(c->op.pack_q.d & (c->op.pack_q.d - 1));
  } else if (c->kind == VB_OP_PACK_KV) {
    ok = c->op.pack_kv.h.end <= c->op.pack_kv.heads && c->op.pack_kv.dk && c->op.pack_kv.dk <= VB_MAX_DK &&
         c->op.pack_kv.dv <= VB_MAX_DV;
    if (c->op.pack_kv.hadamard) ok = ok && c->op.pack_kv.dk <= 128 && !(c->op.pack_kv.dk & (c->op.pack_kv.dk - 1));
  } else if (c->kind == VB_OP_EMBED) {
    const struct vb_embed_op *o = &c->op.embed;
    for (uint32_t i = 0; ok && i < o->t.end; i++) ok = o->tokens[i] >= 0 && (uint32_t)o->tokens[i] < o->vocab;
  } else if (c->kind == VB_OP_ROUTER) {
    ok = c->op.router.k && c->op.router.k <= c->op.router.experts &&
         (!c->op.router.groups ||
          (!(c->op.router.experts % c->op.router.groups) &&
           c->op.router.topk_groups * (c->op.router.experts / c->op.router.groups) >= c->op.router.k)) &&
         !(c->op.router.threshold >> 31) && c->op.router.t.begin <= c->op.router.t.end;
  } else if (c->kind == VB_OP_ROPE) {
    ok = (uint64_t)c->op.rope.first + c->op.rope.rot <= c->op.rope.d && c->op.rope.h.end <= c->op.rope.heads;
  }
  return ok ? VB_OK : vb_fail(VB_BAD_INPUT, "the sizes of this %s case contradict each other", vb_op_name(c->kind));
}

vb_result vb_case_load(const char *path, struct vb_case *c) {
  *c = (struct vb_case){0};
  hid_t file = vb_h5_open_sealed(path);
  if (file < 0) return VB_BAD_INPUT;
  vb_result r = read_kind(file, &c->c.kind);
  if (!r) {
    vb_case_connect(&c->c);
    r = read_scalars(file, &c->c);
    vb_case_connect(&c->c);
  }
  if (!r) r = read_arrays(file, c);
  if (!r) r = check_sane(&c->c);
  if (!r) r = vb_h5_get_text(file, "path", &c->path);
  if (!r) r = vb_h5_get_text(file, "device", &c->device);
  if (!r) r = vb_h5_get_text(file, "inject", &c->inject);
  if (!r) r = vb_h5_get_u64(file, "seed", &c->seed);
  if (!r) r = vb_h5_get_u64(file, "call", &c->call);
  H5Fclose(file);
  c->c.kv.id = UINT64_MAX - 1; // not a cache of any sequence
  if (!r) return VB_OK;
  vb_case_free(c);
  return vb_context(r, "%s: ", path);
}

vb_result vb_case_replay(struct vb_case *c, struct vb_device *device,
                         void (*tamper)(void *, struct vb_task *, uint32_t), void *context, struct vb_run_stats *stats,
                         bool *differs, struct vb_difference *d) {
  struct vb_field f[VB_MAX_FIELDS];
  uint32_t n = vb_case_fields(&c->c, f);
  *differs = false;
  for (uint32_t i = 0; i < n; i++)
    if (f[i].role == VB_FIELD_OUT) memset(*vb_field_array(&f[i]), 0, vb_field_bytes(&f[i]));
  struct vb_task t = {.kind = c->c.kind, .op = c->c.op};
  vb_result r = device->run(device, c->c.kind, &c->c.op, stats);
  if (r) return vb_context(r, "device %s: ", device->id);
  if (tamper) tamper(context, &t, 1);
  for (uint32_t i = 0; i < n && !*differs; i++) {
    if (f[i].role != VB_FIELD_OUT) continue;
    size_t bytes = vb_h5_bytes(f[i].type);
    uint64_t found = 0;
    for (uint64_t e = 0; e < f[i].count; e++) {
      uint64_t want = element(c->expected[i], e, bytes), got = element(*vb_field_array(&f[i]), e, bytes);
      if (want != got && !found++) *d = (struct vb_difference){f[i].name, e, 0, (uint32_t)bytes, want, got};
    }
    if (found) d->differing = found, *differs = true;
  }
  return VB_OK;
}

void vb_case_free(struct vb_case *c) {
  struct vb_field f[VB_MAX_FIELDS];
  uint32_t n = vb_case_fields(&c->c, f);
  for (uint32_t i = 0; i < n; i++) {
    if (vb_field_is_array(&f[i])) free(*vb_field_array(&f[i]));
    free(c->expected[i]);
  }
  free(c->path), free(c->device), free(c->inject);
  *c = (struct vb_case){0};
}
