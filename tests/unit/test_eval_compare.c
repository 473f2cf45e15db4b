/* SPDX-License-Identifier: Apache-2.0 */
/* What decides between two versions: which test, on which rows, with which word. Predictions are imported. */
#include "tests/unit/evals.h"

enum { ROWS = 60 };

static const struct version *opaque(struct evals *e, const char *bytes)
{
    char *dir = trees_path(bytes);
    mkdir(dir, 0755);
    trees_write(dir, "model.bin", bytes, strlen(bytes));
    return evals_commit(e, dir);
}

/* Rows 0 .. ROWS-1, label "yes"; `more` is printed into each, with its number. */
static void rows(struct evals *e, const char *more, int divisor)
{
    struct out o = {0};
    for (int i = 0; i < ROWS; i++) {
        out_printf(&o, "{\"id\":\"r%02d\",\"input\":%d,\"label\":\"yes\"", i, i);
        if (more)
            out_printf(&o, ",\"%s\":%s%d%s", more, !strcmp(more, "group") ? "\"g" : "", i / divisor,
                       !strcmp(more, "group") ? "\"" : "");
        out_str(&o, "}\n");
    }
    ck_assert_uint_eq(evals_append_n(e, o.p, o.n).kept, ROWS);
    out_fini(&o);
}

/* Right on rows from .. to-1. */
static void predict(struct evals *e, const struct version *v, int from, int to)
{
    struct out o = {0};
    struct eval_added a;
    for (int i = 0; i < ROWS; i++)
        out_printf(&o, "{\"id\":\"r%02d\",\"prediction\":\"%s\"}\n", i, i >= from && i < to ? "yes" : "no");
    ck_ok(eval_import(e->eval, &evals_writer, v, o.p, o.n, &a));
    out_fini(&o);
}

struct pair {
    const struct version *v[2];
    struct eval_result *r[2];
    struct eval_compare c;
    struct arena arena;
};
static void compare(struct evals *e, struct pair *p)
{
    p->r[0] = evals_result(e, p->v[0], NULL);
    p->r[1] = evals_result(e, p->v[1], NULL);
    ck_ok(eval_compare(p->r[0], p->r[1], &p->arena, &p->c));
}
static void forget(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        eval_result_free(p->r[i]);
        version_unref(p->v[i]);
    }
    arena_fini(&p->arena);
}

START_TEST(plain_rows_go_to_mcnemar)
{
    struct evals e = evals_open("plain");
    struct pair p = {.v = {opaque(&e, "a"), opaque(&e, "b")}};
    rows(&e, NULL, 1);
    predict(&e, p.v[0], 0, 50);
    predict(&e, p.v[1], 8, 52);
    compare(&e, &p);
    const struct eval_change *h = &p.c.changes[p.c.headline];
    ck_assert(p.c.comparable && p.c.nbroken == 8 && p.c.nfixed == 2 && p.c.nother == 0 && p.c.churn == 10);
    ck_assert(h->pairs == ROWS && h->broken == 8 && h->fixed == 2);
    ck_assert_str_eq(h->test, "mcnemar");
    ck_assert_double_eq_tol(h->p, 0.109375, 1e-12);
    ck_assert_double_eq_tol(h->delta, -0.1, 1e-12);
    ck_assert(h->lo < -0.1 && h->hi > 0 && h->word == WORD_UNDECIDED);
    ck_assert_str_eq(p.r[0]->set->rows[p.c.flips[0]]->id, "r00");
    ck_assert_str_eq(p.r[0]->set->rows[p.c.flips[8]]->id, "r50");
    forget(&p);
    evals_close(&e);
}
END_TEST

/* Rows that share a group move together: 20 groups of 3 say less than 60 rows. */
START_TEST(groups_are_drawn_whole)
{
    struct evals e = evals_open("groups");
    struct pair p = {.v = {opaque(&e, "a"), opaque(&e, "b")}};
    rows(&e, "group", 3);
    predict(&e, p.v[0], 0, 60);
    predict(&e, p.v[1], 9, 60);
    compare(&e, &p);
    const struct eval_change *h = &p.c.changes[p.c.headline];
    ck_assert_str_eq(h->test, "bootstrap");
    ck_assert(h->broken == 9 && h->fixed == 0 && h->hi <= 0);
    double grouped = h->hi - h->lo;
    forget(&p);
    evals_close(&e);
    e = evals_open("few-groups");
    p = (struct pair){.v = {opaque(&e, "c"), opaque(&e, "d")}};
    rows(&e, "group", 10); /* six groups: no interval */
    predict(&e, p.v[0], 0, 60);
    predict(&e, p.v[1], 9, 60);
    compare(&e, &p);
    h = &p.c.changes[p.c.headline];
    ck_assert(isnan(h->lo) && h->word == WORD_UNDECIDED);
    forget(&p);
    evals_close(&e);
    e = evals_open("alone");
    p = (struct pair){.v = {opaque(&e, "e"), opaque(&e, "f")}};
    rows(&e, "group", 1);
    predict(&e, p.v[0], 0, 60);
    predict(&e, p.v[1], 9, 60);
    compare(&e, &p);
    h = &p.c.changes[p.c.headline];
    ck_assert(h->hi - h->lo < grouped);
    forget(&p);
    evals_close(&e);
}
END_TEST

START_TEST(weights_count)
{
    struct evals e = evals_open("weights");
    struct pair p = {.v = {opaque(&e, "a"), opaque(&e, "b")}};
    rows(&e, "weight", 1); /* 0 .. 59, in all 1770 */
    predict(&e, p.v[0], 0, 60);
    predict(&e, p.v[1], 10, 60); /* wrong on 0 .. 9: weight 45 */
    compare(&e, &p);
    const struct eval_change *h = &p.c.changes[p.c.headline];
    ck_assert_str_eq(h->test, "bootstrap");
    ck_assert_double_eq_tol(h->b, 1 - 45.0 / 1770, 1e-12);
    forget(&p);
    evals_close(&e);
}
END_TEST

/* Only rows that both answered are compared; a version that answers none is not compared at all. */
START_TEST(rows_without_a_prediction_are_no_pairs)
{
    struct evals e = evals_open("unpaired");
    struct pair p = {.v = {opaque(&e, "a"), opaque(&e, "b")}};
    rows(&e, NULL, 1);
    predict(&e, p.v[0], 0, 60);
    predict(&e, p.v[1], 0, 60);
    evals_append(&e, "{\"id\":\"new\",\"input\":\"new\",\"label\":\"yes\"}\n");
    compare(&e, &p);
    const struct eval_change *h = &p.c.changes[p.c.headline];
    ck_assert(h->rows == ROWS + 1 && h->pairs == ROWS && !p.r[0]->complete);
    forget(&p);
    p = (struct pair){.v = {opaque(&e, "c"), opaque(&e, "d")}};
    compare(&e, &p);
    ck_assert(!p.c.comparable && strstr(p.c.why, "cannot be evaluated"));
    forget(&p);
    evals_close(&e);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("eval_compare");
    TCase *t = tcase_create("compare");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, plain_rows_go_to_mcnemar);
    tcase_add_test(t, groups_are_drawn_whole);
    tcase_add_test(t, weights_count);
    tcase_add_test(t, rows_without_a_prediction_are_no_pairs);
    suite_add_tcase(s, t);
    return s;
}
