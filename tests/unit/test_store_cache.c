/* SPDX-License-Identifier: Apache-2.0 */
#include "store/cache.h"
#include "tests/unit/trees.h"
#include <pthread.h>
#include <stdatomic.h>

enum { CHUNKS = 64, SIZE = 1000, THREADS = 8, ROUNDS = 2000 };

struct source {
    atomic_int fetched[CHUNKS];
    atomic_int inside[CHUNKS]; /* fetches of it at this moment */
    atomic_int overlapped;
    int fail_id;
};

static int fetch(void *ctx, const struct cache_chunk *c, void *p)
{
    struct source *s = ctx;
    if (atomic_fetch_add(&s->inside[c->id], 1))
        s->overlapped = 1;
    memset(p, (int)c->id, c->n);
    atomic_fetch_add(&s->fetched[c->id], 1);
    atomic_fetch_sub(&s->inside[c->id], 1);
    return s->fail_id && c->id == (uint64_t)s->fail_id ? fail(-EIO, "chunk %d is bad", s->fail_id) : 0;
}

static struct cache_chunk chunk(uint64_t id)
{
    return (struct cache_chunk){.id = id, .n = SIZE, .xxh3 = id};
}

START_TEST(kept_within_the_limit_newest_first)
{
    struct source s = {0};
    struct cache *c = cache_new(4 * SIZE, fetch, &s);
    struct cache_entry *e;
    struct cache_counts n;
    for (uint64_t i = 0; i < 8; i++) {
        struct cache_chunk k = chunk(i);
        ck_ok(cache_get(c, &k, &e));
        ck_assert_int_eq(((const uint8_t *)cache_data(e))[SIZE - 1], (int)i);
        cache_put(c, e);
    }
    cache_counts(c, &n);
    ck_assert_uint_eq(n.bytes, 4 * SIZE);
    ck_assert_uint_eq(n.fetches, 8);
    struct cache_chunk last = chunk(7), first = chunk(0);
    ck_ok(cache_get(c, &last, &e));
    cache_put(c, e);
    ck_assert_int_eq(s.fetched[7], 1);
    ck_ok(cache_get(c, &first, &e)); /* was dropped */
    ck_assert_int_eq(s.fetched[0], 2);
    cache_limit(c, 0); /* what is held stays */
    ck_assert_int_eq(((const uint8_t *)cache_data(e))[0], 0);
    cache_put(c, e);
    cache_counts(c, &n);
    ck_assert_uint_eq(n.bytes, 0);
    cache_free(c);
}
END_TEST

START_TEST(failed_fetch_is_told_and_tried_again)
{
    struct source s = {.fail_id = 3};
    struct cache *c = cache_new(4 * SIZE, fetch, &s);
    struct cache_entry *e;
    struct cache_chunk bad = chunk(3);
    ck_assert_int_eq(cache_get(c, &bad, &e), -EIO);
    ck_assert_str_eq(fail_text(), "chunk 3 is bad");
    s.fail_id = 0;
    ck_ok(cache_get(c, &bad, &e));
    cache_put(c, e);
    ck_assert_int_eq(s.fetched[3], 2);
    bad.xxh3++; /* another referrer says otherwise */
    ck_assert_int_eq(cache_get(c, &bad, &e), -EBADMSG);
    cache_free(c);
}
END_TEST

struct reader {
    pthread_t thread;
    struct cache *c;
    uint64_t seed;
    int wrong;
};

static void *read_randomly(void *arg)
{
    struct reader *r = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct cache_chunk k = chunk(trees_random(&r->seed) % CHUNKS), soon = chunk((k.id + 1) % CHUNKS);
        struct cache_entry *e;
        if (i % 4 == 0)
            cache_prefetch(r->c, &soon);
        if (cache_get(r->c, &k, &e) < 0) {
            r->wrong += k.id != 5; /* the one that fails */
            continue;
        }
        const uint8_t *p = cache_data(e);
        for (size_t j = 0; j < SIZE; j += 37)
            r->wrong += p[j] != (uint8_t)k.id;
        cache_put(r->c, e);
        if (i % 500 == 0)
            cache_limit(r->c, (trees_random(&r->seed) % 30) * SIZE);
    }
    return NULL;
}

START_TEST(many_readers_one_fetch_at_a_time)
{
    struct source s = {.fail_id = 5};
    struct reader r[THREADS] = {0};
    struct cache *c = cache_new(20 * SIZE, fetch, &s);
    for (int i = 0; i < THREADS; i++) {
        r[i].c = c;
        r[i].seed = (uint64_t)i;
        ck_assert_int_eq(pthread_create(&r[i].thread, NULL, read_randomly, &r[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(r[i].thread, NULL);
        ck_assert_int_eq(r[i].wrong, 0);
    }
    ck_assert_int_eq(s.overlapped, 0);
    cache_limit(c, 0);
    cache_free(c);
}
END_TEST

/* The same over a real store: files read at random by several threads while versions and rows come in. */
struct load {
    pthread_t thread;
    struct store *s;
    const char *want;
    size_t n;
    uint64_t seed;
    int wrong;
};

static void *read_file(void *arg)
{
    struct load *l = arg;
    char *p = malloc(200000);
    for (int i = 0; i < 150; i++) {
        const struct version *v;
        const struct manifest *m;
        if (version_by_number(l->s, 1, &v) < 0 || manifest_get(l->s, v, &m) < 0) {
            l->wrong++;
            break;
        }
        const struct manifest_file *f = manifest_find(m, "w");
        uint64_t off = trees_random(&l->seed) % l->n, n = trees_random(&l->seed) % 200000;
        if (i % 3 == 0)
            file_prefetch(l->s, f, off, 1 << 20);
        int64_t k = file_read(l->s, f, off, p, n);
        l->wrong += k < 0 || memcmp(p, l->want + off, (size_t)k) != 0;
        manifest_unref(l->s, m);
        version_unref(v);
    }
    free(p);
    return NULL;
}

START_TEST(readers_while_versions_come_in)
{
    struct store *s = trees_repo("r");
    char *dir = trees_path("t"), path[256];
    struct trees_tensor t[] = {{"w", "F32", 4, 1000000}};
    uint64_t seed = 9;
    size_t n;
    mkdir(dir, 0755);
    uint8_t *p = trees_safetensors(&seed, t, 1, &n);
    trees_write(dir, "w", p, n);
    free(p);
    trees_commit(s, dir);
    snprintf(path, sizeof path, "%s/w", dir);
    char *want = unit_read_file(path, &n);
    store_set_cache(s, 1 << 20);
    struct load l[4] = {0};
    for (uint64_t i = 0; i < 4; i++) {
        l[i] = (struct load){.s = s, .want = want, .n = n, .seed = i};
        ck_assert_int_eq(pthread_create(&l[i].thread, NULL, read_file, &l[i]), 0);
    }
    for (int i = 0; i < 5; i++) {
        trees_write(dir, "other", &i, sizeof i);
        trees_commit(s, dir);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(l[i].thread, NULL);
        ck_assert_int_eq(l[i].wrong, 0);
    }
    free(want);
    store_close(s);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("cache");
    TCase *t = tcase_create("cache");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, kept_within_the_limit_newest_first);
    tcase_add_test(t, failed_fetch_is_told_and_tried_again);
    tcase_add_test(t, many_readers_one_fetch_at_a_time);
    tcase_add_test(t, readers_while_versions_come_in);
    suite_add_tcase(suite, t);
    return suite;
}
