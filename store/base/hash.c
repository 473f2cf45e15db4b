/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/hash.h"
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <xxhash.h>

struct hash {
    EVP_MD_CTX *ctx;
};

struct hash *hash_new(void)
{
    struct hash *h = calloc(1, sizeof *h);
    if (h && (!(h->ctx = EVP_MD_CTX_new()) || !EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL))) {
        hash_free(h);
        return NULL;
    }
    return h;
}

void hash_update(struct hash *h, const void *p, size_t n)
{
    EVP_DigestUpdate(h->ctx, p, n);
}

void hash_final(struct hash *h, struct digest *ret)
{
    EVP_DigestFinal_ex(h->ctx, ret->b, NULL);
    EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL);
}

void hash_free(struct hash *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void hash_sha256(const void *p, size_t n, struct digest *ret)
{
    EVP_Digest(p, n, ret->b, NULL, EVP_sha256(), NULL);
}

uint64_t hash_xxh3(const void *p, size_t n)
{
    return XXH3_64bits(p, n);
}

void hash_hex(const struct digest *d, char ret[HASH_HEX])
{
    static const char hex[] = "0123456789abcdef";
    for (int i = 0; i < 32; i++) {
        ret[2 * i] = hex[d->b[i] >> 4];
        ret[2 * i + 1] = hex[d->b[i] & 15];
    }
    ret[64] = 0;
}

int hash_parse(const char *hex, struct digest *ret)
{
    struct digest d = {{0}};
    for (int i = 0; i < 64; i++) {
        char c = hex[i];
        int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (v < 0)
            return -EINVAL;
        d.b[i / 2] = (uint8_t)(d.b[i / 2] << 4 | v);
    }
    if (hex[64])
        return -EINVAL;
    *ret = d;
    return 0;
}
