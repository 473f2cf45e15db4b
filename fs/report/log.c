/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history, newest first: a block a version,
 *
 *   v4  2026-03-01 10:12:45 UTC  amy  from v3  [latest, prod]
 *       9f2c41d0a1b2  3 files, 12345678 bytes, 345678 new
 *       the message, its first line
 */
#include "fs/report/report.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { NEWEST = 200 };

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

static void put_version(const struct subject *s, const struct history *h, const struct version *v, int newest,
                        struct out *o)
{
    char when[32], hex[HASH_HEX];
    time_t t = (time_t)(v->time_ns / 1000000000);
    struct tm tm;
    if (!gmtime_r(&t, &tm) || !strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", &tm))
        memcpy(when, "?", 2);
    out_printf(o, "v%u  %s  ", v->number, when);
    out_text(o, v->author, strlen(v->author), 40);
    put_parents(s->store, v, o);
    put_names(h, v, newest, o);
    hash_hex(&v->digest, hex);
    out_printf(o, "\n    %.12s  %llu file%s, %llu bytes, %llu new\n", hex, (unsigned long long)v->files,
               v->files == 1 ? "" : "s", (unsigned long long)v->bytes, (unsigned long long)v->bytes_new);
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
    for (uint64_t i = 0; i < shown && r == 0; i++)
        put_version(s, &h, h.v[(h.n - 1 - i) % NEWEST], i == 0, o);
    if (r == 0 && h.n > shown)
        out_printf(o, "%llu older ones: modelfs log\n", (unsigned long long)(h.n - shown));
    for (size_t i = 0; i < NEWEST; i++)
        version_unref(h.v[i]);
    return r;
}

const struct report report_log = {
    .name = "log.txt",
    .version = 1,
    .inputs = INPUT_HISTORY,
    .doc = "the history, newest first",
    .render = render,
};
