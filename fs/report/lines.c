/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/lines.h"
#include "store/base/canon.h"
#include "store/base/utf8.h"
#include <errno.h>
#include <time.h>

json_t *lines_text(const char *p, size_t n)
{
    struct out o = {0};
    for (size_t i = 0, k; i < n; i += k) {
        uint32_t c;
        if ((k = utf8_next(p + i, n - i, &c)) > 0) {
            out_write(&o, p + i, k);
        } else {
            out_str(&o, "\xef\xbf\xbd");
            k = 1;
        }
    }
    json_t *ret = out_error(&o) ? NULL : json_stringn(o.p ? o.p : "", o.n);
    out_fini(&o);
    return ret;
}

json_t *lines_time(int64_t ns)
{
    char text[32];
    struct tm tm;
    time_t t = (time_t)(ns / 1000000000 - (ns % 1000000000 < 0));
    if (!gmtime_r(&t, &tm) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return json_null();
    return json_string(text);
}

void lines_put(struct out *o, json_t *object)
{
    if (!object)
        o->err = -ENOMEM;
    else
        canon_format(object, o);
    out_char(o, '\n');
    json_decref(object);
}
