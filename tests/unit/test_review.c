/* SPDX-License-Identifier: Apache-2.0 */
/* review.md and report.html whatever the rows, names and labels hold: nothing of it is markup, nothing is
 * fetched, and a comment has an end. */
#include "fs/report/report.h"
#include "tests/unit/evals.h"
#include <ctype.h>

/* What would do harm in a comment or a page if it came out as it went in. */
#define HOSTILE_ID "<b>|`x`[a](b) @team"
#define HOSTILE \
    "<img src=x onerror=alert(1)>|`x`[a](javascript:b) @team https://evil.example </pre></details>"

static struct out render(struct evals *e, const struct report *r)
{
    struct arena a = {0};
    struct out o = {0};
    struct subject s = {.store = e->store, .eval = e->eval, .arena = &a};
    ck_ok(version_by_number(e->store, 1, &s.a));
    if (r != &report_info_card)
        ck_ok(version_by_number(e->store, 2, &s.b));
    ck_ok(r->render(&s, &o));
    ck_ok(out_error(&o));
    version_unref(s.a);
    version_unref(s.b);
    arena_fini(&a);
    return o;
}

static void commit(struct evals *e, const char *name, const char *bytes)
{
    char *dir = trees_path(name);
    mkdir(dir, 0755);
    trees_write(dir, "model.bin", bytes, strlen(bytes));
    trees_write(dir, "<b>`|.txt", bytes, strlen(bytes));
    version_unref(evals_commit(e, dir));
}

/* n rows, the second version breaks half of them; everything a person wrote is hostile and long. */
static struct evals hostile(const char *name, int n)
{
    struct evals e = evals_open(name);
    struct out rows = {0}, answers = {0};
    struct eval_added added;
    commit(&e, "one", "one");
    commit(&e, "two", "two");
    for (int i = 0; i < n; i++)
        out_printf(&rows,
                   "{\"id\":\"%d" HOSTILE_ID "\",\"input\":{\"t\":\"" HOSTILE HOSTILE "\",\"i\":%d},"
                   "\"label\":\"" HOSTILE "\",\"slices\":[\"%d" HOSTILE "\"]}\n",
                   i, i, i % 40);
    added = evals_append_n(&e, rows.p, rows.n);
    ck_assert_msg(added.kept == (uint64_t)n, "%s", added.first_error);
    for (uint32_t v = 1; v <= 2; v++) {
        const struct version *version;
        out_reset(&answers);
        for (int i = 0; i < n; i++)
            out_printf(&answers, "{\"id\":\"%d" HOSTILE_ID "\",\"prediction\":\"%s\"}\n", i,
                       v == 1 || i % 2 ? HOSTILE : "other`|<b>");
        ck_ok(version_by_number(e.store, v, &version));
        ck_ok(eval_import(e.eval, &evals_writer, version, answers.p, answers.n, &added));
        ck_assert_uint_eq(added.kept, (uint64_t)n);
        version_unref(version);
    }
    out_reset(&rows);
    for (int i = 0; i < 100; i++)
        out_printf(&rows,
                   "\"r%d"
                   "<b>`|@x\" pass \"tag:must-pass\" max_broken=0\n",
                   i);
    out_str(&rows, "headline headline core margin=auto\n");
    evals_configure(&e, "gates", out_cstr(&rows));
    out_fini(&rows);
    out_fini(&answers);
    return e;
}

