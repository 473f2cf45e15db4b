/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history, newest first: a block a version,
 *
 *   v4  2026-03-01 10:12 UTC  amy  from v3  [latest, prod]
 *       9f2c41d0a1b2  3 files, 12.3 MB, 345.7 kB new; accuracy 93.4 % on E1.42
 *       the message, its first line
 *
 * The newest few with their headline score where it is known; nothing is computed for it.
 */
#include "fs/report/figure.h"
#include "fs/report/measure.h"
#include "fs/report/report.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>

enum { NEWEST = 200, SCORED = 20 };

struct history {
    const struct version *v[NEWEST]; /* a ring of the newest */
    uint64_t n;
    struct tag {
        char *name;
        struct digest version;
        struct tag *next;
    } * tags, **last_tag;
    struct arena *arena;
};

static int keep_version(void *ctx, const struct version *v)
{
    struct history *h = ctx;
    const struct version **at = &h->v[h->n++ % NEWEST];
    version_unref(*at);
    *at = version_ref(v);
    return 0;
}

static int keep_tag(void *ctx, const char *name, const struct digest *d)
{
    struct history *h = ctx;
    struct tag *t = arena_alloc(h->arena, sizeof *t);
    if (!t || !(t->name = arena_strdup(h->arena, name)))
        return fail(-ENOMEM, "out of memory");
    t->version = *d;
    *h->last_tag = t;
    h->last_tag = &t->next;
    return 0;
}

static void put_names(const struct history *h, const struct version *v, int newest, struct out *o)
{
    const char *before = "  [";
    if (newest) {
        out_printf(o, "%slatest", before);
        before = ", ";
    }
    for (const struct tag *t = h->tags; t; t = t->next)
        if (hash_equal(&t->version, &v->digest)) {
            out_printf(o, "%s%s", before, t->name);
            before = ", ";
        }
    if (before[0] == ',')
        out_char(o, ']');
}

static void put_parents(struct store *s, const struct version *v, struct out *o)
{
    for (size_t i = 0; i < v->nparents; i++) {
        const struct version *p;
        char hex[HASH_HEX];
        out_str(o, i ? ", " : "  from ");
        if (version_get(s, &v->parents[i], &p) == 0) {
            out_printf(o, "v%u", p->number);
            version_unref(p);
        } else {
            hash_hex(&v->parents[i], hex);
            out_printf(o, "%.12s (removed)", hex);
        }
    }
}

static void put_score(const struct subject *s, const struct version *v, const struct eval_set *set,
                      struct out *o)
{
    struct eval_result *r;
    struct eval_score *scores;
    size_t n = 0;
    if (eval_version(s->eval, v, EVAL_KNOWN, set, NULL, NULL, &r) < 0)
        return;
    if (!r->problem && r->complete && eval_scores(r, s->arena, &scores, &n) == 0 && n) {
        out_printf(o, "; %s ", scores[0].metric);
        measure_value(o, scores[0].unit, scores[0].value, scores[0].scored);
        out_printf(o, " on %s", set->revision);
    }
    eval_result_free(r);
}

/* set: with its score; or NULL */
static void put_version(const struct subject *s, const struct history *h, const struct version *v, int newest,
                        const struct eval_set *set, struct out *o)
{
    char hex[HASH_HEX];
    out_printf(o, "v%u  ", v->number);
    figure_time(o, v->time_ns);
    out_str(o, "  ");
    out_text(o, v->author, strlen(v->author), 40);
    put_parents(s->store, v, o);
    put_names(h, v, newest, o);
    hash_hex(&v->digest, hex);
    out_printf(o, "\n    %.12s  %llu file%s, ", hex, (unsigned long long)v->files, v->files == 1 ? "" : "s");
    figure_bytes(o, v->bytes);
    out_str(o, ", ");
    figure_bytes(o, v->bytes_new);
    out_str(o, " new");
    if (set && set->nrows)
        put_score(s, v, set, o);
    out_char(o, '\n');
    if (*v->message) {
        out_str(o, "    ");
        out_text(o, v->message, strcspn(v->message, "\n"), 100);
        out_char(o, '\n');
    }
}

static int render(const struct subject *s, struct out *o)
{
    struct history h = {.arena = s->arena};
    h.last_tag = &h.tags;
    int r = version_each(s->store, keep_version, &h);
    if (r == 0)
        r = tag_each(s->store, keep_tag, &h);
    if (r == 0 && h.n == 0)
        out_str(o, "no version yet\n");
    uint64_t shown = h.n < NEWEST ? h.n : NEWEST;
    const struct eval_set *set = NULL;
    if (r == 0)
        r = eval_view(s->eval, &set);
    for (uint64_t i = 0; i < shown && r == 0; i++)
        put_version(s, &h, h.v[(h.n - 1 - i) % NEWEST], i == 0, i < SCORED ? set : NULL, o);
    eval_view_unref(set);
    if (r == 0 && h.n > shown)
        out_printf(o, "%llu older ones: modelfs log\n", (unsigned long long)(h.n - shown));
    for (size_t i = 0; i < NEWEST; i++)
        version_unref(h.v[i]);
    return r;
}

const struct report report_log = {
    .name = "log.txt",
    .version = 1,
    .inputs = INPUT_HISTORY | INPUT_SET | INPUT_RESULTS,
    .doc = "the history, newest first",
    .render = render,
};
