// SPDX-License-Identifier: Apache-2.0
// quantization_config: how the large matrices are stored. Settings of the quantiser that leave no trace in the file
// are harmless; whatever may change how the numbers are read is refused by name.
#include "model/keys.h"
#include <string.h>

static const char common[] = " quant_method modules_to_not_convert ignore_patterns _load_in_4bit _load_in_8bit ";
static const char fp8_keys[] = " fmt weight_block_size activation_scheme scale_fmt ";
static const char int4_keys[] = " bits group_size ";
static const char gptq_keys[] =
    " desc_act sym checkpoint_format damp_percent damp_auto_increment static_groups true_sequential"
    " model_name_or_path model_file_base_name lm_head pack_dtype meta quantizer tokenizer dataset"
    " batch_size block_name_to_quantize cache_block_outputs exllama_config use_exllama max_input_length"
    " modules_in_block_to_quantize module_name_preceding_first_block pad_token_id backend use_cuda_fp16"
    " model_seqlen act_group_aware format ";
static const char awq_keys[] = " version zero_point backend do_fuse exllama_config fuse_max_seq_len modules_to_fuse ";

static void expect(struct vb_reader *r, const char *key, const char *want) {
  const char *have = vb_key_text(r, key, want);
  if (strcmp(have, want)) vb_bad(r, "key '%s%s' is '%.40s', only '%s' is supported", r->where, key, have, want);
}

static void parse_fp8(struct vb_reader *r, struct vb_config *c) {
  expect(r, "fmt", "e4m3");
  expect(r, "activation_scheme", "dynamic"); // how other programs treat activations; ours follow the contract
  expect(r, "scale_fmt", "ue8m0");
  const json_t *block = vb_key_list(r, "weight_block_size", 0);
  uint32_t size[2] = {128, 128};
  for (uint32_t i = 0; block && i < 2; i++) {
    json_int_t n = json_integer_value(json_array_get(block, i));
    if (json_array_size(block) != 2 || n < 1 || n > 1 << 20)
      vb_bad(r, "key '%sweight_block_size' must be two positive integers", r->where);
    else size[i] = (uint32_t)n;
  }
  c->block_rows = size[0];
  c->block_cols = size[1];
}

static void parse_int4(struct vb_reader *r, struct vb_config *c) {
  vb_key_must_be(r, "bits", 4);
  const json_t *group = vb_key_find(r, "group_size");
  c->group = json_integer_value(group) == -1 ? 0 : vb_key_u32(r, "group_size", 1, 1 << 20, -1);
  if (c->format == VB_FORMAT_AWQ) {
    const char *version = vb_key_text(r, "version", "gemm");
    if (strcmp(version, "gemm") && strcmp(version, "GEMM"))
      vb_bad(r, "key '%sversion' is '%.40s', only 'gemm' is supported", r->where, version);
    if (!vb_key_bool(r, "zero_point", 1)) vb_bad(r, "key '%szero_point': false is not supported", r->where);
    return;
  }
  const char *format = vb_key_text(r, "checkpoint_format", vb_key_text(r, "format", "gptq"));
  if (strcmp(format, "gptq") && strcmp(format, "gptq_v2"))
    vb_bad(r, "key '%scheckpoint_format' is '%.40s', supported are gptq and gptq_v2", r->where, format);
  c->zeros_minus_one = !strcmp(format, "gptq");
  c->act_order = vb_key_bool(r, "desc_act", 0);
}

void vb_parse_format(struct vb_reader *r, struct vb_config *c) {
  static const struct {
    const char *name, *keys, *more;
  } formats[] = {[VB_FORMAT_FP8] = {"fp8", fp8_keys, " "},
                 [VB_FORMAT_MXFP4] = {"mxfp4", " ", " "},
                 [VB_FORMAT_GPTQ] = {"gptq", gptq_keys, int4_keys},
                 [VB_FORMAT_AWQ] = {"awq", awq_keys, int4_keys}};
  const json_t *object = vb_key_find(r, "quantization_config");
  if (!object) return;
  if (!json_is_object(object)) {
    vb_bad(r, "key 'quantization_config' must be an object");
    return;
  }
  struct vb_reader in = {object, "quantization_config.", r->result};
  const char *method = vb_key_text(&in, "quant_method", NULL), *key;
  for (uint32_t i = VB_FORMAT_FP8; i <= VB_FORMAT_AWQ; i++)
    if (!strcmp(method, formats[i].name)) c->format = (enum vb_format)i;
  if (c->format == VB_FORMAT_PLAIN)
    vb_bad(&in, "key '%squant_method' is '%.40s', supported are fp8, mxfp4, gptq and awq", in.where, method);
  else if (c->format == VB_FORMAT_MXFP4 && c->family != VB_GPT_OSS)
    vb_bad(&in, "key '%squant_method': mxfp4 is supported for gpt_oss only", in.where);
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)object, key, value) if (in.result == VB_OK && !vb_key_listed(common, key) &&
                                                                   !vb_key_listed(formats[c->format].keys, key) &&
                                                                   !vb_key_listed(formats[c->format].more, key))
      vb_bad(&in, "unknown key '%s%.80s': it may change how the weights are read", in.where, key);
  if (in.result == VB_OK && c->format == VB_FORMAT_FP8) parse_fp8(&in, c);
  if (in.result == VB_OK && c->format >= VB_FORMAT_GPTQ) parse_int4(&in, c);
  r->result = in.result;
}
