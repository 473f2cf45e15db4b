/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rows.h"
#include "tests/unit/trees.h"
#include <pthread.h>

static struct digest digest_of(int i)
{
    struct digest d;
    hash_sha256(&i, sizeof i, &d);
    return d;
}

struct seen {
    int n;
    uint64_t first, last;
    char text[64];
    uint8_t state;
};

static int note_row(void *ctx, const struct stored_row *r)
{
    struct seen *x = ctx;
    if (x->n++ == 0)
        x->first = r->seq;
    x->last = r->seq;
    x->state = r->state;
    snprintf(x->text, sizeof x->text, "%.*s|%s|%u", (int)r->n, r->json, r->reason, r->uid);
    return 0;
}

START_TEST(rows_come_back_and_are_replaced)
{
    struct store *s = trees_repo("r");
    struct stored_row rows[3] = {
        {.state = ROW_ACTIVE,
         .digest = digest_of(1),
         .input = digest_of(2),
         .json = "{\"a\":1}",
         .n = 7,
         .uid = 7},
        {.state = ROW_REJECTED, .json = "a\0b", .n = 3, .reason = "not JSON", .uid = 8},
        {.state = ROW_ACTIVE, .json = "", .n = 0, .time_ns = 42}};
    ck_ok(rows_write(s, rows, 3, "rows", "{\"n\":3}"));
    ck_assert_uint_eq(rows[0].seq, 1);
    ck_assert_uint_eq(rows[2].seq, 3);
    rows[1].state = ROW_RETIRED;
    rows[1].reason = "old";
    ck_ok(rows_write(s, &rows[1], 1, "retire", "{}"));
    ck_assert_uint_eq(rows[1].seq, 2);
    struct stored_row more = {.state = ROW_ACTIVE, .json = "{}", .n = 2};
    ck_ok(rows_write(s, &more, 1, "rows", "{}"));
    ck_assert_uint_eq(more.seq, 4);
    store_close(s);

    s = trees_open("r", 0);
    struct seen x = {0};
    ck_ok(rows_each(s, 0, note_row, &x));
    ck_assert_int_eq(x.n, 4);
    ck_assert_uint_eq(x.first, 1);
    x = (struct seen){0};
    ck_ok(rows_each(s, 4, note_row, &x));
    ck_assert_int_eq(x.n, 1);
    ck_assert_uint_eq(x.last, 4);
    x = (struct seen){0};
    ck_ok(rows_each(s, 2, note_row, &x));
    ck_assert_uint_eq(x.first, 2);
    more.seq = 0;
    ck_ok(rows_write(s, &more, 1, "rows", "{}")); /* numbers go on after a reopen */
    ck_assert_uint_eq(more.seq, 5);
    store_close(s);
}
END_TEST

static int note_event(void *ctx, const struct event *e)
{
    struct seen *x = ctx;
    x->n++;
    x->last = e->seq;
    snprintf(x->text, sizeof x->text, "%s %.*s", e->kind, (int)e->n, e->json);
    return 0;
}

START_TEST(each_write_is_one_event)
{
    struct store *s = trees_repo("r");
    struct digest a, b;
    ck_assert_uint_eq(events_last(s, &a), 1); /* init */
    struct stored_row row = {.state = ROW_ACTIVE, .json = "{}", .n = 2};
    ck_ok(rows_write(s, &row, 1, "rows", "{\"rows\":[1]}"));
    ck_assert_uint_eq(events_last(s, &b), 2);
    ck_assert(!hash_equal(&a, &b));
    struct seen x = {0};
    ck_ok(events_each(s, 2, note_event, &x));
    ck_assert_int_eq(x.n, 1);
    ck_assert_str_eq(x.text, "rows {\"rows\":[1]}");
    store_close(s);
    s = trees_open("r", STORE_READ_ONLY);
    ck_assert_uint_eq(events_last(s, &a), 2);
    ck_assert(hash_equal(&a, &b));
    ck_assert_int_eq(rows_write(s, &row, 1, "rows", "{}"), -EROFS);
    store_close(s);
}
END_TEST

enum { WRITERS = 8, EACH = 25 };
struct writer {
    struct store *s;
    pthread_t thread;
    uint64_t seq[EACH];
};

static void *write_rows(void *arg)
{
    struct writer *w = arg;
    for (int i = 0; i < EACH; i++) {
        struct stored_row row = {.state = ROW_ACTIVE, .json = "{}", .n = 2};
        if (rows_write(w->s, &row, 1, "rows", "{}") == 0)
            w->seq[i] = row.seq;
    }
    return NULL;
}

