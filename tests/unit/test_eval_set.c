/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/report.h"
#include "tests/unit/evals.h"
#include <pthread.h>

#define ROW(id, x, label) "{\"id\":\"" id "\",\"input\":{\"x\":" #x "},\"label\":\"" label "\"}\n"

static char *text_of(struct evals *e, const struct report *r)
{
    struct out o = {0};
    struct arena a = {0};
    struct subject s = {.store = e->store, .eval = e->eval, .arena = &a};
    ck_ok(r->render(&s, &o));
    arena_fini(&a);
    return out_take(&o, NULL);
}

static size_t lines_in(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += *s == '\n';
    return n;
}

START_TEST(grows_by_lines)
{
    struct evals e = evals_open("grows");
    ck_assert_str_eq(evals_revision(&e), "E1.0");
    struct eval_added a = evals_append(&e, ROW("a", 1, "ok") ROW("b", 2, "bad") "\n  \n" ROW("c", 3, "ok"));
    ck_assert_uint_eq(a.kept, 3);
    ck_assert_uint_eq(a.rejected + a.merged + a.unlabelled, 0);
    ck_assert_str_eq(evals_revision(&e), "E1.1");
    char *before = text_of(&e, &report_eval_examples);
    ck_assert_uint_eq(lines_in(before), 3);
    ck_assert_ptr_nonnull(strstr(before, "\"uid\":1000"));
    evals_reopen(&e, "grows");
    ck_assert_str_eq(evals_revision(&e), "E1.1");
    char *after = text_of(&e, &report_eval_examples);
    ck_assert_str_eq(before, after);
    /* what examples.jsonl shows can be appended again: nothing new */
    a = evals_append(&e, after);
    ck_assert_uint_eq(a.merged, 3);
    ck_assert_str_eq(evals_revision(&e), "E1.1");
    free(before);
    free(after);
    evals_close(&e);
}
END_TEST

START_TEST(same_input_and_label_unites)
{
    struct evals e = evals_open("merge");
    evals_append(&e, "{\"id\":\"a\",\"input\":{\"x\":1},\"label\":\"ok\",\"slices\":[\"s1\"]}\n");
    struct eval_added a = evals_append(
        &e, "{\"input\":{\"x\":1.0},\"label\":\"ok\",\"slices\":[\"s2\"],\"tags\":[\"must-pass\"]}\n"
            "{\"input\":{\"x\":1},\"label\":\"ok\",\"slices\":[\"s3\"]}");
    ck_assert_uint_eq(a.merged, 2);
    const struct eval_set *v;
    ck_ok(eval_view(e.eval, &v));
    ck_assert_uint_eq(v->nrows, 1);
    ck_assert_str_eq(v->rows[0]->id, "a");
    ck_assert(row_in_slice(v->rows[0], "s1") && row_in_slice(v->rows[0], "s2") &&
              row_in_slice(v->rows[0], "s3"));
    ck_assert_int_eq(v->rows[0]->cohort, ROW_MUST_PASS);
    ck_assert_str_eq(v->revision, "E1.2");
    eval_view_unref(v);
    evals_reopen(&e, "merge");
    ck_ok(eval_view(e.eval, &v));
    ck_assert(v->nrows == 1 && row_in_slice(v->rows[0], "s3"));
    eval_view_unref(v);
    evals_close(&e);
}
END_TEST

START_TEST(bad_lines_are_kept_with_their_reason)
{
    struct evals e = evals_open("rejected");
    struct eval_added a = evals_append(&e, ROW("a", 1, "ok") "{bad\n" ROW("other", 1, "bad")
                                               ROW("a", 2, "ok") "{\"label\":1}\n" ROW("z", 9, "ok"));
    ck_assert_uint_eq(a.kept, 2);
    ck_assert_uint_eq(a.rejected, 4);
    ck_assert_msg(!strncmp(a.first_error, "line 2: bad_json: ", 18), "%s", a.first_error);
    a = evals_append_n(&e, "\xff\xfe\n", 3);
    ck_assert_uint_eq(a.rejected, 1);
    evals_reopen(&e, "rejected");
    char *text = text_of(&e, &report_eval_rejected);
    ck_assert_uint_eq(lines_in(text), 5);
    ck_assert_ptr_nonnull(strstr(text, "\"reason\":\"bad_json\""));
    ck_assert_ptr_nonnull(
        strstr(text, "\"why\":\"row \\\"a\\\" has this input with label ok, \\\"other\\\" says bad\""));
    ck_assert_ptr_nonnull(strstr(text, "\"reason\":\"label_conflict\""));
    ck_assert_ptr_nonnull(strstr(text, "\"reason\":\"dup_id\""));
    ck_assert_ptr_nonnull(strstr(text, "\"reason\":\"no_input\""));
    ck_assert_ptr_nonnull(strstr(text, "\"reason\":\"not_utf8\""));
    free(text);
    const struct eval_set *v;
    ck_ok(eval_view(e.eval, &v));
    ck_assert(v->nrows == 2 && v->rejected == 5);
    ck_assert_str_eq(v->revision, "E1.1");
    eval_view_unref(v);
    evals_close(&e);
}
END_TEST

START_TEST(unlabelled_rows_wait)
{
    struct evals e = evals_open("waits");
    struct eval_added a = evals_append(&e, "{\"input\":{\"x\":1},\"reason\":\"INC-1\"}\n");
    ck_assert_uint_eq(a.unlabelled, 1);
    ck_assert_str_eq(evals_revision(&e), "E1.0");
    char *text = text_of(&e, &report_eval_unlabelled);
    ck_assert_ptr_nonnull(strstr(text, "INC-1"));
    free(text);
    a = evals_append(&e, "{\"input\":{\"x\":1},\"label\":\"ok\"}\n");
    ck_assert_uint_eq(a.kept, 1);
    evals_reopen(&e, "waits");
    const struct eval_set *v;
    ck_ok(eval_view(e.eval, &v));
    ck_assert(v->nrows == 1 && v->unlabelled == 0);
    ck_assert_str_eq(v->revision, "E1.1");
    eval_view_unref(v);
    text = text_of(&e, &report_eval_examples);
    ck_assert_ptr_nonnull(strstr(text, "INC-1"));
    free(text);
    evals_close(&e);
}
END_TEST

