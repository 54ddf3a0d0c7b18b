// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer.h"
#include "model/arena.h"
#include "model/bpe.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct token {
  const char *bytes; // decoded; NULL: no such token
  uint32_t size;
  bool added;
};
struct vb_tokenizer {
  struct vb_arena *arena;
  uint32_t vocab;
  struct token *token;  // [vocab]
  int32_t byte_id[256]; // -1: none
  int32_t *added;       // ids of added tokens
  uint32_t added_count;
  struct vb_merges merges;
  char cannot_encode[160]; // "": encoding works
};

// GPT-2's alphabet: printable Latin-1 bytes stand for themselves, the other 68 for U+0100 onwards in ascending order.
static bool is_printable(unsigned b) { return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174; }

static unsigned code_point_of(unsigned byte) {
  if (is_printable(byte)) return byte;
  unsigned n = 256;
  for (unsigned b = 0; b < byte; b++) n += !is_printable(b);
  return n;
}

// Next code point of a valid UTF-8 text.
static unsigned next_code_point(const char **s) {
  const unsigned char *p = (const unsigned char *)*s;
  int more = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
  unsigned c = more == 0 ? p[0] : more == 1 ? p[0] & 31u : more == 2 ? p[0] & 15u : p[0] & 7u;
  for (int i = 1; i <= more; i++) c = c << 6 | (p[i] & 63u);
  *s += 1 + more;
  return c;
}

// Bytes spelled by a token of the vocabulary. One with a character outside the alphabet stands for its own text.
static uint32_t spell(const int16_t byte_of[512], const char *token, char *out) {
  uint32_t n = 0;
  for (const char *p = token; *p;) {
    unsigned c = next_code_point(&p);
    if (c >= 512 || byte_of[c] < 0) {
      n = (uint32_t)strlen(token);
      memcpy(out, token, n);
      return n;
    }
    out[n++] = (char)byte_of[c];
  }
  return n;
}

static vb_result add_token(struct vb_tokenizer *t, const char *what, const char *name, const json_t *id,
                           const int16_t *byte_of) {
  json_int_t i = json_integer_value(id);
  if (!json_is_integer(id) || i < 0 || i >= (json_int_t)t->vocab)
    return vb_fail(VB_BAD_INPUT, "%s '%.60s' has an id that is not below the model's vocabulary size %u", what, name,
                   t->vocab);
  char *bytes = vb_arena_alloc(t->arena, strlen(name) + 1, 1);
  if (!bytes) return vb_fail(VB_DEVICE, "out of memory for the tokenizer");
  struct token *k = &t->token[i];
  uint32_t n = (uint32_t)strlen(name);
  if (byte_of) n = spell(byte_of, name, bytes);
  else memcpy(bytes, name, n);
  if (k->bytes && byte_of)
    return vb_fail(VB_BAD_INPUT, "%s '%.60s' has the id %lld of another token", what, name, (long long)i);
  // A raw control character or space is no letter of the alphabet and spells itself: never a byte's token.
  if (byte_of && n == 1 && !(name[0] >= 0 && !is_printable((unsigned char)name[0])))
    t->byte_id[(unsigned char)bytes[0]] = (int32_t)i;
  *k = (struct token){bytes, n, !byte_of};
  return VB_OK;
}

static vb_result read_vocab(struct vb_tokenizer *t, const json_t *vocab) {
  int16_t byte_of[512];
  memset(byte_of, 0xff, sizeof byte_of);
  for (unsigned b = 0; b < 256; b++) byte_of[code_point_of(b)] = (int16_t)b;
  const char *name;
  json_t *id;
  if (!json_object_size(vocab)) return vb_fail(VB_BAD_INPUT, "model.vocab is missing or empty");
  json_object_foreach((json_t *)(uintptr_t)vocab, name, id) {
    vb_result r = add_token(t, "model.vocab: token", name, id, byte_of);
    if (r != VB_OK) return r;
  }
  return VB_OK;
}

