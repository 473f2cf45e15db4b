/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/diff/structure.h"
#include "store/base/canon.h"
#include "store/base/fail.h"
#include <errno.h>

int structure_load(struct store *s, const struct manifest_file *f, json_t **ret)
{
    struct out text = {0};
    int r = blob_get(s, &f->structure, &text);
    if (r >= 0 && (r = out_error(&text)) < 0)
        r = fail(r, "out of memory");
    if (r >= 0)
        r = canon_parse(f->path, out_cstr(&text), text.n, FORMAT_MAX_DEPTH, ret);
    out_fini(&text);
    return r < 0 ? r : 0;
}

static size_t count(const struct manifest *m, enum format format, const struct manifest_file **ret_last)
{
    size_t n = 0;
    for (size_t i = 0; i < m->nfiles; i++)
        if (m->files[i].format == format) {
            *ret_last = &m->files[i];
            n++;
        }
    return n;
}

int structure_pairs(const struct diff *d, enum format format, struct arena *a, struct structure_pair **ret,
                    size_t *ret_n)
{
    const struct manifest_file *last_a = NULL, *last_b = NULL;
    size_t na = count(d->ma, format, &last_a), nb = count(d->mb, format, &last_b), n = 0;
    struct structure_pair *v = arena_array(a, nb, sizeof *v);
    if (!v)
        return fail(-ENOMEM, "out of memory");
    for (size_t i = 0; i < d->mb->nfiles; i++) {
        const struct manifest_file *b = &d->mb->files[i], *same;
        if (b->format == format && (same = manifest_find(d->ma, b->path)) && same->format == format)
            v[n++] = (struct structure_pair){same, b};
    }
    if (n == 0 && na == 1 && nb == 1)
        v[n++] = (struct structure_pair){last_a, last_b};
    *ret = v;
    *ret_n = n;
    return 0;
}
