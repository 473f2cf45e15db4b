/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (OpenSSL's EVP, which uses the CPU's SHA instructions) for names, XXH3-64 (libxxhash) for checks.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct digest {
    uint8_t b[32];
};
#define HASH_HEX 65 /* 64 hex digits and NUL */

struct hash;                 /* a running SHA-256 */
struct hash *hash_new(void); /* NULL: out of memory */
void hash_update(struct hash *h, const void *p, size_t n);
void hash_final(struct hash *h, struct digest *ret); /* and starts anew */
void hash_free(struct hash *h);

void hash_sha256(const void *p, size_t n, struct digest *ret);
uint64_t hash_xxh3(const void *p, size_t n);

void hash_hex(const struct digest *d, char ret[HASH_HEX]);
int hash_parse(const char *hex, struct digest *ret); /* exactly 64 lower-case hex digits, else -EINVAL */

static inline int hash_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}
static inline int hash_is_zero(const struct digest *a)
{
    static const struct digest zero;
    return hash_equal(a, &zero);
}
