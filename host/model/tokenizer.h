// SPDX-License-Identifier: Apache-2.0
/// @file tokenizer.h
/// Byte-level BPE from a tokenizer.json, or plain bytes where a model has none.
///
/// Encoding covers tokenizers that do not split the text beforehand (ByteLevel with use_regex false, no normaliser).
/// For the others decoding still works, and encoding fails with the reason and a pointer to --tokens.
#ifndef VERBATIM_MODEL_TOKENIZER_H
#define VERBATIM_MODEL_TOKENIZER_H
#include "verbatim/result.h"
#include <stddef.h>
#include <stdint.h>

struct vb_tokenizer;

/// From the text of a tokenizer.json (vb_model.tokenizer_text) and the model's vocabulary size. With text NULL, token i
/// is byte i; that needs a vocabulary of at least 256.
vb_result vb_tokenizer_open(const char *text, uint32_t vocab, struct vb_tokenizer **out);
void vb_tokenizer_close(struct vb_tokenizer *t);
/// Tokens of n bytes of text. *ids is from malloc (never NULL on success); the caller frees it.
vb_result vb_tokenizer_encode(const struct vb_tokenizer *t, const char *text, size_t n, int32_t **ids, uint32_t *count);
/// The bytes of a token sequence, zero terminated, from malloc. An id that has no token is written as <id>.
/// One token may be part of a UTF-8 character.
vb_result vb_tokenizer_decode(const struct vb_tokenizer *t, const int32_t *ids, uint32_t count, char **text, size_t *n);
#endif
