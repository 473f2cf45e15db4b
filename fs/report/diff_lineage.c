/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/figure.h"
#include "fs/report/origin.h"
#include "fs/report/report.h"
#include <stdio.h>
#include <string.h>

static const char *const parts[] = {"data", "code", "model", "hardware.train", "hardware.eval", "who"};

/* The leaf of a field; of fields that are not in the form too. */
static json_t *part(json_t *record, const char *name)
{
    const char *dot = strchr(name, '.');
    return dot ? json_object_get(json_object_get(record, "hardware"), dot + 1)
               : json_object_get(record, name);
}

static void put_field(struct out *o, const char *name, const json_t *a, const json_t *b)
{
    const json_t *va = origin_value(a), *vb = origin_value(b);
    int same = va && vb && json_equal(va, vb);
    size_t from = o->n;
    out_printf(o, "  %c %c ", same ? ' ' : '!', origin_mark(vb ? b : a));
    out_text(o, name, strlen(name), 22);
    figure_pad(o, from, 28);
    origin_text(o, va, 4096);
    if (!same) {
        out_str(o, " -> ");
        origin_text(o, vb, 4096);
    }
    out_char(o, '\n');
}

static void put_part(struct out *o, const char *name, json_t *ra, json_t *rb)
{
    json_t *a = part(ra, name), *b = part(rb, name), *leaf;
    const char *field;
    size_t known = 0, unknown = 0;
    out_printf(o, "\n%s\n", name);
    json_object_foreach(b, field, leaf) if (origin_value(leaf) || origin_value(json_object_get(a, field)))
    {
        put_field(o, field, json_object_get(a, field), leaf);
        known++;
    }
    json_object_foreach(a, field, leaf) if (origin_value(leaf) && !json_object_get(b, field))
    {
        put_field(o, field, leaf, NULL);
        known++;
    }
    size_t from = o->n;
    json_object_foreach(b, field, leaf) if (!origin_value(leaf) && !origin_value(json_object_get(a, field)))
    {
        if (unknown++ == 0)
            out_str(o, "      unknown: ");
        else if (o->n - from + strlen(field) > 76) {
            out_str(o, ",\n               ");
            from = o->n - 15;
        } else
            out_str(o, ", ");
        out_text(o, field, strlen(field), 40);
    }
    if (unknown)
        out_char(o, '\n');
    if (known + unknown == 0)
        out_str(o, "      nothing known\n");
}

static int render(const struct subject *s, struct out *o)
{
    const struct manifest *ma = NULL, *mb = NULL;
    json_t *a = NULL, *b = NULL;
    int r;
    if ((r = manifest_get(s->store, s->a, &ma)) >= 0 && (r = manifest_get(s->store, s->b, &mb)) >= 0 &&
        (r = origin_record(s->store, s->a, ma, &a)) >= 0 &&
        (r = origin_record(s->store, s->b, mb, &b)) >= 0) {
        out_printf(o, "lineage v%u -> v%u\n", s->a->number, s->b->number);
        out_str(o, "! differs.  How known: * computed from the bytes, + seen by modelfs, ? as declared\n");
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            put_part(o, parts[i], a, b);
    }
    json_decref(a);
    json_decref(b);
    if (ma)
        manifest_unref(s->store, ma);
    if (mb)
        manifest_unref(s->store, mb);
    return r < 0 ? r : 0;
}

const struct report report_diff_lineage = {
    .name = "lineage.txt",
    .version = 1,
    .doc = "data, code, model and hardware of both versions, and how each is known",
    .render = render,
};
