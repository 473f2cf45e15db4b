/* SPDX-License-Identifier: Apache-2.0 */
/* For the suites of the store: seeded random trees, a repo, a commit in process, and cmp of every byte. */
#pragma once
#include "store/base/fail.h"
#include "store/manifest.h"
#include "store/prepare.h"
#include "tests/unit/unit.h"
#undef fail /* a macro of check.h */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ck_ok(call)                                                                \
    do {                                                                           \
        int ck_r = (int)(call);                                                    \
        ck_assert_msg(ck_r >= 0, "%s: %d (%s)", #call, ck_r, fail_describe(ck_r)); \
    } while (0)

static inline uint64_t trees_random(uint64_t *seed) /* SplitMix64 */
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline char *trees_path(const char *name) /* in the test's directory; stands for the next 1023 calls */
{
    static char pool[1024][96];
    static unsigned next;
    char *p = pool[next++ % 1024];
    ck_assert_int_lt(snprintf(p, sizeof pool[0], "%s/%s", unit_tmpdir(), name), (int)sizeof pool[0]);
    return p;
}

static inline void trees_write(const char *dir, const char *name, const void *p, size_t n)
{
    char path[4600];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (char *c = path + strlen(dir) + 1; (c = strchr(c, '/')); c++) {
        *c = 0;
        mkdir(path, 0755);
        *c = '/';
    }
    unit_write_file(path, p, n);
}

/* n bytes like weights (small floats), noise, text or zeros, by kind */
static inline uint8_t *trees_bytes(uint64_t *seed, size_t n, int kind)
{
    uint8_t *p = malloc(n + 8);
    for (size_t i = 0; i < n; i += 4) {
        uint64_t x = trees_random(seed);
        float f = ((float)(x >> 40) / (1 << 24) - 0.5f) * 0.1f;
        uint32_t u = kind == 0   ? 0
                     : kind == 1 ? (uint32_t)x
                     : kind == 2 ? 0x61626320u + (uint32_t)(x % 7)
                                 : 0;
        if (kind == 0)
            memcpy(&u, &f, 4);
        memcpy(p + i, &u, 4);
    }
    return p;
}

/* A safetensors file of one tensor per element of dtypes; bytes are random unless f32. */
struct trees_tensor {
    const char *name, *dtype;
    size_t size, count;
};
static inline uint8_t *trees_safetensors(uint64_t *seed, const struct trees_tensor *t, size_t n,
                                         size_t *ret_n)
{
    struct out head = {0}, body = {0};
    out_char(&head, '{');
    for (size_t i = 0; i < n; i++) {
        size_t bytes = t[i].size * t[i].count;
        uint8_t *p = trees_bytes(seed, bytes, strcmp(t[i].dtype, "F32") == 0 ? 0 : 1);
        if (strcmp(t[i].dtype, "BOOL") == 0)
            for (size_t k = 0; k < bytes; k++)
                p[k] &= 1;
        out_printf(&head, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}",
                   i ? "," : "", t[i].name, t[i].dtype, t[i].count, body.n, body.n + bytes);
        out_write(&body, p, bytes);
        free(p);
    }
    out_char(&head, '}');
    while (head.n % 8)
        out_char(&head, ' ');
    uint8_t *p = malloc(8 + head.n + body.n);
    uint64_t len = head.n;
    memcpy(p, &len, 8);
    memcpy(p + 8, head.p, head.n);
    if (body.n)
        memcpy(p + 8 + head.n, body.p, body.n);
    *ret_n = 8 + head.n + body.n;
    out_fini(&head);
    out_fini(&body);
    return p;
}

static inline int trees_try_commit(struct store *s, const char *path, const char *tag,
                                   struct commit_result *ret)
{
    struct out doc = {0};
    const char *paths[] = {path};
    struct prepare p = {.repo = store_path(s),
                        .paths = paths,
                        .npaths = 1,
                        .message = "a message",
                        .author = "somebody",
                        .auto_parent = 1,
                        .tag = tag};
    struct prepare_owner owner = prepare_direct(s);
    int r = prepare_run(&p, &owner, &doc);
    if (r == 0) {
        r = commit_apply(s, doc.p, doc.n, ret);
        if (r < 0)
            prepare_discard(store_path(s), doc.p, doc.n);
    }
    out_fini(&doc);
    return r;
}

static inline struct commit_result trees_commit(struct store *s, const char *path)
{
    struct commit_result c;
    ck_ok(trees_try_commit(s, path, NULL, &c));
    return c;
}

static inline struct store *trees_repo(const char *name)
{
    struct store *s;
    char *path = trees_path(name);
    ck_ok(store_init(path));
    ck_ok(store_open(path, 0, &s));
    return s;
}

static inline struct store *trees_open(const char *name, unsigned flags)
{
    struct store *s;
    ck_ok(store_open(trees_path(name), flags, &s));
    return s;
}

/* Every byte and property of version `number` against the tree at dir, whose entries are n. */
static inline void trees_compare(struct store *s, uint32_t number, const char *dir)
{
    const struct version *v;
    const struct manifest *m;
    ck_ok(version_by_number(s, number, &v));
    ck_ok(manifest_get(s, v, &m));
    for (size_t i = 0; i < m->nfiles; i++) {
        const struct manifest_file *f = &m->files[i];
        char path[4600];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", dir, f->path);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(f->mode, st.st_mode & (S_IFMT | 0777));
        ck_assert_int_eq(f->mtime_ns, st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec);
        if (S_ISDIR(f->mode))
            continue;
        size_t n;
        char *want = unit_read_file(path, &n), *got = malloc(n + 1);
        struct digest d;
        ck_assert_uint_eq(f->size, n);
        hash_sha256(want, n, &d);
        ck_assert(hash_equal(&d, &f->sha256));
        int64_t k = file_read(s, f, 0, got, n + 1);
        ck_assert_msg(k == (int64_t)n, "%s: %lld of %zu (%s)", path, (long long)k, n, fail_text());
        ck_assert(memcmp(want, got, n) == 0);
        for (uint64_t seed = n, j = 0; j < 8 && n; j++) { /* and at random places */
            uint64_t off = trees_random(&seed) % n, len = trees_random(&seed) % (n < 300000 ? n : 300000) + 1;
            k = file_read(s, f, off, got, len);
            ck_assert_int_eq(k, (int64_t)(len < n - off ? len : n - off));
            ck_assert(memcmp(want + off, got, (size_t)k) == 0);
        }
        free(want);
        free(got);
    }
    manifest_unref(s, m);
    version_unref(v);
}
