/* SPDX-License-Identifier: Apache-2.0 */
/* What the parsers' suites share: one way in, and the promises that hold for any bytes. */
#pragma once
#include "store/base/arena.h"
#include "store/base/fail.h"
#include "store/format/format.h"
#include "tests/unit/unit.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Parses n bytes under a name; whatever they are the call succeeds, the segments cover the file once and in
 * order, each tensor is inside the file, and a problem is one line and leaves no tensors. Bytes are copied to
 * a block of exactly their size, so that ASan sees a read past the end. */
static inline struct layout formats_parse(const char *name, const void *p, size_t n, struct arena *a)
{
    struct layout l;
    struct input_memory m;
    char *exact = malloc(n ? n : 1);
    ck_assert_ptr_nonnull(exact);
    if (n)
        memcpy(exact, p, n);
    struct input in = input_over(name, exact, n, &m);
    int r = format_parse(&in, a, &l);
    free(exact);
    ck_assert_msg(r == 0, "%s: %d %s", name, r, fail_text());
    uint64_t pos = 0;
    for (size_t i = 0; i < l.nsegments; i++) {
        ck_assert_uint_eq(l.segments[i].off, pos);
        ck_assert_uint_gt(l.segments[i].len, 0);
        pos += l.segments[i].len;
        uint32_t t = l.segments[i].tensor;
        if (t != UINT32_MAX) {
            ck_assert_uint_lt(t, l.ntensors);
            ck_assert_uint_eq(l.tensors[t].segment, i);
            ck_assert(l.tensors[t].flags & TENSOR_SEGMENT);
            ck_assert(l.tensors[t].off == l.segments[i].off && l.tensors[t].len == l.segments[i].len);
        }
    }
    ck_assert_uint_eq(pos, n);
    for (size_t i = 0; i < l.ntensors; i++) {
        const struct tensor *t = &l.tensors[i];
        if (!(t->flags & TENSOR_EXTERNAL))
            ck_assert(t->off <= n && t->len <= n - t->off);
        if (t->flags & (TENSOR_SEGMENT | TENSOR_VIEW) && dtype_size(t->dtype))
            ck_assert_uint_eq(t->len, t->count * dtype_size(t->dtype));
        if (i)
            ck_assert(t[-1].off < t->off || (t[-1].off == t->off && strcmp(t[-1].name, t->name) < 0));
    }
    if (l.problem) {
        ck_assert(l.problem[0] && !strchr(l.problem, '\n'));
        ck_assert_int_eq(l.format, FORMAT_OPAQUE);
        ck_assert(l.ntensors == 0 && l.nsegments == (n != 0) && !l.structure);
    }
    if (l.structure) {
        json_t *v = json_loadb(l.structure, l.structure_len, JSON_REJECT_DUPLICATES, NULL);
        ck_assert_msg(json_is_object(v), "structure: %s", l.structure);
        json_decref(v);
    }
    return l;
}

/* The bytes must be refused with a problem that holds `text`. */
static inline void formats_refused(const char *name, const void *p, size_t n, const char *text)
{
    struct arena a = {0};
    struct layout l = formats_parse(name, p, n, &a);
    ck_assert_msg(l.problem && strstr(l.problem, text), "%s: expected \"%s\", got \"%s\"", name, text,
                  l.problem ? l.problem : "(parsed)");
    arena_fini(&a);
}

static inline const struct tensor *formats_tensor(const struct layout *l, const char *name)
{
    for (size_t i = 0; i < l->ntensors; i++)
        if (strcmp(l->tensors[i].name, name) == 0)
            return &l->tensors[i];
    ck_abort_msg("no tensor \"%s\" (problem: %s)", name, l->problem ? l->problem : "none");
    return NULL;
}

static inline json_t *formats_structure(const struct layout *l)
{
    ck_assert_msg(l->structure != NULL, "no structure: %s", l->problem ? l->problem : "no problem");
    json_t *v = json_loadb(l->structure, l->structure_len, 0, NULL);
    ck_assert_ptr_nonnull(v);
    return v;
}

static inline void formats_try(const char *name, const void *p, size_t n)
{
    struct arena a = {0};
    formats_parse(name, p, n, &a);
    arena_fini(&a);
}

/* Damages any format can suffer, made from one valid file whose header ends at h: truncations, tails, every
 * aligned or unaligned 4 and 8 byte field near the ends set to extreme values, every byte flipped (strided in
 * large files), and files of one repeated pattern. Each must keep formats_parse()'s promises. */
static inline void formats_damage(const char *name, const char *valid, size_t n, size_t h)
{
    const size_t cuts[] = {0, 1, 4, 7, 8, h - 1, h, h + 1, n / 2, n - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        if (cuts[i] <= n)
            formats_try(name, valid, cuts[i]);
    char *b = malloc(n + 4096);
    memcpy(b, valid, n);
    memset(b + n, 0xff, 4096);
    formats_try(name, b, n + 4096);
    b[n] = 0;
    formats_try(name, b, n + 1);
    static const uint64_t values[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, UINT64_MAX, 1ull << 62};
    size_t step = n > 4096 ? n / 1024 : 1;
    for (size_t at = 0; at + 8 <= n; at += at < 256 || at + 256 > n ? 1 : step)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            memcpy(b + at, &values[v], v < 5 ? 4 : 8);
            formats_try(name, b, n);
            memcpy(b + at, valid + at, 8);
        }
    for (size_t at = 0; at < n; at += step)
        for (int bit = 0; bit < 8; bit++) {
            b[at] = (char)(valid[at] ^ 1 << bit);
            formats_try(name, b, n);
            b[at] = valid[at];
        }
    free(b);
    static const char *const patterns[] = {"\0\0\0\0", "\xff\xff\xff\xff", "{{{{", "PK\3\4"};
    char *big = malloc(65536);
    for (size_t v = 0; v < 4; v++) {
        for (size_t i = 0; i < 65536; i += 4)
            memcpy(big + i, patterns[v], 4);
        formats_try(name, big, 65536);
    }
    free(big);
}
