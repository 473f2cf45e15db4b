/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that leave and change, and the revisions they were in. */
#include "fs/report/report.h"
#include "tests/unit/evals.h"

#define ROW(id, x, label) "{\"id\":\"" id "\",\"input\":{\"x\":" #x "},\"label\":\"" label "\"}\n"

static struct eval_added amend(struct evals *e, enum eval_lines what, const char *lines)
{
    struct eval_added a;
    ck_ok(eval_amend(e->eval, &evals_writer, what, lines, strlen(lines), &a));
    return a;
}

/* "a=ok b=bad[s1,s2]" of the rows of a revision; NULL: the newest. Stands until the next call. */
static const char *rows_at(struct evals *e, const char *revision)
{
    static char text[512];
    const struct eval_set *v;
    ck_ok(revision ? eval_view_at(e->eval, revision, &v) : eval_view(e->eval, &v));
    if (revision)
        ck_assert_str_eq(v->revision, revision);
    text[0] = 0;
    for (size_t i = 0; i < v->nrows; i++) {
        const struct row *r = v->rows[i];
        size_t n = strlen(text);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s=%s", i ? " " : "", r->id,
                              json_string_value(r->label));
        for (size_t k = 0; k < json_array_size(r->slices); k++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%c%s", k ? ',' : '[',
                                  json_string_value(json_array_get(r->slices, k)));
        if (json_array_size(r->slices))
            snprintf(text + n, sizeof text - n, "]");
    }
    eval_view_unref(v);
    return text;
}

static char *report_at(struct evals *e, const struct report *r, const char *revision)
{
    struct out o = {0};
    struct arena a = {0};
    struct subject s = {.store = e->store, .eval = e->eval, .arena = &a, .name = revision};
    ck_ok(r->render(&s, &o));
    arena_fini(&a);
    return out_take(&o, NULL);
}

static int count(void *ctx, const char *name)
{
    struct out *o = ctx;
    out_printf(o, "%s ", name);
    return 0;
}

START_TEST(every_revision_can_be_read)
{
    struct evals e = evals_open("past");
    evals_append(&e, ROW("a", 1, "ok") ROW("b", 2, "ok")); /* E1.1 */
    evals_append(&e,
                 "{\"input\":{\"x\":1},\"label\":\"ok\",\"slices\":[\"s1\"]}\n" ROW("c", 3, "ok")); /* E1.2 */
    ck_assert_uint_eq(amend(&e, EVAL_RETIRE, "b left the product\n").kept, 1);                      /* E2.0 */
    ck_assert_uint_eq(
        amend(&e, EVAL_RELABEL, "{\"id\":\"a\",\"label\":\"bad\",\"reason\":\"typing error\"}\n").kept,
        1);                               /* E3.0 */
    evals_append(&e, ROW("b", 2, "bad")); /* E3.1: again, after it left */
    static const struct {
        const char *revision, *rows;
    } want[] = {{"E1.0", ""},
                {"E1.1", "a=ok b=ok"},
                {"E1.2", "a=ok[s1] b=ok c=ok"},
                {"E2.0", "a=ok[s1] c=ok"},
                {"E3.0", "a=bad[s1] c=ok"},
                {"E3.1", "a=bad[s1] c=ok b=bad"}};
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < sizeof want / sizeof *want; i++)
            ck_assert_str_eq(rows_at(&e, want[i].revision), want[i].rows);
        ck_assert_str_eq(rows_at(&e, NULL), want[5].rows);
        struct out all = {0};
        ck_ok(eval_revisions(e.eval, count, &all));
        ck_assert_str_eq(out_cstr(&all), "E1.0 E1.1 E1.2 E2.0 E3.0 E3.1 ");
        out_fini(&all);
        evals_reopen(&e, "past");
    }
    const struct eval_set *v;
    ck_assert_int_eq(eval_view_at(e.eval, "E1.3", &v), -ENOENT);
    ck_assert_int_eq(eval_view_at(e.eval, "E1.01", &v), -ENOENT);
    char *text = report_at(&e, &report_eval_retire, NULL);
    ck_assert_str_eq(text, "b left the product\n");
    free(text);
    text = report_at(&e, &report_eval_relabel, NULL);
    ck_assert_str_eq(text, "{\"id\":\"a\",\"label\":\"bad\",\"reason\":\"typing error\",\"was\":\"ok\"}\n");
    free(text);
    evals_close(&e);
}
END_TEST

