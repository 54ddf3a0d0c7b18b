// SPDX-License-Identifier: Apache-2.0
// Tokenizer: known tokens of the library that made the files, a naive BPE on random merges, round trips, bad input.
#include "editor.h"
#include "model/tokenizer.h"
#include "support/harness.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TINY "models/tiny/moe/tokenizer.json"

static struct vb_tokenizer *open_text(const char *text, uint32_t vocab) {
  struct vb_tokenizer *t;
  vb_result r = vb_tokenizer_open(text, vocab, &t);
  VB_CHECK(r == VB_OK, "%s", r == VB_OK ? "" : vb_last_error());
  return t;
}

// Encode, check that decoding gives the text back, and return the ids.
static int32_t *encode(const struct vb_tokenizer *t, const char *text, size_t n, uint32_t *count) {
  int32_t *ids;
  char *back;
  size_t size;
  vb_result r = vb_tokenizer_encode(t, text, n, &ids, count);
  if (!VB_CHECK(r == VB_OK, "%s", r == VB_OK ? "" : vb_last_error())) return NULL;
  CU_ASSERT_EQUAL(vb_tokenizer_decode(t, ids, *count, &back, &size), VB_OK);
  VB_CHECK(size == n && !memcmp(back, text, n) && !back[n], "decoding does not give the text back");
  free(back);
  return ids;
}

// Tokens that the Hugging Face library (tokenizers 0.23.3) gives for the same file.
static void known_tokens(void) {
  static const char sample[] =
      "It is a truth universally acknowledged \u2014 na\u00efve caf\u00e9, \u2200x \u65e5\u672c\t\n\n  42";
  static const int32_t want[] = {73,  263, 291, 307, 116, 114, 117, 257, 32,  344, 105, 320, 387,
                                 284, 121, 259, 394, 419, 306, 100, 103, 287, 226, 128, 148, 32,
                                 110, 97,  195, 175, 323, 380, 102, 195, 169, 266, 226, 136, 128,
                                 120, 32,  230, 151, 165, 230, 156, 172, 9,   304, 258, 52,  50};
  size_t size, n;
  uint32_t count;
  char *json = (char *)read_bytes(TINY, &size), *text = (char *)read_bytes("models/tiny/heldout.txt", &n);
  struct vb_tokenizer *t = open_text(json, 512);
  int32_t *ids = encode(t, sample, sizeof sample - 1, &count);
  if (VB_CHECK(ids && count == sizeof want / sizeof *want, "%u tokens", count))
    VB_EXPECT_SAME("token", want, ids, count);
  free(ids);
  ids = encode(t, text, n, &count);
  uint64_t hash = 0xcbf29ce484222325u; // FNV-1a over the little-endian ids
  for (size_t i = 0; ids && i < 4 * (size_t)count; i++) hash = (hash ^ ((const uint8_t *)ids)[i]) * 0x100000001b3u;
  VB_CHECK(count == 31262 && hash == 0x101ee9295a79a609u, "held-out text: %u tokens, hash %llx", count,
           (unsigned long long)hash);
  free(ids);
  vb_tokenizer_close(t);
  free(json);
  free(text);
}

// --- random merges ---

enum { LETTERS = 4, MAX_TOKENS = 80 };
struct toy {
  char name[MAX_TOKENS][256];
  uint32_t tokens, merges;
  uint32_t left[MAX_TOKENS], right[MAX_TOKENS], to[MAX_TOKENS];
};

static uint32_t toy_find(const struct toy *y, const char *name) {
  uint32_t i = 0;
  while (i < y->tokens && strcmp(y->name[i], name)) i++;
  return i;
}

// Merges in random order: a token may be made in several ways and be used by an earlier rule than the one that makes it.
static void toy_make(struct toy *y, struct vb_rng *r) {
  *y = (struct toy){.tokens = LETTERS};
  for (int i = 0; i < LETTERS; i++) y->name[i][0] = (char)('a' + i);
  for (int i = 0; i < 60 && y->tokens < MAX_TOKENS; i++) {
    uint32_t a = (uint32_t)vb_rng_below(r, y->tokens), b = (uint32_t)vb_rng_below(r, y->tokens);
    char joined[512];
    snprintf(joined, sizeof joined, "%s%s", y->name[a], y->name[b]);
    if (strlen(joined) > 12) continue;
    bool twice = false;
    for (uint32_t k = 0; k < y->merges; k++) twice |= y->left[k] == a && y->right[k] == b;
    if (twice) continue;
    uint32_t to = toy_find(y, joined);
    if (to == y->tokens) strcpy(y->name[y->tokens++], joined);
    y->left[y->merges] = a, y->right[y->merges] = b, y->to[y->merges++] = to;
  }
  for (uint32_t k = y->merges; k > 1; k--) {
    uint32_t j = (uint32_t)vb_rng_below(r, k), s[3] = {y->left[j], y->right[j], y->to[j]};
    y->left[j] = y->left[k - 1], y->right[j] = y->right[k - 1], y->to[j] = y->to[k - 1];
    y->left[k - 1] = s[0], y->right[k - 1] = s[1], y->to[k - 1] = s[2];
  }
}