// Halves of a merge: ["a", "b"] or "a b". `copy` holds the text of the second form.
static bool halves(const json_t *v, char *copy, size_t size, const char **a, const char **b) {
  if (json_is_array(v) && json_array_size(v) == 2) {
    *a = json_string_value(json_array_get(v, 0));
    *b = json_string_value(json_array_get(v, 1));
    return *a && *b;
  }
  const char *s = json_string_value(v);
  if (!s || strlen(s) >= size) return false;
  char *space = strchr(strcpy(copy, s), ' ');
  if (!space || strchr(space + 1, ' ')) return false;
  *space = 0;
  *a = copy;
  *b = space + 1;
  return true;
}

static vb_result read_merges(struct vb_tokenizer *t, const json_t *vocab, const json_t *list) {
  size_t n = json_array_size(list);
  if (!json_is_array(list) || n > UINT32_MAX) return vb_fail(VB_BAD_INPUT, "model.merges is not a list");
  vb_result r = vb_merges_init(&t->merges, n);
  for (size_t i = 0; i < n && r == VB_OK; i++) {
    char copy[1024], joined[2048];
    const char *a, *b;
    if (!halves(json_array_get(list, i), copy, sizeof copy, &a, &b) ||
        (size_t)snprintf(joined, sizeof joined, "%s%s", a, b) >= sizeof joined)
      return vb_fail(VB_BAD_INPUT, "model.merges: entry %zu is not a pair of tokens", i);
    const json_t *x = json_object_get(vocab, a), *y = json_object_get(vocab, b), *to = json_object_get(vocab, joined);
    if (!x || !y || !to)
      return vb_fail(VB_BAD_INPUT, "model.merges: entry %zu makes a token that is not in model.vocab", i);
    vb_merges_put(&t->merges, (int32_t)json_integer_value(x), (int32_t)json_integer_value(y), (uint32_t)i,
                  (int32_t)json_integer_value(to));
  }
  return r;
}

static bool is_off(const json_t *v) { // absent, null, false, 0 or ""
  return !v || json_is_null(v) || json_is_false(v) || (json_is_number(v) && json_number_value(v) == 0) ||
         (json_is_string(v) && !*json_string_value(v));
}

static void no_encoding(struct vb_tokenizer *t, const char *why) {
  if (!*t->cannot_encode) snprintf(t->cannot_encode, sizeof t->cannot_encode, "%s", why);
}

static vb_result read_added(struct vb_tokenizer *t, const json_t *list) {
  if (is_off(list)) return VB_OK;
  if (!json_is_array(list)) return vb_fail(VB_BAD_INPUT, "added_tokens is not a list");
  t->added = vb_arena_alloc(t->arena, json_array_size(list), sizeof *t->added);
  if (!t->added) return vb_fail(VB_DEVICE, "out of memory for the tokenizer");
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *v = json_array_get(list, i);
    const char *name = json_string_value(json_object_get(v, "content"));
    if (!name || !*name) return vb_fail(VB_BAD_INPUT, "added_tokens: entry %zu has no content", i);
    vb_result r = add_token(t, "added token", name, json_object_get(v, "id"), NULL);
    if (r != VB_OK) return r;
    t->added[t->added_count++] = (int32_t)json_integer_value(json_object_get(v, "id"));
    if (!is_off(json_object_get(v, "lstrip")) || !is_off(json_object_get(v, "rstrip")) ||
        !is_off(json_object_get(v, "single_word")))
      no_encoding(t, "an added token with lstrip, rstrip or single_word");
  }
  return VB_OK;
}

