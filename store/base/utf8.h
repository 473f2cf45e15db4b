/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Decodes one code point of the n bytes at s: its length in bytes, or 0 when they begin no valid UTF-8
 * (overlong forms, surrogates and values past U+10FFFF are invalid, RFC 3629). */
static inline size_t utf8_next(const char *s, size_t n, uint32_t *ret)
{
    const unsigned char *u = (const unsigned char *)s;
    if (n == 0)
        return 0;
    uint32_t c = u[0];
    size_t k = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : (c & 0xf0) == 0xe0    ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;
    if (k == 0 || k > n)
        return 0;
    if (k > 1)
        c &= 0x7fu >> k;
    for (size_t i = 1; i < k; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (u[i] & 0x3f);
    }
    if ((k == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) || (k == 4 && (c < 0x10000 || c > 0x10ffff)))
        return 0;
    *ret = c;
    return k;
}

static inline int utf8_valid(const char *s, size_t n)
{
    for (size_t i = 0, k; i < n; i += k) {
        uint32_t c;
        if ((k = utf8_next(s + i, n - i, &c)) == 0)
            return 0;
    }
    return 1;
}
