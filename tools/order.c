/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/order.h"
#include "store/base/fail.h"
#include "tools/append.h"
#include "tools/say.h"
#include <errno.h>

json_t *order_label(const char *text)
{
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
    if (json_is_number(v) || json_is_boolean(v) || json_is_string(v))
        return v;
    json_decref(v);
    return json_string(text);
}

int order_send(const char *repo, unsigned flags, const char *name, json_t *orders)
{
    struct out lines = {0};
    size_t i;
    json_t *one;
    json_array_foreach(orders, i, one)
    {
        canon_format(one, &lines);
        out_char(&lines, '\n');
    }
    int err = !orders || out_error(&lines) ? fail(-ENOMEM, "out of memory") : 0;
    json_decref(orders);
    int code = err ? say_fail(repo, err)
                   : append_lines(repo, flags, name, "done",
                                  (struct request){REQUEST_APPEND, 0, name, NULL, lines.p, lines.n});
    out_fini(&lines);
    return code;
}