static json_t *toy_json(const struct toy *y, bool pairs) {
  json_t *vocab = json_object(), *merges = json_array();
  for (uint32_t i = 0; i < y->tokens; i++) json_object_set_new(vocab, y->name[i], json_integer((json_int_t)i));
  for (uint32_t k = 0; k < y->merges; k++) {
    const char *a = y->name[y->left[k]], *b = y->name[y->right[k]];
    json_array_append_new(merges, pairs ? json_pack("[s,s]", a, b) : json_pack("s++", a, " ", b));
  }
  return json_pack("{s:n,s:{s:s,s:b,s:b},s:{s:s},s:{s:s,s:o,s:o}}", "normalizer", "pre_tokenizer", "type", "ByteLevel",
                   "use_regex", 0, "add_prefix_space", 0, "decoder", "type", "ByteLevel", "model", "type", "BPE",
                   "vocab", vocab, "merges", merges);
}

// The definition: while any rule applies, apply the one of lowest rank at its leftmost place.
static uint32_t naive(const struct toy *y, int32_t *ids, uint32_t n) {
  for (;;) {
    uint32_t best = y->merges, at = 0;
    for (uint32_t i = 0; i + 1 < n; i++)
      for (uint32_t k = 0; k < best; k++)
        if ((uint32_t)ids[i] == y->left[k] && (uint32_t)ids[i + 1] == y->right[k]) best = k, at = i;
    if (best == y->merges) return n;
    ids[at] = (int32_t)y->to[best];
    memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
    n--;
  }
}

static void random_merges(void) {
  struct vb_rng r = vb_test_rng();
  for (uint64_t round = 0; round < vb_test_count(200, 20000); round++) {
    struct toy y;
    toy_make(&y, &r);
    json_t *root = toy_json(&y, round & 1);
    char *json = json_dumps(root, 0), text[200];
    int32_t want[200];
    struct vb_tokenizer *t = open_text(json, MAX_TOKENS);
    for (int k = 0; k < 5; k++) {
      uint32_t n = (uint32_t)vb_rng_below(&r, sizeof text), count;
      for (uint32_t i = 0; i < n; i++) want[i] = (int32_t)vb_rng_below(&r, LETTERS), text[i] = (char)('a' + want[i]);
      int32_t *ids = encode(t, text, n, &count);
      uint32_t expected = naive(&y, want, n);
      if (VB_CHECK(ids && count == expected, "%u tokens, expected %u", count, expected) && count)
        VB_EXPECT_SAME("token", want, ids, count);
      free(ids);
    }
    vb_tokenizer_close(t);
    free(json);
    json_decref(root);
  }
}

static void bytes(void) {
  char all[256];
  for (int i = 0; i < 256; i++) all[i] = (char)i;
  struct vb_tokenizer *t = open_text(NULL, 300);
  uint32_t count;
  int32_t *ids = encode(t, all, 256, &count);
  CU_ASSERT(ids && count == 256 && ids[200] == 200);
  free(ids);
  static const int32_t odd[] = {104, 299, 105, -5, 70000};
  char *text;
  size_t n;
  CU_ASSERT_EQUAL(vb_tokenizer_decode(t, odd, 5, &text, &n), VB_OK);
  CU_ASSERT_STRING_EQUAL(text, "h<299>i<-5><70000>");
  free(text);
  ids = encode(t, "", 0, &count);
  CU_ASSERT(ids && count == 0);
  free(ids);
  vb_tokenizer_close(t);
  // The alphabet of the real file covers all bytes as well.
  size_t size;
  char *json = (char *)read_bytes(TINY, &size);
  t = open_text(json, 512);
  ids = encode(t, all, 256, &count);
  free(ids);
  vb_tokenizer_close(t);
  free(json);
}

static void added_tokens(void) {
  struct toy y = {.tokens = 5, .merges = 1, .left = {0}, .right = {1}, .to = {4}, .name = {"a", "b", "c", "d", "ab"}};
  json_t *root = toy_json(&y, true);
  json_object_set_new(root, "added_tokens",
                      json_pack("[{s:i,s:s,s:b},{s:i,s:s,s:b}]", "id", 6, "content", "<|end|>", "special", 1, "id", 7,
                                "content", "<|end|>|", "special", 1));
  char *json = json_dumps(root, 0), *text;
  struct vb_tokenizer *t = open_text(json, 8);
  static const char in[] = "ab<|end|>ca<|end|>|bd";
  static const int32_t want[] = {4, 6, 2, 0, 7, 1, 3}; // the longer one wins; a and b do not merge across it
  uint32_t count;
  int32_t *ids = encode(t, in, sizeof in - 1, &count);
  if (VB_CHECK(ids && count == 7, "%u tokens", count)) VB_EXPECT_SAME("token", want, ids, 7);
  free(ids);
  CU_ASSERT_EQUAL(vb_tokenizer_encode(t, "axb", 3, &ids, &count), VB_BAD_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(vb_last_error(), "0x78"));
  static const int32_t gap[] = {5};
  CU_ASSERT_EQUAL(vb_tokenizer_decode(t, gap, 1, &text, NULL), VB_OK);
  CU_ASSERT_STRING_EQUAL(text, "<5>");
  free(text);
  vb_tokenizer_close(t);
  free(json);
  json_decref(root);
}