START_TEST(concurrent_writers_lose_nothing)
{
    struct store *s = trees_repo("r");
    struct writer w[WRITERS] = {0};
    for (int i = 0; i < WRITERS; i++) {
        w[i].s = s;
        ck_assert_int_eq(pthread_create(&w[i].thread, NULL, write_rows, &w[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(w[i].thread, NULL);
    uint8_t given[WRITERS * EACH + 1] = {0};
    for (int i = 0; i < WRITERS; i++)
        for (int k = 0; k < EACH; k++) {
            ck_assert(w[i].seq[k] >= 1 && w[i].seq[k] <= WRITERS * EACH);
            ck_assert_uint_eq(given[w[i].seq[k]]++, 0); /* no number twice */
        }
    struct seen x = {0};
    ck_ok(rows_each(s, 0, note_row, &x));
    ck_assert_int_eq(x.n, WRITERS * EACH);
    ck_assert_uint_eq(events_last(s, NULL), 1 + WRITERS * EACH);
    ck_assert_int_eq(store_check(s, 1, NULL, NULL, NULL), 0);
    store_close(s);
}
END_TEST

START_TEST(configuration_by_name_and_digest)
{
    struct store *s = trees_repo("r");
    struct out o = {0};
    struct digest first, now;
    ck_assert_int_eq(config_get(s, "spec.json", &o, NULL), -ENOENT);
    ck_ok(config_set(s, "spec.json", "one", 3, "{}"));
    ck_ok(config_get(s, "spec.json", NULL, &first));
    ck_ok(config_set(s, "spec.json", "two\0x", 5, "{}"));
    ck_ok(config_set(s, "gates", "", 0, "{}"));
    store_close(s);
    s = trees_open("r", 0);
    ck_ok(config_get(s, "spec.json", &o, &now));
    ck_assert(o.n == 5 && memcmp(o.p, "two\0x", 5) == 0);
    ck_assert(!hash_equal(&first, &now));
    out_reset(&o);
    ck_ok(blob_get(s, &first, &o)); /* kept for ever */
    ck_assert(o.n == 3 && memcmp(o.p, "one", 3) == 0);
    out_reset(&o);
    ck_ok(config_get(s, "gates", &o, NULL));
    ck_assert_uint_eq(o.n, 0);
    ck_assert_int_eq(blob_get(s, &(struct digest){{1}}, &o), -ENOENT);
    out_fini(&o);
    store_close(s);
}
END_TEST

static int note_prediction(void *ctx, const struct stored_prediction *p)
{
    struct seen *x = ctx;
    x->n++;
    if (p->n < sizeof x->text) {
        memcpy(x->text, p->p, p->n);
        x->text[p->n] = 0;
    }
    return 0;
}

START_TEST(predictions_by_run_and_input)
{
    struct store *s = trees_repo("r");
    struct digest run = digest_of(100), other = digest_of(101), none = digest_of(102);
    struct stored_prediction v[2] = {{digest_of(1), "cat", 3}, {digest_of(2), "dog", 3}};
    uint64_t before = events_last(s, NULL);
    ck_ok(predictions_put(s, &run, "{\"engine\":\"x\"}", v, 2, 0));
    ck_assert_uint_eq(events_last(s, NULL), before); /* computed: may be lost, no event */
    ck_ok(predictions_put(s, &other, "{}", v, 1, 1));
    ck_assert_uint_eq(events_last(s, NULL), before + 1);
    store_close(s);
    s = trees_open("r", 0);
    struct seen x = {0};
    ck_ok(predictions_each(s, &run, note_prediction, &x));
    ck_assert_int_eq(x.n, 2);
    x = (struct seen){0};
    ck_ok(predictions_each(s, &other, note_prediction, &x));
    ck_assert_int_eq(x.n, 1);
    ck_assert_str_eq(x.text, "cat");
    ck_assert_int_eq(predictions_has(s, &run, &v[1].input), 1);
    ck_assert_int_eq(predictions_has(s, &other, &v[1].input), 0);
    struct out o = {0};
    ck_ok(predictions_info(s, &run, &o));
    ck_assert_str_eq(out_cstr(&o), "{\"engine\":\"x\"}");
    ck_assert_int_eq(predictions_info(s, &none, &o), -ENOENT);
    out_fini(&o);
    store_close(s);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("rows");
    TCase *t = tcase_create("rows");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, rows_come_back_and_are_replaced);
    tcase_add_test(t, each_write_is_one_event);
    tcase_add_test(t, concurrent_writers_lose_nothing);
    tcase_add_test(t, configuration_by_name_and_digest);
    tcase_add_test(t, predictions_by_run_and_input);
    suite_add_tcase(suite, t);
    return suite;
}
