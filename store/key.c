/* SPDX-License-Identifier: Apache-2.0 */
#include "store/key.h"

static void key_put(struct key *k, const void *p, size_t n)
{
    if (n > sizeof k->b - k->n)
        n = sizeof k->b - k->n; /* names are checked before they come here */
    memcpy(k->b + k->n, p, n);
    k->n += n;
}

static void key_put_uint(struct key *k, uint64_t x, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        k->b[k->n++] = (uint8_t)(x >> 8 * i);
}

struct key key_id(uint64_t id)
{
    struct key k = {0};
    key_put_uint(&k, id, 8);
    return k;
}

struct key key_model(char kind)
{
    struct key k = {0};
    key_put_uint(&k, KEY_MODEL, 4);
    if (kind)
        key_put(&k, &kind, 1);
    return k;
}

struct key key_model_bytes(char kind, const void *p, size_t n)
{
    struct key k = key_model(kind);
    key_put(&k, p, n);
    return k;
}

struct key key_model_be32(char kind, uint32_t x)
{
    struct key k = key_model(kind);
    key_put_uint(&k, x, 4);
    return k;
}

struct key key_model_be64(char kind, uint64_t x)
{
    struct key k = key_model(kind);
    key_put_uint(&k, x, 8);
    return k;
}

struct key key_prediction(const struct digest *run, const struct digest *input)
{
    struct key k = key_model(0);
    key_put(&k, run->b, 32);
    key_put(&k, input ? "p" : "i", 1);
    if (input)
        key_put(&k, input->b, 32);
    return k;
}

uint64_t key_parse_id(const uint8_t *p)
{
    uint64_t x = 0;
    for (int i = 0; i < 8; i++)
        x = x << 8 | p[i];
    return x;
}