// Set json[path] = value; opening must fail, or (encode) opening works, decoding works and encoding fails.
static const struct {
  const char *object, *key, *value, *word;
  bool encode;
} bad_cases[] = {
    {"model", "type", "\"Unigram\"", "Unigram", false},
    {"model", "type", "null", "--tokens", false},
    {"model", "vocab", "{}", "vocab", false},
    {"model", "vocab", "{\"a\":0,\"b\":0}", "'b' has the id 0", false},
    {"model", "vocab", "{\"a\":100}", "vocabulary size", false},
    {"model", "vocab", "{\"a\":-1}", "vocabulary size", false},
    {"model", "vocab", "{\"a\":\"x\"}", "vocabulary size", false},
    {"model", "merges", "7", "merges", false},
    {"model", "merges", "[\"ab\"]", "entry 0", false},
    {"model", "merges", "[\"a b c\"]", "entry 0", false},
    {"model", "merges", "[[\"a\"]]", "entry 0", false},
    {"model", "merges", "[[\"a\",\"zz\"]]", "entry 0", false},
    {"decoder", "type", "\"Metaspace\"", "Metaspace", false},
    {NULL, "added_tokens", "{\"a\":1}", "added_tokens", false},
    {NULL, "added_tokens", "[{\"id\":1}]", "content", false},
    {NULL, "added_tokens", "[{\"id\":1000,\"content\":\"x\"}]", "vocabulary size", false},
    {NULL, "added_tokens", "[{\"id\":9,\"content\":\"x\",\"lstrip\":true}]", "lstrip", true},
    {NULL, "normalizer", "{\"type\":\"NFC\"}", "normalizer", true},
    {NULL, "post_processor", "{\"type\":\"TemplateProcessing\"}", "post_processor", true},
    {NULL, "truncation", "{\"max_length\":9}", "truncation", true},
    {NULL, "pre_tokenizer", "{\"type\":\"Sequence\"}", "Sequence", true},
    {NULL, "pre_tokenizer", "null", "pre_tokenizer", true},
    {"pre_tokenizer", "use_regex", "true", "use_regex", true},
    {"pre_tokenizer", "add_prefix_space", "true", "add_prefix_space", true},
    {"model", "ignore_merges", "true", "ignore_merges", true},
    {"model", "dropout", "0.1", "dropout", true},
    {"model", "end_of_word_suffix", "\"</w>\"", "end_of_word_suffix", true},
};

static void bad_input(void) {
  for (size_t i = 0; i < sizeof bad_cases / sizeof *bad_cases; i++) {
    struct toy y = {.tokens = 5, .merges = 1, .left = {0}, .right = {1}, .to = {4}, .name = {"a", "b", "c", "d", "ab"}};
    json_t *root = toy_json(&y, true), *in = bad_cases[i].object ? json_object_get(root, bad_cases[i].object) : root;
    json_object_set_new(in, bad_cases[i].key, json_loads(bad_cases[i].value, JSON_DECODE_ANY, NULL));
    char *json = json_dumps(root, 0);
    struct vb_tokenizer *t = NULL;
    vb_result r = vb_tokenizer_open(json, 16, &t);
    if (bad_cases[i].encode) {
      static const int32_t ids[] = {4, 2};
      int32_t *none;
      uint32_t count;
      char *text = NULL;
      CU_ASSERT(r == VB_OK && vb_tokenizer_decode(t, ids, 2, &text, NULL) == VB_OK && !strcmp(text, "abc"));
      free(text);
      r = vb_tokenizer_encode(t, "abc", 3, &none, &count);
      CU_ASSERT_PTR_NOT_NULL(strstr(vb_last_error(), "--tokens"));
    }
    VB_CHECK(r == VB_BAD_INPUT && strstr(vb_last_error(), "tokenizer.json") &&
                 strstr(vb_last_error(), bad_cases[i].word),
             "case %zu (%s): %s", i, bad_cases[i].value, vb_last_error());
    vb_tokenizer_close(t);
    free(json);
    json_decref(root);
  }
  struct vb_tokenizer *t;
  CU_ASSERT_EQUAL(vb_tokenizer_open("{\"model\":", 16, &t), VB_BAD_INPUT);
  CU_ASSERT_EQUAL(vb_tokenizer_open("[]", 16, &t), VB_BAD_INPUT);
  CU_ASSERT_EQUAL(vb_tokenizer_open(NULL, 255, &t), VB_BAD_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(vb_last_error(), "--tokens"));
}

static const struct vb_test tests[] = {
    {"known_tokens", known_tokens}, {"random_merges", random_merges}, {"bytes", bytes},
    {"added_tokens", added_tokens}, {"bad_input", bad_input},         {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"tokenizer", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