START_TEST(a_comment_has_an_end)
{
    struct evals e = hostile("long", 600);
    struct out o = render(&e, &report_diff_review);
    const char *text = out_cstr(&o);
    ck_assert_uint_lt(o.n, 60000);
    ck_assert_int_eq(strncmp(text, "<!-- modelfs:review v1..v2 E1.1 -->\n### v1 -> v2: FAIL", 53), 0);
    ck_assert_ptr_nonnull(strstr(text, "300 broken rows"));
    static const char *const never[] = {"<img", "<b>", "`x`", "](", "@team", "https://", "| `"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        ck_assert_msg(strstr(text, never[i]) == NULL, "%s came through", never[i]);
    /* every table row has as many cells as its head: no bar of a row's text counts */
    size_t want = 0;
    for (const char *p = text; *p; p += strcspn(p, "\n") + 1) {
        size_t bars = 0, n = strcspn(p, "\n");
        for (size_t i = 0; i < n; i++)
            bars += p[i] == '|';
        want = *p != '|' ? 0 : want ? want : bars;
        ck_assert_uint_eq(bars, want);
    }
    out_fini(&o);
    evals_close(&e);
}
END_TEST

/* Every tag of the page is one of ours and every one is closed; nothing names another place. */
START_TEST(a_page_fetches_nothing)
{
    static const char *const ours[] = {"html", "head",  "meta", "style", "title", "body", "h1",
                                       "h2",   "p",     "b",    "div",   "span",  "svg",  "rect",
                                       "line", "table", "tr",   "th",    "td",    "pre"};
    struct evals e = hostile("page", 60);
    struct out o = render(&e, &report_diff_page);
    const char *text = out_cstr(&o);
    static const char *const never[] = {"<script", "src=",    "href=",    "url(",
                                        "@import", "http://", "https://", "<img"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        const char *p = strstr(text, never[i]);
        ck_assert_msg(!p || !strcmp(never[i], "src="), "%s: %.80s", never[i], p);
    }
    int depth = 0, svgs = 0;
    for (const char *p = strstr(text, "<html"); (p = strchr(p, '<')); p++) {
        int closing = p[1] == '/', known = 0;
        const char *name = p + 1 + closing;
        size_t n = 0;
        while (isalnum((unsigned char)name[n]))
            n++;
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
            known |= strlen(ours[i]) == n && strncmp(ours[i], name, n) == 0;
        ck_assert_msg(known, "a strange tag: %.60s", p);
        if (strncmp(name, "div", 3) == 0 || strncmp(name, "svg", 3) == 0)
            depth += closing ? -1 : 1;
        svgs += strncmp(name, "svg", 3) == 0 && !closing;
        ck_assert_int_ge(depth, 0);
    }
    ck_assert_int_eq(depth, 0);
    ck_assert_int_gt(svgs, 40);
    ck_assert_ptr_nonnull(strstr(text, "prefers-color-scheme:dark"));
    ck_assert_ptr_nonnull(strstr(text, "width=device-width"));
    ck_assert_ptr_nonnull(strstr(text, "default-src 'none'"));
    out_fini(&o);
    evals_close(&e);
}
END_TEST

START_TEST(a_card_is_sorted)
{
    struct evals e = hostile("card", 60);
    struct out o = render(&e, &report_info_card);
    const char *last = "";
    size_t lines = 0;
    for (char *p = (char *)(uintptr_t)out_cstr(&o), *nl; (nl = strchr(p, '\n')); p = nl + 1, lines++) {
        *nl = 0;
        ck_assert_msg(strcmp(last, p) < 0, "%s\n%s", last, p);
        ck_assert_msg(strstr(p, ": ") != NULL, "%s", p);
        last = p;
    }
    ck_assert_uint_gt(lines, 45);
    out_fini(&o);
    evals_close(&e);
}
END_TEST

/* A commit of one.txt, key.json and blob.bin. */
static void files(struct evals *e, const char *name, const char *text, const char *json, const char *blob)
{
    char *dir = trees_path(name);
    mkdir(dir, 0755);
    trees_write(dir, "one.txt", text, strlen(text));
    trees_write(dir, "key.json", json, strlen(json));
    trees_write(dir, "blob.bin", blob, strlen(blob) + 1);
    version_unref(evals_commit(e, dir));
}

START_TEST(files_by_meaning)
{
    struct evals e = evals_open("config");
    files(&e, "was", "same\nold\nb\nc\nend\n", "{\"lr\":1e-3,\"vocab\":{\"a\":0,\"b\":1},\"x\":[1]}", "one");
    files(&e, "is", "same\nnew\nb\nd\nc\nend\n",
          "{\"x\": [1], \"vocab\": {\"b\": 1, \"\\u001b\": 2}, \"lr\": 0.002}", "two");
    struct out o = render(&e, &report_diff_config);
    ck_assert_str_eq(out_cstr(&o), "blob.bin  changed\n  not text\n"
                                   "key.json  changed\n~ lr: 0.001 -> 0.002\n- vocab.a: 0\n"
                                   "+ vocab.\\x1b: 2\n"
                                   "one.txt  changed\n- old\n+ new\n+ d\n");
    out_fini(&o);
    evals_close(&e);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("review");
    TCase *t = tcase_create("review");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_comment_has_an_end);
    tcase_add_test(t, a_page_fetches_nothing);
    tcase_add_test(t, a_card_is_sorted);
    tcase_add_test(t, files_by_meaning);
    suite_add_tcase(s, t);
    return s;
}
