/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/eval.h"
#include "fs/eval/grow.h"
#include "fs/eval/state.h"
#include "fs/eval/view.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int eval_open(struct store *s, struct eval **ret)
{
    struct eval *e = calloc(1, sizeof *e);
    if (!e)
        return fail(-ENOMEM, "out of memory");
    e->store = s;
    int err = set_open(s, &e->set);
    if (err)
        eval_close(e);
    else
        *ret = e;
    return err;
}

void eval_close(struct eval *e)
{
    if (!e)
        return;
    set_close(e->set);
    free(e);
}

/* A label that the spec does not list would count as wrong for ever: more likely it is a typing error. */
static int check_label(const struct spec *s, const struct row *r)
{
    if (!s->nlabels || !r->label)
        return 0;
    struct out o = {0}, safe = {0};
    row_label_text(r->label, &o);
    const char *text = out_cstr(&o);
    size_t i = 0;
    while (i < s->nlabels && strcmp(s->labels[i], text) != 0)
        i++;
    out_text(&safe, text, strlen(text), 40);
    int err =
        i < s->nlabels ? 0 : fail(-EINVAL, "label \"%s\" is not in eval/spec.json's labels", out_cstr(&safe));
    out_fini(&o);
    out_fini(&safe);
    return err;
}

static int judge(const char *p, size_t n, const struct settings *with, struct grow_item *it)
{
    struct row row;
    it->line = p;
    it->n = n;
    int err = row_parse(p, n, &with->scorer, &row, &it->reason);
    if (!err && (err = check_label(&with->spec, &row))) {
        it->reason = ROW_BAD_LABEL;
        row_fini(&row);
    }
    if (!err)
        it->row = row;
    else if (err == -EINVAL)
        snprintf(it->why, sizeof it->why, "%s", fail_text());
    return err == -EINVAL ? 0 : err;
}

/* The lines that are not blank; at most n of them. Returns how many. */
static size_t split(const char *p, size_t n, struct grow_item *ret)
{
    size_t k = 0;
    for (const char *end = p + n; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
        const char *next = nl ? nl + 1 : end;
        while (stop > p && strchr(" \t\r", stop[-1]))
            stop--;
        if (stop > p)
            ret[k++] = (struct grow_item){.line = p, .n = (size_t)(stop - p)};
        p = next;
    }
    return k;
}

int eval_append(struct eval *e, const struct eval_writer *w, const char *p, size_t n, struct eval_added *ret)
{
    size_t lines = 1, k = 0;
    for (size_t i = 0; i < n; i++)
        lines += p[i] == '\n';
    struct grow_item *items = calloc(lines, sizeof *items);
    if (!items)
        return fail(-ENOMEM, "out of memory");
    int err;
    do {
        struct settings *with = set_settings(e->set);
        k = split(p, n, items);
        err = 0;
        for (size_t i = 0; !err && i < k; i++)
            err = judge(items[i].line, items[i].n, with, &items[i]);
        if (!err)
            err = grow_add(e->set, with, w, items, k, ret);
        for (size_t i = 0; i < k; i++)
            grow_item_fini(&items[i]);
        settings_unref(with);
    } while (err == -EAGAIN);
    free(items);
    return err;
}

int eval_configure(struct eval *e, const struct eval_writer *w, const char *name, const void *p, size_t n)
{
    return set_configure(e->set, w, name, p, n);
}

int eval_view(struct eval *e, const struct eval_set **ret)
{
    return view_of(e->set, ret);
}
void eval_view_unref(const struct eval_set *v)
{
    view_unref(v);
}
void eval_view_text(const struct eval_set *v, size_t i, struct out *o)
{
    view_text(v, i, o);
}
int eval_view_unlabelled(const struct eval_set *v, size_t i, struct out *o)
{
    return view_unlabelled(v, i, o);
}

void eval_revision(struct eval *e, char ret[32], struct digest *ret_digest)
{
    const struct eval_set *v;
    memset(ret_digest, 0, sizeof *ret_digest);
    ret[0] = 0;
    if (view_of(e->set, &v))
        return;
    memcpy(ret, v->revision, sizeof v->revision);
    *ret_digest = v->digest;
    view_unref(v);
}
