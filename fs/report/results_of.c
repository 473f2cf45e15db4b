/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/results_of.h"
#include "fs/eval/policy.h"

static int progress(void *ctx, uint64_t done, uint64_t all)
{
    (void)done, (void)all;
    return report_stopped(ctx);
}

int results_set(const struct subject *s, const struct eval_set **ret)
{
    return s->name ? eval_view_at(s->eval, s->name, ret) : eval_view(s->eval, ret);
}

int results_of(const struct subject *s, const struct version *v, const struct eval_set *set,
               struct eval_result **ret)
{
    return eval_version(s->eval, v, eval_reading(s->eval), set, progress, (void *)s, ret);
}

int results_of_pair(const struct subject *s, struct results_of_pair *ret)
{
    struct results_of_pair p = {0};
    int err = eval_view(s->eval, &p.set);
    if (!err)
        err = results_of(s, s->a, p.set, &p.a);
    if (!err)
        err = results_of(s, s->b, p.set, &p.b);
    if (!err)
        err = eval_compare(p.a, p.b, s->arena, &p.compare);
    if (!err)
        err = policy_load(s->store, &p.rules, NULL);
    if (!err)
        policy_apply(&p.rules, &p.compare);
    if (err)
        results_of_pair_fini(&p);
    else
        *ret = p;
    return err;
}

void results_of_pair_fini(struct results_of_pair *p)
{
    eval_result_free(p->a);
    eval_result_free(p->b);
    eval_view_unref(p->set);
    rules_fini(&p->rules);
}

int results_of_control(const struct subject *s, const struct results_of_pair *p, struct eval_control *ret)
{
    *ret = (struct eval_control){.rows = 0};
    return eval_control(s->eval, p->b, eval_reading(s->eval), progress, (void *)s, ret);
}
