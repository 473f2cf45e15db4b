/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/origin.h"
#include "fs/report/report.h"
#include "store/base/fail.h"
#include <errno.h>

static int append(const char *p, size_t n, void *ctx)
{
    out_write(ctx, p, n);
    return 0;
}

static int render(const struct subject *s, struct out *o)
{
    const struct manifest *m;
    json_t *record = NULL;
    int r = manifest_get(s->store, s->a, &m);
    if (r < 0)
        return r;
    r = origin_record(s->store, s->a, m, &record);
    manifest_unref(s->store, m);
    if (r >= 0 && json_dump_callback(record, append, o, JSON_INDENT(2)) < 0)
        r = fail(-ENOMEM, "out of memory");
    out_char(o, '\n');
    json_decref(record);
    return r < 0 ? r : 0;
}

const struct report report_info_lineage = {
    .name = "lineage.json",
    .version = 1,
    .doc = "where it comes from: data, code, model, hardware, and how each is known",
    .render = render,
};
