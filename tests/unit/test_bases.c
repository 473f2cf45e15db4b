/* SPDX-License-Identifier: Apache-2.0 */
/* Versions that lean on each other: committed, read back, checked, damaged. */
#include "store/cast.h"
#include "store/chunk.h"
#include "store/core.h"
#include "tests/unit/trees.h"

enum { COUNT = 300000 };

static void write_model(const char *dir, const char *dtype, size_t size, const void *p, size_t count)
{
    struct out o = {0};
    char head[256];
    int n =
        snprintf(head, sizeof head, "{\"w\":{\"dtype\":\"%s\",\"shape\":[2,%zu],\"data_offsets\":[0,%zu]}}",
                 dtype, count / 2, count * size);
    uint64_t len = (uint64_t)n;
    out_write(&o, &len, 8);
    out_write(&o, head, len);
    out_write(&o, p, count * size);
    mkdir(dir, 0755);
    trees_write(dir, "model.safetensors", o.p, o.n);
    out_fini(&o);
}

static void train(float *w, uint64_t *seed)
{
    for (size_t i = 0; i < COUNT; i++)
        w[i] += 1e-6f * ((float)(trees_random(seed) % 2001) / 1000 - 1);
}

static int complain(void *ctx, const char *line)
{
    out_str(ctx, line);
    out_char(ctx, '\n');
    return 0;
}

static void whole(struct store *s)
{
    struct out o = {0};
    ck_assert_msg(store_check(s, 1, complain, NULL, &o) == 0, "%s", out_cstr(&o));
    out_fini(&o);
}

static int deepest(struct store *s)
{
    struct db_iter *it = db_iter_new(s->db, DB_IDX, NULL, 0, NULL, 0);
    struct db_record rec;
    struct record_idx x;
    int most = 0;
    while (db_next(it, &rec) == 1) {
        ck_ok(record_idx_parse(rec.p, rec.n, &x));
        most = x.depth > most ? x.depth : most;
    }
    db_iter_free(it);
    return most;
}

static uint64_t chunks_of(struct store *s, unsigned codec)
{
    struct store_usage u;
    ck_ok(store_usage(s, &u));
    return u.codec[codec].chunks;
}

START_TEST(a_history_of_training_and_casts)
{
    struct store *s = trees_repo("r");
    uint64_t seed = 1;
    float *w = (float *)trees_bytes(&seed, COUNT * 4, 0);
    uint16_t *half = malloc(COUNT * 2);
    struct commit_result first = {0}, c;
    char name[16];
    for (int i = 1; i <= 9; i++) {
        snprintf(name, sizeof name, "f%d", i);
        write_model(trees_path(name), "F32", 4, w, COUNT);
        c = trees_commit(s, trees_path(name));
        if (i == 1)
            first = c;
        else
            ck_assert_uint_lt(c.stored_new, first.stored_new * 2 / 3);
        train(w, &seed);
    }
    ck_assert_uint_eq(chunks_of(s, CODEC_CTX), 8 * 3);
    ck_assert_int_gt(deepest(s), 1);
    ck_assert_int_le(deepest(s), CHUNK_DEPTH_MAX); /* the ninth leans on an older one */
    write_model(trees_path("f10"), "F32", 4, w, COUNT);
    trees_commit(s, trees_path("f10"));
    cast_predict(CAST_F32_BF16, w, COUNT * 2, half);
    write_model(trees_path("b"), "BF16", 2, half, COUNT);
    c = trees_commit(s, trees_path("b"));
    ck_assert_uint_lt(c.stored_new, 1000);
    cast_predict(CAST_F32_F16, w, COUNT * 2, half); /* its parent is bf16: it comes from the one before */
    write_model(trees_path("h"), "F16", 2, half, COUNT);
    c = trees_commit(s, trees_path("h"));
    ck_assert_uint_lt(c.stored_new, 1000);
    ck_assert_uint_eq(chunks_of(s, CODEC_EXACT), 6);
    whole(s);
    store_close(s);

    s = trees_open("r", 0); /* with nothing decoded yet, from the newest on */
    store_set_cache(s, 1 << 20);
    trees_compare(s, 12, trees_path("h"));
    trees_compare(s, 11, trees_path("b"));
    for (int i = 10; i >= 1; i--) {
        snprintf(name, sizeof name, "f%d", i);
        trees_compare(s, (uint32_t)i, trees_path(name));
    }
    store_close(s);
    free(w);
    free(half);
}
END_TEST

START_TEST(older_programs_refuse_from_the_first_base_on)
{
    struct store *s = trees_repo("r");
    uint64_t seed = 2;
    float *w = (float *)trees_bytes(&seed, COUNT * 4, 0);
    write_model(trees_path("a"), "F32", 4, w, COUNT);
    trees_commit(s, trees_path("a"));
    ck_assert_uint_eq(s->state.incompat, 0);
    train(w, &seed);
    write_model(trees_path("b"), "F32", 4, w, COUNT);
    trees_commit(s, trees_path("b"));
    ck_assert_uint_eq(s->state.incompat, CORE_BASES);
    store_close(s);
    s = trees_open("r", STORE_READ_ONLY);
    ck_assert_uint_eq(s->state.incompat, CORE_BASES);
    store_close(s);
    free(w);
}
END_TEST

