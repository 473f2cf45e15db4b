/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/view.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>

struct view {
    struct eval_set set; /* first */
    unsigned refs;       /* atomic */
    struct settings *settings;
    struct set_row **waiting;     /* (set.unlabelled) */
    struct out erased;            /* a line each */
    const struct set_row **by_id; /* (set.nrows + set.unlabelled) sorted */
};

static int cmp_pairs(const void *a, const void *b)
{
    return memcmp(a, b, 2 * sizeof(struct digest));
}

/* Over what scores, row by row in an order of their own, what waits, how much was refused, the configuration.
 */
static int digest_of(const struct view_parts *s, const struct view *v, struct digest *ret)
{
    struct digest(*pairs)[2] = calloc(s->nrows + 1, sizeof *pairs);
    struct hash *h = hash_new();
    if (pairs && h) {
        size_t n = 0;
        for (size_t i = 0; i < s->nrows; i++, n++) {
            if (s->rows[i]->state == ROW_ACTIVE)
                pairs[n][0] = s->rows[i]->row.digest; /* zero: it waits */
            pairs[n][1] = s->rows[i]->text;
        }
        qsort(pairs, n, sizeof *pairs, cmp_pairs);
        uint64_t counts[2] = {s->rejected, s->retired};
        hash_update(h, v->set.revision, sizeof v->set.revision);
        hash_update(h, counts, sizeof counts);
        hash_update(h, s->settings->all.b, sizeof s->settings->all.b);
        hash_update(h, pairs, n * sizeof *pairs);
        hash_final(h, ret);
    }
    int err = pairs && h ? 0 : fail(-ENOMEM, "out of memory");
    free(pairs);
    hash_free(h);
    return err;
}

static int cmp_by_id(const void *a, const void *b)
{
    return strcmp((*(const struct set_row *const *)a)->row.id, (*(const struct set_row *const *)b)->row.id);
}

int view_make(const struct view_parts *s, const struct eval_set **ret)
{
    struct view *v = calloc(1, sizeof *v);
    if (!v)
        return fail(-ENOMEM, "out of memory");
    v->refs = 1;
    v->settings = settings_ref(s->settings);
    v->set.spec = &v->settings->spec;
    v->set.cost = v->settings->cost.n ? &v->settings->cost : NULL;
    v->set.traffic = v->settings->traffic.n ? &v->settings->traffic : NULL;
    v->set.money = v->settings->money;
    v->set.retired = s->retired;
    v->set.rejected = s->rejected;
    set_revision_name(s->revision, v->set.revision);
    v->set.rows = calloc(s->nrows + 1, sizeof *v->set.rows);
    v->waiting = calloc(s->nrows + 1, sizeof *v->waiting);
    v->by_id = calloc(s->nrows + 1, sizeof *v->by_id);
    int err = v->set.rows && v->waiting && v->by_id ? digest_of(s, v, &v->set.digest) : -ENOMEM;
    for (size_t i = 0; !err && i < s->nrows; i++) {
        struct set_row *r = set_row_ref(s->rows[i]);
        v->by_id[i] = r;
        if (r->state == ROW_ACTIVE) {
            v->set.rows[v->set.nrows++] = &r->row;
        } else {
            v->waiting[v->set.unlabelled++] = r;
        }
    }
    if (err) {
        view_unref(&v->set);
        return err;
    }
    qsort(v->by_id, s->nrows, sizeof *v->by_id, cmp_by_id);
    if (s->erased) {
        v->erased = *s->erased;
        *s->erased = (struct out){0};
    }
    *ret = &v->set;
    return 0;
}

int view_of(struct set *s, const struct eval_set **ret)
{
    int err = 0;
    pthread_mutex_lock(&s->lock);
    const struct view_parts parts = {.settings = s->settings,
                                     .revision = &s->shown,
                                     .rows = s->rows,
                                     .nrows = s->nrows,
                                     .retired = s->retired,
                                     .rejected = s->rejected};
    if (!s->view)
        err = view_make(&parts, &s->view);
    if (!err)
        *ret = view_ref(s->view);
    pthread_mutex_unlock(&s->lock);
    return err;
}

const struct eval_set *view_ref(const struct eval_set *set)
{
    __atomic_add_fetch(&((struct view *)set)->refs, 1, __ATOMIC_RELAXED);
    return set;
}

void view_unref(const struct eval_set *set)
{
    struct view *v = (struct view *)set;
    if (!v || __atomic_sub_fetch(&v->refs, 1, __ATOMIC_ACQ_REL))
        return;
    for (size_t i = 0; i < v->set.nrows; i++)
        set_row_unref((struct set_row *)v->set.rows[i]);
    for (size_t i = 0; i < v->set.unlabelled; i++)
        set_row_unref(v->waiting[i]);
    free(v->set.rows);
    free(v->waiting);
    free(v->by_id);
    out_fini(&v->erased);
    settings_unref(v->settings);
    free(v);
}

struct settings *view_settings(const struct eval_set *v)
{
    return ((const struct view *)v)->settings;
}

const struct row *view_find(const struct eval_set *set, const char *id)
{
    const struct view *v = (const struct view *)set;
    const struct set_row probe = {.row.id = id}, *key = &probe;
    const struct set_row **found =
        bsearch(&key, v->by_id, v->set.nrows + v->set.unlabelled, sizeof *v->by_id, cmp_by_id);
    return found ? &(*found)->row : NULL;
}

/* Rows stand by their sequence number. */
int view_index(const struct eval_set *set, const char *id, size_t *ret)
{
    const struct row *found = view_find(set, id);
    size_t lo = 0, hi = set->nrows;
    if (!found)
        return -ENOENT;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (view_stamp(set, mid)->row < ((const struct set_row *)found)->stamp.row)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == set->nrows || set->rows[lo] != found) /* it waits for a label */
        return -ENOENT;
    *ret = lo;
    return 0;
}

void view_forget(struct set *s)
{
    view_unref(s->view);
    s->view = NULL;
}

const struct row_stamp *view_stamp(const struct eval_set *v, size_t i)
{
    return &((const struct set_row *)v->rows[i])->stamp;
}

const char *view_erased(const struct eval_set *v)
{
    return out_cstr(&((struct view *)v)->erased);
}

void view_text(const struct eval_set *v, size_t i, struct out *o)
{
    set_row_text((const struct set_row *)v->rows[i], o);
}

int view_unlabelled(const struct eval_set *set, size_t i, struct out *o)
{
    const struct view *v = (const struct view *)set;
    if (i >= v->set.unlabelled)
        return -ENOENT;
    set_row_text(v->waiting[i], o);
    return 0;
}
