/* SPDX-License-Identifier: Apache-2.0 */
/* Texts and the keys they are kept under. */
#include "fs/eval/eval.h"
#include "fs/texts.h"
#include "tests/unit/trees.h"

struct made {
    enum texts_keep keep;
    int times;
};

static int make(void *ctx, int (*stop)(void *), void *stop_ctx, struct out *o)
{
    struct made *m = ctx;
    (void)stop, (void)stop_ctx;
    out_printf(o, "text %d\n", ++m->times);
    return 0;
}

static int keep(void *ctx)
{
    return (int)((struct made *)ctx)->keep;
}

static void drop(void *ctx)
{
    (void)ctx;
}

static const struct text *text_of(struct texts *t, struct made *m, struct digest *key)
{
    const struct text *ret = NULL;
    hash_sha256(&m, sizeof m, key);
    struct text_maker maker = {.make = make, .keep = keep, .drop = drop, .ctx = m};
    ck_ok(texts_make(t, key, maker, NULL, NULL, &ret));
    ck_assert(hash_equal(&ret->digest, key));
    return ret;
}

START_TEST(how_long_a_text_stays)
{
    char *dir = strdup(trees_path("texts"));
    mkdir(dir, 0700);
    static const struct {
        enum texts_keep keep;
        int found, after; /* at once; by the next process */
    } want[] = {{TEXTS_PASS, -ENOENT, -ENOENT}, {TEXTS_HOLD, 0, -ENOENT}, {TEXTS_FILE, 0, 0}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct texts *t;
        struct digest key;
        const struct text *text, *found;
        struct made m = {.keep = want[i].keep};
        ck_ok(texts_open(dir, &t));
        text = text_of(t, &m, &key);
        ck_assert_uint_eq(text->n, 7);
        ck_assert_int_eq(memcmp(text->p, "text 1\n", 7), 0);
        text_unref(text);
        int r = texts_find(t, &key, &found);
        ck_assert_int_eq(r, want[i].found);
        if (r == 0)
            text_unref(found);
        texts_close(t);
        ck_ok(texts_open(dir, &t));
        r = texts_find(t, &key, &found);
        ck_assert_int_eq(r, want[i].after);
        if (r == 0)
            text_unref(found);
        texts_clear(t);
        ck_assert_int_eq(texts_find(t, &key, &found), -ENOENT);
        texts_close(t);
    }
    free(dir);
}
END_TEST

/* Called once the key of the report is taken: a row comes in. */
static int add_row(void *ctx)
{
    struct repo *r = ctx;
    struct who who;
    struct append_result got;
    const char *line = "{\"id\":\"late\",\"input\":{\"x\":1},\"label\":\"a\"}\n";
    who_self(&who);
    ck_ok(repo_append_rows(r, &who, EVAL_ROWS, line, strlen(line), &got));
    return 0;
}

static int render(const struct subject *s, struct out *o)
{
    char revision[32];
    struct digest d;
    report_stopped(s);
    eval_revision(s->eval, revision, &d);
    out_str(o, revision);
    return 0;
}

/* What is read after an input moved is not kept under the key of before. */
START_TEST(an_input_that_moves)
{
    static const struct report moving = {
        .name = "moving", .version = 1, .inputs = INPUT_SET, .slow = 1, .doc = "a test", .render = render};
    struct repo *r;
    struct digest before, after;
    const struct text *t, *found;
    store_close(trees_repo("moving"));
    ck_ok(repo_open(trees_path("moving"), 0, &r));
    repo_text_key(r, &moving, NULL, NULL, NULL, &before);
    ck_ok(repo_text(r, &moving, NULL, NULL, NULL, add_row, r, &t));
    ck_assert(t->n == 4 && memcmp(t->p, "E1.1", 4) == 0);
    text_unref(t);
    repo_text_key(r, &moving, NULL, NULL, NULL, &after);
    ck_assert(!hash_equal(&before, &after));
    ck_assert_int_eq(repo_text_find(r, &before, &found), -ENOENT);
    ck_assert_int_eq(repo_text_find(r, &after, &found), -ENOENT);
    ck_ok(repo_text(r, &moving, NULL, NULL, NULL, NULL, NULL, &t));
    text_unref(t);
    ck_ok(repo_text_find(r, &after, &found));
    text_unref(found);
    repo_close(r);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("texts");
    TCase *t = tcase_create("texts");
    tcase_add_test(t, how_long_a_text_stays);
    tcase_add_test(t, an_input_that_moves);
    suite_add_tcase(s, t);
    return s;
}
