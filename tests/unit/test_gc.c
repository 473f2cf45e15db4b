/* SPDX-License-Identifier: Apache-2.0 */
#include "store/codec.h"
#include "store/core.h"
#include "store/doc.h"
#include "store/gc.h"
#include "tests/unit/trees.h"

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

/* A model of which each round trains the first tensor and leaves the second as it is. */
static void write_model(const char *name, float *w, size_t n, uint64_t *seed)
{
    struct out o = {0};
    char head[256];
    for (size_t i = 0; i < n / 2; i++)
        w[i] += 1e-6f * ((float)(trees_random(seed) % 2001) / 1000 - 1);
    uint64_t len = (uint64_t)snprintf(head, sizeof head,
                                      "{\"a\":{\"dtype\":\"F32\",\"shape\":[%zu],\"data_offsets\":[0,%zu]},"
                                      "\"b\":{\"dtype\":\"F32\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}}",
                                      n / 2, n * 2, n / 2, n * 2, n * 4);
    out_write(&o, &len, 8);
    out_write(&o, head, len);
    out_write(&o, w, n * 4);
    mkdir(trees_path(name), 0755);
    trees_write(trees_path(name), "m.safetensors", o.p, o.n);
    out_fini(&o);
}

static void remove_version(struct store *s, uint32_t number)
{
    const struct version *v;
    ck_ok(version_by_number(s, number, &v));
    ck_ok(version_remove(s, &v->digest, 0, "x"));
    version_unref(v);
}

static struct gc_result collect(struct store *s, int dry)
{
    struct gc_result g;
    ck_ok(gc_run(s, dry, NULL, 0, NULL, NULL, &g));
    return g;
}

static void history(struct store *s, int versions, size_t n)
{
    uint64_t seed = 1;
    float *w = (float *)trees_bytes(&seed, n * 4, 0);
    char name[16];
    for (int i = 1; i <= versions; i++) {
        snprintf(name, sizeof name, "t%d", i);
        write_model(name, w, n, &seed);
        trees_commit(s, trees_path(name));
    }
    free(w);
}

/* What newer versions lean on stays although its own version is gone; what nothing leans on goes. */
START_TEST(bases_stay_as_long_as_they_are_needed)
{
    struct store *s = trees_repo("r");
    struct store_usage before, after;
    struct gc_result g;
    history(s, 4, 400000);
    ck_assert_uint_eq(collect(s, 0).chunks, 0);
    ck_ok(store_usage(s, &before));
    remove_version(s, 1);
    remove_version(s, 2);
    remove_version(s, 3);
    g = collect(s, 1);
    struct gc_result done = collect(s, 0);
    ck_assert_uint_eq(done.bytes, g.bytes);
    ck_assert_uint_eq(done.chunks, g.chunks);
    ck_assert_uint_gt(done.records, 0); /* pages of the removed, and their tensors a */
    ck_ok(store_usage(s, &after));
    ck_assert_uint_eq(after.stored, before.stored - done.bytes);
    ck_assert_uint_gt(after.codec[CODEC_CTX].chunks, 0); /* v4 is still a difference */
    whole(s);
    trees_compare(s, 4, trees_path("t4"));
    store_close(s);
    s = trees_open("r", 0);
    trees_compare(s, 4, trees_path("t4"));
    remove_version(s, 4);
    ck_assert_uint_gt(collect(s, 0).chunks, 0);
    ck_ok(store_usage(s, &after));
    ck_assert_uint_eq(after.chunks, 0);
    ck_assert_uint_eq(collect(s, 0).records, 0);
    whole(s);
    store_close(s);
}
END_TEST

START_TEST(what_is_read_stays)
{
    struct store *s = trees_repo("r");
    const struct version *v;
    const struct manifest *m;
    history(s, 1, 300000);
    ck_ok(version_by_number(s, 1, &v));
    ck_ok(manifest_get(s, v, &m));
    store_set_cache(s, 0);
    remove_version(s, 1);
    ck_assert_uint_eq(collect(s, 0).chunks, 0);
    char byte;
    ck_assert_int_eq(file_read(s, &m->files[0], m->files[0].size - 1, &byte, 1), 1);
    manifest_unref(s, m);
    version_unref(v);
    ck_assert_uint_gt(collect(s, 0).chunks, 0);
    store_close(s);
}
END_TEST