START_TEST(orders_that_are_refused)
{
    struct evals e = evals_open("orders");
    evals_configure(&e, "spec.json", "{\"labels\":[\"ok\",\"bad\"]}");
    evals_append(&e, ROW("a", 1, "ok"));
    static const struct {
        enum eval_lines what;
        const char *line, *why;
    } bad[] = {
        {EVAL_RETIRE, "nobody is here", "no_such_row"},
        {EVAL_RETIRE, "a", "bad_field"},
        {EVAL_RETIRE, "{\"id\":\"a\"}", "bad_field"},
        {EVAL_RETIRE, "{\"id\":", "truncated"},
        {EVAL_RELABEL, "a bad because", "truncated"},
        {EVAL_RELABEL, "{\"id\":\"a\",\"reason\":\"x\"}", "bad_label"},
        {EVAL_RELABEL, "{\"id\":\"a\",\"label\":\"baad\",\"reason\":\"x\"}", "bad_label"},
        {EVAL_RELABEL, "{\"id\":\"b\",\"label\":\"bad\",\"reason\":\"x\"}", "no_such_row"},
        {EVAL_RETIRE, "\xff\xfe x", "not_utf8"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct eval_added a = amend(&e, bad[i].what, bad[i].line);
        ck_assert_uint_eq(a.kept, 0);
        ck_assert_uint_eq(a.rejected, 1);
        ck_assert_msg(strstr(a.first_error, bad[i].why) != NULL, "%s: %s", bad[i].line, a.first_error);
    }
    /* the same label again is no change; twice in one batch is refused once */
    ck_assert_uint_eq(amend(&e, EVAL_RELABEL, "{\"id\":\"a\",\"label\":\"ok\",\"reason\":\"x\"}").kept, 1);
    ck_assert_str_eq(evals_revision(&e), "E2.1");
    struct eval_added a = amend(&e, EVAL_RETIRE, "a gone\na gone\n");
    ck_assert(a.kept == 1 && a.rejected == 1);
    ck_assert_str_eq(evals_revision(&e), "E3.0");
    evals_close(&e);
}
END_TEST

/* A row that waits gets its label as an append does; one that is retired while it waits was never in. */
START_TEST(waiting_rows)
{
    struct evals e = evals_open("waiting");
    evals_append(&e, "{\"id\":\"a\",\"input\":{\"x\":1}}\n{\"id\":\"b\",\"input\":{\"x\":2}}\n");
    ck_assert_uint_eq(amend(&e, EVAL_RELABEL, "{\"id\":\"a\",\"label\":\"ok\",\"reason\":\"seen\"}\n").kept,
                      1);
    ck_assert_str_eq(evals_revision(&e), "E1.1");
    ck_assert_uint_eq(amend(&e, EVAL_RETIRE, "b nobody knows\n").kept, 1);
    ck_assert_str_eq(evals_revision(&e), "E1.1");
    evals_append(&e, ROW("c", 3, "ok"));
    evals_reopen(&e, "waiting");
    ck_assert_str_eq(rows_at(&e, "E1.0"), "");
    ck_assert_str_eq(rows_at(&e, "E1.1"), "a=ok");
    ck_assert_str_eq(rows_at(&e, NULL), "a=ok c=ok");
    evals_close(&e);
}
END_TEST

/* Nothing but the digest is left, wherever the content was; what is known elsewhere stays. */
START_TEST(what_is_erased_is_gone)
{
    struct evals e = evals_open("erased");
    struct eval_erased done;
    evals_append(&e, ROW("a", 1, "ok") ROW("b", 2, "ok"));      /* E1.1 */
    amend(&e, EVAL_RETIRE, "a gone\n");                         /* E2.0 */
    evals_append(&e, ROW("again", 1, "bad") ROW("c", 1, "ok")); /* E2.1; c contradicts */
    ck_assert_int_eq(eval_erase(e.eval, &evals_writer, "x", "why", &done), -ENOENT);
    ck_ok(eval_erase(e.eval, &evals_writer, "a", "why", &done)); /* E3.0 */
    ck_assert_uint_eq(done.rows, 2);
    ck_assert_uint_eq(done.lines, 1);
    for (int again = 0; again < 2; again++) {
        const struct eval_set *v;
        ck_assert_str_eq(rows_at(&e, "E1.1"), "b=ok");
        ck_assert_str_eq(rows_at(&e, "E2.0"), "b=ok");
        ck_assert_str_eq(rows_at(&e, "E3.0"), "b=ok");
        ck_assert_str_eq(rows_at(&e, NULL), "b=ok");
        static const char *const gone[][2] = {
            {"E1.1", "\"row\":1"}, {"E2.1", "\"row\":3"}, {"E2.0", NULL}, {"E3.0", NULL}};
        for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
            ck_ok(eval_view_at(e.eval, gone[i][0], &v));
            const char *text = eval_view_erased(v);
            ck_assert_msg(gone[i][1] ? strstr(text, gone[i][1]) != NULL : !*text, "%s: %s", gone[i][0], text);
            ck_assert_ptr_null(strstr(text, "\"x\""));
            eval_view_unref(v);
        }
        evals_reopen(&e, "erased");
    }
    ck_assert_uint_eq(evals_append(&e, ROW("a", 1, "ok")).kept, 1);
    evals_close(&e);
}
END_TEST

