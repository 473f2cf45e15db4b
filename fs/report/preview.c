/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/preview.h"

static void value(const json_t *v, struct out *o)
{
    if (json_is_string(v))
        out_write(o, json_string_value(v), json_string_length(v));
    else
        canon_format(v, o);
}

void preview_row(const struct row *r, struct out *o, size_t max)
{
    struct out text = {0};
    const char *key;
    json_t *v;
    if (json_object_size(r->input)) {
        json_object_foreach((json_t *)r->input, key, v)
        {
            if (max && text.n > 4 * max) /* enough for any escaping */
                break;
            out_printf(&text, "%s%s=", text.n ? " " : "", key);
            value(v, &text);
        }
    } else {
        value(r->input, &text);
    }
    out_text(o, text.p ? text.p : "", text.n, max);
    if (out_error(&text))
        o->err = out_error(&text);
    out_fini(&text);
}
