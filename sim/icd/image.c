// SPDX-License-Identifier: Apache-2.0
//
// Device images. Where a board takes a bitstream, the simulator takes a manifest that says which
// hardware the program was made for. Text, so that it can be read and compared:
//
//   VERBATIM-DEVICE-IMAGE 1
//   configuration base
//   table-hash 0123456789abcdef
//   kernels attention router
//   end 89abcdef
//
// Every line ends with '\n'; the number after `end` is the CRC-32 (IEEE 802.3) of all bytes before
// that line, so a cut or edited file is refused.
#include "icd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "VERBATIM-DEVICE-IMAGE 1\n"
#define MAX_IMAGE 4096u

static uint32_t crc32(const char *data, size_t bytes) {
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < bytes; i++) {
    crc ^= (unsigned char)data[i];
    for (int k = 0; k < 8; k++) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
  }
  return ~crc;
}

static size_t append(char *text, size_t size, size_t used, const char *format, const char *word) {
  int n = snprintf(used < size ? text + used : NULL, used < size ? size - used : 0, format, word);
  return used + (size_t)n;
}

size_t vb_image_format(const struct vb_image *image, char *text, size_t size) {
  char hash[17];
  snprintf(hash, sizeof hash, "%016" PRIx64, image->table_hash);
  size_t n = append(text, size, 0, "%s", MAGIC);
  n = append(text, size, n, "configuration %s\n", image->configuration);
  n = append(text, size, n, "table-hash %s\n", hash);
  n = append(text, size, n, "%s", "kernels");
  for (uint32_t i = 0; i < image->num_kernels; i++) n = append(text, size, n, " %s", image->kernels[i]);
  n = append(text, size, n, "%s", "\n");
  char crc[9];
  snprintf(crc, sizeof crc, "%08" PRIx32, n <= size ? crc32(text, n) : 0u);
  return append(text, size, n, "end %s\n", crc);
}

// Takes the words up to the line's end; false unless the line starts with `key`.
static bool take_line(const char **at, const char *key, char *words, size_t size) {
  size_t n = strlen(key);
  if (strncmp(*at, key, n) != 0 || (*at)[n] != ' ') return false;
  const char *from = *at + n + 1;
  const char *end = strchr(from, '\n');
  if (end == NULL || end == from || (size_t)(end - from) >= size) return false;
  memcpy(words, from, (size_t)(end - from));
  words[end - from] = '\0';
  *at = end + 1;
  return true;
}

static bool parse_hex(const char *word, size_t digits, uint64_t *value) {
  if (strlen(word) != digits || strspn(word, "0123456789abcdef") != digits) return false;
  *value = strtoull(word, NULL, 16);
  return true;
}

static bool parse_kernels(struct vb_image *image, char *words) {
  char *rest = NULL;
  for (char *w = strtok_r(words, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest)) {
    if (image->num_kernels == sizeof image->kernels / sizeof image->kernels[0]) return false;
    if (strlen(w) >= sizeof image->kernels[0]) return false;
    for (uint32_t i = 0; i < image->num_kernels; i++)
      if (strcmp(image->kernels[i], w) == 0) return false;
    strcpy(image->kernels[image->num_kernels++], w);
  }
  return image->num_kernels > 0;
}

bool vb_image_parse(struct vb_image *image, const void *data, size_t bytes) {
  memset(image, 0, sizeof *image);
  if (bytes < sizeof MAGIC || bytes > MAX_IMAGE || memchr(data, '\0', bytes) != NULL) return false;
  char text[MAX_IMAGE + 1];
  memcpy(text, data, bytes);
  text[bytes] = '\0';
  if (strncmp(text, MAGIC, sizeof MAGIC - 1) != 0) return false;
  const char *at = text + sizeof MAGIC - 1;
  char hash[20], crc_word[12], kernels[2048];
  if (!take_line(&at, "configuration", image->configuration, sizeof image->configuration) ||
      !take_line(&at, "table-hash", hash, sizeof hash) || !take_line(&at, "kernels", kernels, sizeof kernels))
    return false;
  size_t covered = (size_t)(at - text);
  uint64_t crc = 0;
  if (!take_line(&at, "end", crc_word, sizeof crc_word) || *at != '\0') return false;
  return parse_hex(hash, 16, &image->table_hash) && parse_hex(crc_word, 8, &crc) && crc == crc32(text, covered) &&
         parse_kernels(image, kernels);
}