/* A commit that was prepared against what went meanwhile is refused, and prepared again it stands. */
START_TEST(a_commit_beside_it_is_stale_not_broken)
{
    struct store *s = trees_repo("r");
    history(s, 1, 300000);
    const char *paths[] = {trees_path("t1")};
    struct prepare p = {.repo = store_path(s), .paths = paths, .npaths = 1, .auto_parent = 1};
    struct prepare_owner owner = prepare_direct(s);
    struct out doc = {0};
    struct commit_result c;
    ck_ok(prepare_run(&p, &owner, &doc));
    remove_version(s, 1);
    ck_assert_uint_gt(collect(s, 0).chunks, 0);
    ck_assert_int_eq(commit_apply(s, doc.p, doc.n, &c), -ESTALE);
    prepare_discard(store_path(s), doc.p, doc.n);
    out_fini(&doc);
    trees_commit(s, trees_path("t1"));
    trees_compare(s, 2, trees_path("t1"));
    whole(s);
    store_close(s);
}
END_TEST

/* Table files: those of a commit that never came, and the room of half-dead ones. */
START_TEST(table_files_give_their_room_back)
{
    struct store *s = trees_repo("r");
    uint64_t seed = 9;
    size_t n = 80 << 20;
    uint8_t *p = malloc(n);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t x = trees_random(&seed);
        memcpy(p + i, &x, 8);
    }
    mkdir(trees_path("big"), 0755);
    trees_write(trees_path("big"), "keep", p, n / 4);
    mkdir(trees_path("small"), 0755);
    trees_write(trees_path("small"), "keep", p, n / 4);
    trees_write(trees_path("big"), "x", p + n / 4, n - n / 4);
    free(p);
    trees_commit(s, trees_path("big"));
    trees_commit(s, trees_path("small"));
    struct store_usage before, after;
    ck_ok(store_usage(s, &before));
    remove_version(s, 1);
    struct gc_result g = collect(s, 0);
    ck_assert_uint_ge(g.bytes, n - n / 4);
    ck_assert_uint_ge(g.rewritten, n / 4);
    ck_ok(store_usage(s, &after));
    ck_assert_uint_lt(after.disk + g.bytes * 9 / 10, before.disk);
    trees_compare(s, 2, trees_path("small"));

    /* taken in, but never in a batch: as a commit that was killed between the two */
    remove_version(s, 2);
    collect(s, 0);
    const char *paths[] = {trees_path("big")};
    struct prepare prep = {.repo = store_path(s), .paths = paths, .npaths = 1, .auto_parent = 1};
    struct prepare_owner owner = prepare_direct(s);
    struct out doc = {0}, table = {0};
    ck_ok(prepare_run(&prep, &owner, &doc));
    struct doc d;
    ck_ok(doc_parse(doc.p, doc.n, &d));
    ck_assert_uint_eq(d.kind, STAGING_TABLES);
    char dir[4600];
    snprintf(dir, sizeof dir, "%s/staging/%s", store_path(s), d.staging);
    staging_table(dir, 0, &table);
    const char *tables[] = {table.p};
    ck_ok(db_ingest(s->db, DB_CHUNKS, tables, 1));
    ck_assert_uint_eq(collect(s, 0).orphans, 0); /* its commit may still come */
    prepare_discard(store_path(s), doc.p, doc.n);
    /* a later write says that those ids were given out */
    mkdir(trees_path("little"), 0755);
    trees_write(trees_path("little"), "f", "1", 1);
    trees_commit(s, trees_path("little"));
    store_close(s);
    s = trees_open("r", 0);
    ck_ok(store_usage(s, &before));
    g = collect(s, 0);
    ck_assert_uint_gt(g.orphans, n / 2);
    ck_ok(store_usage(s, &after));
    ck_assert_uint_lt(after.disk + n / 2, before.disk);
    trees_compare(s, 3, trees_path("little"));
    whole(s);
    out_fini(&doc);
    out_fini(&table);
    store_close(s);
}
END_TEST

/* Nothing is freed when a version cannot be read. */
START_TEST(damage_stops_it)
{
    struct store *s = trees_repo("r");
    struct gc_result g;
    const struct version *v;
    history(s, 2, 100000);
    remove_version(s, 1);
    ck_ok(version_by_number(s, 2, &v));
    struct db_batch *b = db_batch_new();
    db_delete(s->db, b, DB_MANIFESTS, v->manifest.b, sizeof v->manifest.b);
    ck_ok(db_write(s->db, b, 1));
    db_batch_free(b);
    version_unref(v);
    struct store_usage before, after;
    ck_ok(store_usage(s, &before));
    store_close(s);
    s = trees_open("r", 0);
    ck_assert_int_eq(gc_run(s, 0, NULL, 0, NULL, NULL, &g), -EBADMSG);
    ck_ok(store_usage(s, &after));
    ck_assert_uint_eq(after.chunks, before.chunks);
    store_close(s);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("gc");
    TCase *t = tcase_create("gc");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, bases_stay_as_long_as_they_are_needed);
    tcase_add_test(t, what_is_read_stays);
    tcase_add_test(t, a_commit_beside_it_is_stale_not_broken);
    tcase_add_test(t, table_files_give_their_room_back);
    tcase_add_test(t, damage_stops_it);
    suite_add_tcase(suite, t);
    return suite;
}