/* Predictions depend on inputs alone: a relabel changes scores and computes nothing; an old revision keeps
 * its. */
START_TEST(a_relabel_computes_nothing)
{
    struct evals e = evals_open("relabel");
    const struct version *v = evals_commit(&e, evals_data("breast_cancer/v1-10-rounds"));
    evals_append_file(&e, evals_data("breast_cancer/examples.jsonl"));
    uint64_t computed;
    struct eval_result *r = evals_result(&e, v, &computed);
    if (r->problem) { /* no engine here */
        ck_assert_ptr_nonnull(strstr(r->problem, "XGBoost"));
    } else {
        ck_assert_uint_eq(computed, r->set->nrows);
        char *before = report_at(&e, &report_eval_results, NULL), line[256];
        size_t i = 0;
        while (r->cells[i].right != 1)
            i++;
        snprintf(line, sizeof line, "{\"id\":\"%s\",\"label\":\"%s\",\"reason\":\"x\"}\n",
                 r->set->rows[i]->id, r->labels[!r->cells[i].label]);
        ck_assert_uint_eq(amend(&e, EVAL_RELABEL, line).kept, 1);
        eval_result_free(r);
        r = evals_result(&e, v, &computed);
        ck_assert_uint_eq(computed, 0);
        ck_assert_int_eq(r->cells[i].right, 0);
        char *after = report_at(&e, &report_eval_results, NULL);
        char *then = report_at(&e, &report_eval_results, "E1.1");
        ck_assert_str_eq(then, before);
        ck_assert_str_ne(after, before);
        free(before), free(after), free(then);
    }
    eval_result_free(r);
    version_unref(v);
    evals_close(&e);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("eval_past");
    TCase *t = tcase_create("past");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_revision_can_be_read);
    tcase_add_test(t, orders_that_are_refused);
    tcase_add_test(t, waiting_rows);
    tcase_add_test(t, what_is_erased_is_gone);
    tcase_add_test(t, a_relabel_computes_nothing);
    suite_add_tcase(s, t);
    return s;
}