// Everything that would make our encoding differ from the original's.
static void check_encoding(struct vb_tokenizer *t, const json_t *root, const json_t *model) {
  const json_t *pre = json_object_get(root, "pre_tokenizer"), *post = json_object_get(root, "post_processor");
  const char *type = json_string_value(json_object_get(pre, "type")),
             *last = json_string_value(json_object_get(post, "type"));
  char why[120];
  if (!type || strcmp(type, "ByteLevel")) {
    snprintf(why, sizeof why, "pre_tokenizer '%.40s'", type ? type : "(none)");
    no_encoding(t, why);
  } else if (!json_is_false(json_object_get(pre, "use_regex"))) {
    no_encoding(t, "pre_tokenizer 'ByteLevel' with use_regex");
  } else if (!json_is_false(json_object_get(pre, "add_prefix_space"))) {
    no_encoding(t, "pre_tokenizer 'ByteLevel' with add_prefix_space");
  }
  if (!is_off(json_object_get(root, "normalizer"))) no_encoding(t, "a normalizer");
  if (!is_off(json_object_get(root, "truncation"))) no_encoding(t, "truncation");
  if (!is_off(json_object_get(root, "padding"))) no_encoding(t, "padding");
  if (!is_off(post) && (!last || strcmp(last, "ByteLevel"))) no_encoding(t, "a post_processor that adds tokens");
  static const char *const options[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges"};
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    if (!is_off(json_object_get(model, options[i]))) {
      snprintf(why, sizeof why, "model.%s", options[i]);
      no_encoding(t, why);
    }
}

static vb_result read_json(struct vb_tokenizer *t, const json_t *root) {
  const json_t *model = json_object_get(root, "model"), *decoder = json_object_get(root, "decoder");
  const char *type = json_string_value(json_object_get(model, "type"));
  const char *back = json_string_value(json_object_get(decoder, "type"));
  if (!type || strcmp(type, "BPE"))
    return vb_fail(VB_BAD_INPUT,
                   "model type '%.40s' is not supported (only byte-level BPE is); give token ids with --tokens",
                   type ? type : "(none)");
  if (!back || strcmp(back, "ByteLevel"))
    return vb_fail(VB_BAD_INPUT, "decoder '%.40s' is not supported (only ByteLevel is); give token ids with --tokens",
                   back ? back : "(none)");
  vb_result r = read_vocab(t, json_object_get(model, "vocab"));
  if (r == VB_OK) r = read_merges(t, json_object_get(model, "vocab"), json_object_get(model, "merges"));
  if (r == VB_OK) r = read_added(t, json_object_get(root, "added_tokens"));
  if (r == VB_OK) check_encoding(t, root, model);
  return r;
}

static vb_result use_bytes(struct vb_tokenizer *t) {
  if (t->vocab < 256)
    return vb_fail(VB_BAD_INPUT,
                   "no tokenizer.json, and a vocabulary of %u is too small for bytes; give token ids with --tokens",
                   t->vocab);
  char *bytes = vb_arena_alloc(t->arena, 256, 1);
  if (!bytes) return vb_fail(VB_DEVICE, "out of memory for the tokenizer");
  for (int b = 0; b < 256; b++) {
    bytes[b] = (char)b;
    t->token[b] = (struct token){bytes + b, 1, false};
    t->byte_id[b] = b;
  }
  return vb_merges_init(&t->merges, 0);
}

static vb_result open_text(struct vb_tokenizer *t, const char *text) {
  t->token = vb_arena_alloc(t->arena, t->vocab, sizeof *t->token);
  if (!t->token) return vb_fail(VB_DEVICE, "out of memory for the tokenizer");
  for (int b = 0; b < 256; b++) t->byte_id[b] = -1;
  if (!text) return use_bytes(t);
  json_error_t e;
  json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &e);
  vb_result r = root ? read_json(t, root) : vb_fail(VB_BAD_INPUT, "line %d: %s", e.line, e.text);
  json_decref(root);
  return r == VB_OK ? r : vb_context(r, "tokenizer.json: ");
}

