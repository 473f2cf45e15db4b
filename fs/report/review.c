/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/review.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

const struct manifest_file *review_model(const struct manifest *m)
{
    const struct manifest_file *best = NULL;
    for (size_t i = 0; i < m->nfiles; i++) {
        const struct manifest_file *f = &m->files[i];
        int known = f->format != FORMAT_OPAQUE, best_known = best && best->format != FORMAT_OPAQUE;
        if (!S_ISDIR(f->mode) &&
            (!best || known > best_known || (known == best_known && f->size > best->size)))
            best = f;
    }
    return best;
}

static int has_core(const struct eval_set *set)
{
    for (size_t i = 0; i < set->nrows; i++)
        if (set->rows[i]->cohort == ROW_CORE)
            return 1;
    return 0;
}

static void look(struct review *r)
{
    const struct page *g = &r->page;
    const struct results_of_pair *p = &r->pair;
    const struct eval_result *bad = p->a->problem ? p->a : p->b->problem ? p->b : NULL;
    r->hint = "";
    if (!p->set->nrows) {
        r->state = REVIEW_NO_ROWS;
        r->why = "no eval rows (append to eval/examples.jsonl)";
    } else if (bad) {
        struct out o = {0};
        out_printf(&o, "v%u cannot be evaluated: %s", bad->version->number, bad->problem);
        r->state = REVIEW_CANNOT;
        r->why = page_safe(g, page_cstr(g, &o), 0);
        r->hint = bad->hint;
    } else if (!p->compare.comparable) {
        r->state = REVIEW_INCOMPARABLE;
        r->why = page_safe(g, p->compare.why, 0);
    } else if (!page_headline(g) || !page_headline(g)->pairs) {
        r->state = REVIEW_NO_CORE;
        r->why = has_core(p->set) ? "no core row is answered by both versions" : "no core rows in the set";
    }
}

static int decide(struct review *r)
{
    static const enum verdict_word words[] = {[REVIEW_NO_ROWS] = VERDICT_NOT_MEASURED,
                                              [REVIEW_CANNOT] = VERDICT_NOT_MEASURED,
                                              [REVIEW_INCOMPARABLE] = VERDICT_NOT_COMPARABLE,
                                              [REVIEW_NO_CORE] = VERDICT_NOT_MEASURED};
    int rows = r->state == REVIEW_MEASURED || r->state == REVIEW_NO_CORE;
    int err = gates_decide(&r->page, &r->diff, rows, &r->gates);
    if (err)
        return err;
    if (r->state != REVIEW_MEASURED)
        verdict_add(&r->verdict, words[r->state], page_safe(&r->page, r->why, 71), "");
    verdict_gates(&r->verdict, &r->page, &r->gates, r->state == REVIEW_MEASURED);
    return 0;
}

int review_make(const struct subject *s, struct review *ret)
{
    *ret = (struct review){.s = s, .why = ""};
    int err = diff_versions(s->store, s->a, s->b, 1, s->arena, s->stop, s->stop_ctx, &ret->diff);
    if (err < 0)
        return err;
    ret->same = ret->diff.same;
    if (!ret->same && !(err = results_of_pair(s, &ret->pair))) {
        ret->page = (struct page){.s = s, .p = &ret->pair, .c = &ret->pair.compare};
        snprintf(ret->page.a, sizeof ret->page.a, "v%u", s->a->number);
        snprintf(ret->page.b, sizeof ret->page.b, "v%u", s->b->number);
        look(ret);
        err = decide(ret);
    }
    if (err < 0)
        review_fini(ret);
    return err < 0 ? err : 0;
}

int review_control(struct review *r)
{
    int err = r->state == REVIEW_MEASURED ? results_of_control(r->s, &r->pair, &r->control) : 0;
    return err == -ENOENT ? 0 : err;
}

void review_fini(struct review *r)
{
    results_of_pair_fini(&r->pair);
    diff_fini(&r->diff);
}
