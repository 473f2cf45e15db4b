/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/then.h"
#include "fs/eval/sample.h"
#include "fs/eval/view.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct seek {
    int64_t time_ns;
    char revision[32]; /* "": none so far */
    uint64_t serial;
};

/* Events come in order; rows and configurations say which revision they made. */
static int see(void *ctx, const struct event *x)
{
    struct seek *k = ctx;
    if (x->time_ns > k->time_ns)
        return 1;
    json_t *o = json_loadb(x->json, x->n, 0, NULL);
    const char *name = json_string_value(json_object_get(o, "revision"));
    const json_t *serial = json_object_get(o, "serial");
    if (name && json_is_integer(serial)) {
        snprintf(k->revision, sizeof k->revision, "%s", name);
        k->serial = (uint64_t)json_integer_value(serial);
    }
    json_decref(o);
    return 0;
}

static unsigned epoch(const char *revision)
{
    return revision[0] == 'E' ? (unsigned)strtoul(revision + 1, NULL, 10) : 0;
}

int then_revision(struct store *s, const struct eval_set *set, int64_t time_ns, struct eval_then *ret,
                  uint64_t *ret_serial)
{
    struct seek k = {.time_ns = time_ns};
    int err = events_each(s, 1, see, &k);
    if (err < 0)
        return err;
    if (!k.revision[0] || epoch(k.revision) != epoch(set->revision))
        return -ENOENT;
    snprintf(ret->revision, sizeof ret->revision, "%s", k.revision);
    *ret_serial = k.serial;
    return 0;
}

static int value_of(const struct eval_result *r, const struct metric *m, const struct sample *s,
                    struct arena *a, double *ret)
{
    struct metric_rows rows;
    int err = sample_rows(r, s, a, &rows);
    if (err)
        return err;
    struct metric_work *w = metric_work_new(m, &rows);
    if (!w)
        return fail(-ENOMEM, "out of memory");
    *ret = s->n ? metric_value(w, NULL) : NAN;
    metric_work_free(w);
    return 0;
}

int then_score(const struct eval_result *r, uint64_t serial, struct eval_then *ret)
{
    const char *const *metrics;
    struct arena a = {0};
    struct sample core = {.name = ""}, now = {.name = ""}, then = {.name = ""};
    struct metric m;
    int err = sample_metrics(r->set, r->task, &a, &metrics);
    if (!err)
        err = sample_cohort(r->set, ROW_CORE, &a, &core);
    uint32_t *at = arena_array(&a, core.n + 1, sizeof *at), *old = arena_array(&a, core.n + 1, sizeof *old);
    if (!err && (!at || !old))
        err = fail(-ENOMEM, "out of memory");
    if (!err &&
        (r->problem || r->task == SPEC_TASK_INFER || metric_find(metrics[0], r->labels, r->nlabels, &m)))
        err = -ENOENT;
    for (size_t i = 0; !err && i < core.n; i++) {
        uint32_t k = core.at[i];
        if (!r->cells[k].state)
            err = -ENOENT; /* not all of it is known */
        if (r->cells[k].state == 2 && r->set->spec->errors_excluded)
            continue;
        at[now.n++] = k;
        if (view_stamp(r->set, k)->rev <= serial)
            old[then.n++] = k;
    }
    now.at = at;
    then.at = old;
    if (!err)
        err = value_of(r, &m, &now, &a, &ret->now);
    if (!err)
        err = value_of(r, &m, &then, &a, &ret->value);
    if (!err) {
        ret->unit = metric_is_cost(&m) ? "" : m.unit;
        ret->direction = m.direction;
        ret->rows = then.n;
        ret->added = now.n - then.n;
    }
    arena_fini(&a);
    return err;
}
