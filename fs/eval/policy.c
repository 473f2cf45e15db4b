/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/policy.h"
#include "fs/eval/compare.h"
#include "store/base/fail.h"
#include "store/manifest.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NAME "gates"

/* A text out of the store was accepted once: that it is not now is damage. */
static int parse_stored(const struct out *o, struct rules *ret)
{
    char why[512];
    int err = rules_parse(o->n ? o->p : "", o->n, ret);
    if (err != -EINVAL)
        return err;
    snprintf(why, sizeof why, "%s", fail_text());
    return fail(-EBADMSG, "%s", why);
}

int policy_load(struct store *s, struct rules *ret, struct out *ret_text)
{
    struct out text = {0};
    int err = config_get(s, NAME, &text, NULL);
    if (err == -ENOENT) {
        out_str(&text, rules_default());
        err = out_error(&text);
    }
    if (!err && !(err = parse_stored(&text, ret)) && ret_text)
        out_write(ret_text, text.p, text.n);
    out_fini(&text);
    return err;
}

int policy_written(struct store *s)
{
    int err = config_get(s, NAME, NULL, NULL);
    return err == -ENOENT ? 0 : err < 0 ? err : 1;
}

int policy_configure(struct store *s, const struct eval_writer *w, const void *p, size_t n)
{
    struct rules r;
    struct digest d;
    char hex[HASH_HEX];
    int err = rules_parse(p, n, &r);
    if (err)
        return err;
    rules_fini(&r);
    hash_sha256(p, n, &d);
    hash_hex(&d, hex);
    json_t *o = json_pack("{s:s s:s s:I s:s*}", "name", NAME, "digest", hex, "uid", (json_int_t)w->uid, "by",
                          w->name);
    char *event = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    err = event ? config_set(s, NAME, p, n, event) : fail(-ENOMEM, "out of memory");
    free(event);
    json_decref(o);
    return err;
}

struct past {
    const struct version *until;
    struct digest text;
    int written;
};

static int see(void *ctx, const struct event *e)
{
    struct past *x = ctx;
    int commit = strcmp(e->kind, "commit") == 0;
    if (!commit && strcmp(e->kind, "config") != 0)
        return 0;
    json_t *o = json_loadb(e->json, e->n, 0, NULL);
    const char *name = json_string_value(json_object_get(o, "name"));
    const char *hex = json_string_value(json_object_get(o, commit ? "version" : "digest"));
    struct digest d;
    int known = hex && hash_parse(hex, &d) == 0;
    int reached = commit && known && hash_equal(&d, &x->until->digest);
    if (!commit && known && name && strcmp(name, NAME) == 0) {
        x->text = d;
        x->written = 1;
    }
    json_decref(o);
    return reached;
}

int policy_before(struct store *s, const struct version *v, struct rules *ret, int *ret_written)
{
    struct past x = {.until = v};
    struct out text = {0};
    int err = events_each(s, 1, see, &x);
    if (err < 0)
        return err;
    if (x.written)
        err = blob_get(s, &x.text, &text);
    else
        out_str(&text, rules_default());
    if (err >= 0 && (err = out_error(&text)) == 0)
        err = parse_stored(&text, ret);
    out_fini(&text);
    if (!err)
        *ret_written = x.written;
    return err;
}

int policy_expired(const struct rules_waiver *w)
{
    char today[16] = "";
    time_t now = time(NULL);
    struct tm tm;
    if (!gmtime_r(&now, &tm) || !strftime(today, sizeof today, "%Y-%m-%d", &tm))
        return 1;
    return strcmp(today, w->until) > 0;
}

void policy_key(struct store *s, struct digest *ret)
{
    struct rules r;
    struct out text = {0};
    if (policy_load(s, &r, &text) == 0) {
        for (size_t i = 0; i < r.nwaivers; i++)
            out_char(&text, policy_expired(&r.waivers[i]) ? '1' : '0');
        rules_fini(&r);
    }
    hash_sha256(text.p, text.n, ret);
    out_fini(&text);
}

void policy_apply(const struct rules *r, struct eval_compare *c)
{
    if (!c->nchanges)
        return;
    const char *headline = c->changes[c->headline].metric;
    for (size_t i = 0; i < c->nchanges; i++) {
        const struct rules_rule *x = rules_of(r, &c->changes[i], headline);
        double margin = x ? rules_margin(x, &c->changes[i]) : NAN;
        c->changes[i].gate = x ? x->name : "";
        if (!isnan(margin))
            c->changes[i].margin = margin;
    }
    compare_settle(c, r->alpha);
}