vb_result vb_tokenizer_open(const char *text, uint32_t vocab, struct vb_tokenizer **out) {
  *out = NULL;
  struct vb_arena *arena = vb_arena_new();
  struct vb_tokenizer *t = arena ? vb_arena_alloc(arena, 1, sizeof *t) : NULL;
  if (!t) {
    vb_arena_free(arena);
    return vb_fail(VB_DEVICE, "out of memory for the tokenizer");
  }
  t->arena = arena;
  t->vocab = vocab;
  vb_result r = open_text(t, text);
  if (r == VB_OK) *out = t;
  else vb_tokenizer_close(t);
  return r;
}

void vb_tokenizer_close(struct vb_tokenizer *t) {
  if (!t) return;
  vb_merges_free(&t->merges);
  vb_arena_free(t->arena);
}

// The longest added token that the text starts with, or -1.
static int32_t added_at(const struct vb_tokenizer *t, const char *text, size_t n) {
  int32_t best = -1;
  for (uint32_t i = 0; i < t->added_count; i++) {
    const struct token *k = &t->token[t->added[i]];
    if (k->size <= n && !memcmp(k->bytes, text, k->size) && (best < 0 || k->size > t->token[best].size))
      best = t->added[i];
  }
  return best;
}

static vb_result encode(const struct vb_tokenizer *t, const char *text, size_t n, int32_t *ids, uint32_t *count) {
  uint32_t start = 0, at = 0; // ids[start .. at) is not merged yet
  for (size_t i = 0; i <= n;) {
    int32_t special = i < n ? added_at(t, text + i, n - i) : -1;
    if (special >= 0 || i == n) { // no merge crosses an added token
      uint32_t length = at - start;
      vb_result r = vb_bpe(&t->merges, ids + start, &length);
      if (r != VB_OK) return r;
      at = start += length;
      if (i == n) break;
      ids[at++] = special;
      start = at;
      i += t->token[special].size;
      continue;
    }
    unsigned char byte = (unsigned char)text[i++];
    if (t->byte_id[byte] < 0) return vb_fail(VB_BAD_INPUT, "tokenizer has no token for byte 0x%02x", byte);
    ids[at++] = t->byte_id[byte];
  }
  *count = at;
  return VB_OK;
}

vb_result vb_tokenizer_encode(const struct vb_tokenizer *t, const char *text, size_t n, int32_t **ids,
                              uint32_t *count) {
  *ids = NULL;
  *count = 0;
  if (*t->cannot_encode)
    return vb_fail(VB_BAD_INPUT,
                   "tokenizer.json: %s is not supported for encoding; give token ids with --tokens, or make ids with"
                   " models/tools/tokenize_text.py and pass --tokens @FILE",
                   t->cannot_encode);
  if (n > INT32_MAX) return vb_fail(VB_BAD_INPUT, "text of %zu bytes is too long (limit %d)", n, INT32_MAX);
  int32_t *list = malloc((n + 1) * sizeof *list);
  if (!list) return vb_fail(VB_DEVICE, "out of memory for the tokenizer");
  vb_result r = encode(t, text, n, list, count);
  if (r == VB_OK) *ids = list;
  else free(list);
  return r;
}

vb_result vb_tokenizer_decode(const struct vb_tokenizer *t, const int32_t *ids, uint32_t count, char **text,
                              size_t *n) {
  *text = NULL;
  size_t total = 0, at = 0;
  for (uint32_t i = 0; i < count; i++)
    total += ids[i] >= 0 && (uint32_t)ids[i] < t->vocab ? t->token[ids[i]].size + 14 : 14;
  char *out = malloc(total + 1);
  if (!out) return vb_fail(VB_DEVICE, "out of memory for the tokenizer");
  for (uint32_t i = 0; i < count; i++) {
    const struct token *k = ids[i] >= 0 && (uint32_t)ids[i] < t->vocab ? &t->token[ids[i]] : NULL;
    if (k && k->bytes) {
      memcpy(out + at, k->bytes, k->size);
      at += k->size;
    } else {
      at += (size_t)snprintf(out + at, 14, "<%d>", ids[i]);
    }
  }
  out[at] = 0;
  *text = out;
  if (n) *n = at;
  return VB_OK;
}