START_TEST(views_do_not_change)
{
    struct evals e = evals_open("views");
    const struct eval_set *before, *after;
    evals_append(&e, ROW("a", 1, "ok"));
    ck_ok(eval_view(e.eval, &before));
    evals_append(&e, ROW("b", 2, "ok") "{\"input\":{\"x\":1},\"label\":\"ok\",\"slices\":[\"s\"]}\n");
    ck_ok(eval_view(e.eval, &after));
    ck_assert(before->nrows == 1 && after->nrows == 2);
    ck_assert(!row_in_slice(before->rows[0], "s") && row_in_slice(after->rows[0], "s"));
    ck_assert(!hash_equal(&before->digest, &after->digest));
    eval_view_unref(before);
    eval_view_unref(after);
    evals_close(&e);
}
END_TEST

/* The scorer is part of what a row is: another one begins a new epoch, formatting does not. */
START_TEST(configuration_raises_the_epoch)
{
    struct evals e = evals_open("epochs");
    evals_append(&e, ROW("a", 1, "ok"));
    evals_configure(&e, "spec.json", "{\"labels\":[\"ok\",\"bad\"]}");
    ck_assert_str_eq(evals_revision(&e), "E2.0");
    evals_configure(&e, "spec.json", "{ \"labels\": [ \"ok\", \"bad\" ], \"volume_per_month\": 10 }\n");
    ck_assert_str_eq(evals_revision(&e), "E2.0");
    struct eval_added a = evals_append(&e, ROW("b", 2, "baad") ROW("c", 3, "bad"));
    ck_assert(a.kept == 1 && a.rejected == 1);
    ck_assert_ptr_nonnull(strstr(a.first_error, "bad_label"));
    ck_assert_int_eq(eval_configure(e.eval, &evals_writer, "spec.json", "{\"labls\":[]}", 12), -EINVAL);
    ck_assert_ptr_nonnull(strstr(fail_text(), "labls"));
    ck_assert_int_eq(eval_configure(e.eval, &evals_writer, "graph.onnx", "junk", 4), -EINVAL);
    ck_assert_int_eq(eval_configure(e.eval, &evals_writer, "other", "x", 1), -EINVAL);
    evals_reopen(&e, "epochs");
    ck_assert_str_eq(evals_revision(&e), "E2.1");
    char *text = text_of(&e, &report_eval_log);
    ck_assert_uint_eq(lines_in(text), 4);
    ck_assert_ptr_nonnull(strstr(text, "\"revision\":\"E2.0\""));
    free(text);
    evals_close(&e);
}
END_TEST

enum { WRITERS = 4, LINES = 25 };
struct writer {
    struct evals *e;
    int number;
    uint64_t kept, merged;
};

/* Own rows, and the same shared ones from every writer. */
static void *write_rows(void *ctx)
{
    struct writer *w = ctx;
    for (int i = 0; i < LINES; i++) {
        char line[256];
        struct eval_added a;
        int n = snprintf(line, sizeof line,
                         "{\"id\":\"w%d-%d\",\"input\":{\"w\":%d,\"i\":%d},\"label\":\"ok\"}\n"
                         "{\"input\":{\"shared\":%d},\"label\":\"ok\",\"slices\":[\"w%d\"]}\n",
                         w->number, i, w->number, i, i, w->number);
        if (eval_append(w->e->eval, &evals_writer, line, (size_t)n, &a) == 0) {
            w->kept += a.kept;
            w->merged += a.merged;
        }
    }
    return NULL;
}

START_TEST(writers_at_once)
{
    struct evals e = evals_open("writers");
    pthread_t t[WRITERS];
    struct writer w[WRITERS];
    uint64_t kept = 0, merged = 0;
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (struct writer){.e = &e, .number = i};
        ck_assert_int_eq(pthread_create(&t[i], NULL, write_rows, &w[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(t[i], NULL);
        kept += w[i].kept;
        merged += w[i].merged;
    }
    ck_assert_uint_eq(kept, WRITERS * LINES + LINES);
    ck_assert_uint_eq(merged, (WRITERS - 1) * LINES);
    char *before = text_of(&e, &report_eval_examples);
    evals_reopen(&e, "writers");
    char *after = text_of(&e, &report_eval_examples);
    ck_assert_str_eq(before, after);
    const struct eval_set *v;
    ck_ok(eval_view(e.eval, &v));
    ck_assert_uint_eq(v->nrows, WRITERS * LINES + LINES);
    for (size_t i = 0; i < v->nrows; i++)
        if (json_object_get(v->rows[i]->input, "shared"))
            ck_assert_uint_eq(json_array_size(v->rows[i]->slices), WRITERS);
    eval_view_unref(v);
    free(before);
    free(after);
    evals_close(&e);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("eval_set");
    TCase *t = tcase_create("set");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, grows_by_lines);
    tcase_add_test(t, same_input_and_label_unites);
    tcase_add_test(t, bad_lines_are_kept_with_their_reason);
    tcase_add_test(t, unlabelled_rows_wait);
    tcase_add_test(t, views_do_not_change);
    tcase_add_test(t, configuration_raises_the_epoch);
    tcase_add_test(t, writers_at_once);
    suite_add_tcase(s, t);
    return s;
}
