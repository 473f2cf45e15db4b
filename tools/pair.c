/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pair.h"
#include "store/base/fail.h"
#include <errno.h>
#include <string.h>

enum { COLUMNS = 32 };

int pair_file(struct client *c, const char *pair, const char *name, struct out *ret)
{
    struct out path = {0};
    const char *dots = strstr(pair, "..");
    if (!dots || dots == pair || !dots[2] || strchr(pair, '/'))
        return fail(-EINVAL, "not a pair A..B of versions");
    out_printf(&path, "diff/%s/%s", pair, name);
    struct request q = {.op = REQUEST_CAT, .name = out_cstr(&path)};
    int err = out_error(&path) ? out_error(&path) : client_collect(c, &q, ret);
    out_fini(&path);
    return err;
}

/* One field into o, its quotes taken away; *p is then at the comma, the newline or the end. */
static void field(const char **p, struct out *o)
{
    int quoted = **p == '"';
    for (*p += quoted; **p; ++*p) {
        if (quoted && **p == '"') {
            if ((*p)[1] != '"') {
                ++*p;
                break;
            }
            ++*p;
        } else if (!quoted && (**p == ',' || **p == '\n')) {
            break;
        }
        out_char(o, **p);
    }
}

struct widths {
    size_t of[COLUMNS];
    int used[COLUMNS];
};

static void each_field(const char *csv, struct widths *w, FILE *to)
{
    for (size_t line = 0; *csv; line++) {
        size_t spaces = 0;
        for (size_t k = 0;; k++) {
            struct out raw = {0}, safe = {0};
            field(&csv, &raw);
            out_text(&safe, raw.p ? raw.p : "", raw.n, 60);
            if (!to && k < COLUMNS) {
                w->of[k] = safe.n > w->of[k] ? safe.n : w->of[k];
                w->used[k] |= line && safe.n;
            } else if (k < COLUMNS && w->used[k]) {
                fprintf(to, "%*s%s", (int)spaces, "", out_cstr(&safe));
                spaces = w->of[k] - safe.n + 2;
            }
            out_fini(&raw);
            out_fini(&safe);
            if (*csv != ',')
                break;
            csv++;
        }
        csv += *csv == '\n';
        if (to)
            fputc('\n', to);
    }
}

void pair_columns(const char *csv, FILE *to)
{
    struct widths w = {{0}, {0}};
    each_field(csv, &w, NULL);
    each_field(csv, &w, to);
}