/* Damage to a base is damage to who leans on it, and is said of both. */
START_TEST(a_damaged_base_is_an_error_for_its_dependents)
{
    struct store *s = trees_repo("r");
    uint64_t seed = 3;
    float *w = (float *)trees_bytes(&seed, COUNT * 4, 0);
    write_model(trees_path("a"), "F32", 4, w, COUNT);
    trees_commit(s, trees_path("a"));
    train(w, &seed);
    write_model(trees_path("b"), "F32", 4, w, COUNT);
    trees_commit(s, trees_path("b"));
    ck_assert_uint_eq(chunks_of(s, CODEC_CTX), 3);

    struct key k = key_id(1 | CHUNK_SMALL); /* the first chunk of the first tensor */
    struct db_value v;
    while (db_get(s->db, DB_SMALL, k.b, k.n, &v) == 0 && v.n < 100000) {
        db_value_free(&v);
        k = key_id(key_parse_id(k.b) + 1);
    }
    struct out bad = {0};
    out_write(&bad, v.p, v.n);
    db_value_free(&v);
    bad.p[bad.n / 2] ^= 1;
    struct db_batch *b = db_batch_new();
    db_put(s->db, b, DB_SMALL, k.b, k.n, bad.p, bad.n);
    ck_ok(db_write(s->db, b, 1));
    db_batch_free(b);
    out_fini(&bad);
    store_close(s);

    s = trees_open("r", 0);
    struct out lines = {0};
    ck_assert_int_eq(store_check(s, 1, complain, NULL, &lines), 2);
    ck_assert_ptr_nonnull(strstr(out_cstr(&lines), "v1: model.safetensors: tensor w"));
    ck_assert_ptr_nonnull(strstr(out_cstr(&lines), "v2: model.safetensors: tensor w"));
    out_fini(&lines);
    /* and a commit that would have leaned on it stands without */
    train(w, &seed);
    write_model(trees_path("c"), "F32", 4, w, COUNT);
    trees_commit(s, trees_path("c"));
    trees_compare(s, 3, trees_path("c"));
    store_close(s);
    free(w);
}
END_TEST

/* A base that the index lost is missed although no chunk is read. */
START_TEST(a_lost_base_is_missed)
{
    struct store *s = trees_repo("r");
    uint64_t seed = 5;
    float *w = (float *)trees_bytes(&seed, COUNT * 4, 0);
    write_model(trees_path("a"), "F32", 4, w, COUNT);
    trees_commit(s, trees_path("a"));
    train(w, &seed);
    write_model(trees_path("b"), "F32", 4, w, COUNT);
    trees_commit(s, trees_path("b"));
    const struct version *v;
    ck_ok(version_by_number(s, 1, &v));
    ck_ok(version_remove(s, &v->digest, 0, "x"));
    version_unref(v);
    struct out lines = {0};
    ck_assert_int_eq(store_check(s, 0, complain, NULL, &lines), 0);
    struct db_batch *b = db_batch_new();
    struct db_iter *it = db_iter_new(s->db, DB_IDX, NULL, 0, NULL, 0);
    struct db_record rec;
    struct record_idx x;
    while (db_next(it, &rec) == 1) {
        ck_ok(record_idx_parse(rec.p, rec.n, &x));
        if (!x.base)
            db_delete(s->db, b, DB_IDX, rec.key, rec.nkey);
    }
    db_iter_free(it);
    ck_ok(db_write(s->db, b, 1));
    db_batch_free(b);
    ck_assert_int_eq(store_check(s, 0, complain, NULL, &lines), 3);
    ck_assert_ptr_nonnull(strstr(out_cstr(&lines), "v2: model.safetensors: tensor w"));
    ck_assert_ptr_nonnull(strstr(out_cstr(&lines), "leans on one that the index does not have"));
    out_fini(&lines);
    store_close(s);
    free(w);
}
END_TEST

/* A base that is gone when the commit is applied: prepared for nothing. */
START_TEST(a_base_that_vanished_is_stale)
{
    struct store *s = trees_repo("r");
    uint64_t seed = 4;
    float *w = (float *)trees_bytes(&seed, COUNT * 4, 0);
    write_model(trees_path("a"), "F32", 4, w, COUNT);
    trees_commit(s, trees_path("a"));
    train(w, &seed);
    write_model(trees_path("b"), "F32", 4, w, COUNT);
    const char *paths[] = {trees_path("b")};
    struct prepare p = {.repo = store_path(s), .paths = paths, .npaths = 1, .auto_parent = 1};
    struct prepare_owner owner = prepare_direct(s);
    struct out doc = {0};
    struct commit_result c;
    ck_ok(prepare_run(&p, &owner, &doc));
    struct db_batch *b = db_batch_new();
    struct db_iter *it = db_iter_new(s->db, DB_IDX, NULL, 0, NULL, 0);
    struct db_record rec;
    while (db_next(it, &rec) == 1) /* what a collector would do */
        db_delete(s->db, b, DB_IDX, rec.key, rec.nkey);
    db_iter_free(it);
    ck_ok(db_write(s->db, b, 1));
    db_batch_free(b);
    ck_assert_int_eq(commit_apply(s, doc.p, doc.n, &c), -ESTALE);
    ck_assert_ptr_nonnull(strstr(fail_text(), "builds on"));
    prepare_discard(store_path(s), doc.p, doc.n);
    out_fini(&doc);
    store_close(s);
    free(w);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("bases");
    TCase *t = tcase_create("bases");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_history_of_training_and_casts);
    tcase_add_test(t, older_programs_refuse_from_the_first_base_on);
    tcase_add_test(t, a_damaged_base_is_an_error_for_its_dependents);
    tcase_add_test(t, a_lost_base_is_missed);
    tcase_add_test(t, a_base_that_vanished_is_stale);
    suite_add_tcase(suite, t);
    return suite;
}
