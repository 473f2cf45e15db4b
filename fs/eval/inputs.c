/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/inputs.h"
#include "fs/eval/array.h"
#include "store/base/fail.h"
#include "store/manifest.h"
#include <errno.h>
#include <stdlib.h>

int inputs_is_name(const char *name)
{
    static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
    if (strncmp(name, "inputs/", 7) != 0)
        return 0;
    const char *file = name + 7;
    size_t n = strlen(file);
    return n > 4 && n <= 200 && *file != '.' && file[strspn(file, ok)] == 0 &&
           strcmp(file + n - 4, ".npy") == 0;
}

/* ---- references ---- */

static const char *ref_of(const json_t *v)
{
    return json_object_size(v) == 1 ? json_string_value(json_object_get(v, "ref")) : NULL;
}

static int parse(const char *ref, struct digest *ret)
{
    if (strncmp(ref, "sha256:", 7) != 0 || hash_parse(ref + 7, ret))
        return fail(-EINVAL, "ref: must be \"sha256:\" and the 64 digits that sha256sum prints of the file");
    return 0;
}

int inputs_each(const json_t *input, int (*each)(void *ctx, const struct digest *d), void *ctx)
{
    const char *ref = ref_of(input), *key;
    struct digest d;
    json_t *item;
    size_t i;
    int err = 0;
    if (ref)
        return (err = parse(ref, &d)) ? err : each(ctx, &d);
    if (json_is_array(input))
        json_array_foreach(input, i, item)
        {
            if ((err = inputs_each(item, each, ctx)))
                return err;
        }
    else if (json_is_object(input))
        json_object_foreach((json_t *)input, key, item)
        {
            if ((err = inputs_each(item, each, ctx)))
                return err;
        }
    return 0;
}

static int yes(void *ctx, const struct digest *d)
{
    (void)ctx, (void)d;
    return 1;
}

int inputs_any(const json_t *input)
{
    return inputs_each(input, yes, NULL) != 0;
}

static int load(struct store *s, const char *ref, int lists, json_t **ret)
{
    struct digest d;
    struct array a;
    struct out bytes = {0};
    int err = parse(ref, &d);
    if (!err && (err = blob_get(s, &d, &bytes)) == -ENOENT)
        err = fail(-EINVAL, "no file of eval/inputs is %s", ref);
    if (!err)
        err = array_parse(bytes.p ? bytes.p : "", bytes.n, &a);
    if (!err && !(*ret = lists ? array_lists(&a) : json_stringn_nocheck(bytes.p, bytes.n)))
        err = fail(-EINVAL, "%s: NaN and infinity have no place in lists", ref);
    out_fini(&bytes);
    return err;
}

static int resolve(struct store *s, const json_t *v, int lists, json_t **ret)
{
    const char *ref = ref_of(v), *key;
    json_t *item, *one, *all;
    size_t i;
    int err = 0;
    if (ref)
        return load(s, ref, lists, ret);
    if (json_is_array(v)) {
        all = json_array();
        json_array_foreach(v, i, item) if (!err && (err = resolve(s, item, lists, &one)) == 0 &&
                                           json_array_append_new(all, one)) err = -ENOMEM;
    } else if (json_is_object(v)) {
        all = json_object();
        json_object_foreach((json_t *)v, key, item) if (!err && (err = resolve(s, item, lists, &one)) == 0 &&
                                                        json_object_set_new(all, key, one)) err = -ENOMEM;
    } else {
        all = json_deep_copy(v); /* rows are shared by threads: their counts are left alone */
    }
    if (!err && !all)
        err = -ENOMEM;
    if (err)
        json_decref(all);
    else
        *ret = all;
    return err == -ENOMEM ? fail(-ENOMEM, "out of memory") : err;
}

int inputs_resolve(struct store *s, const json_t *input, int lists, json_t **ret)
{
    return resolve(s, input, lists, ret);
}

/* ---- files ---- */

struct search {
    char hex[HASH_HEX];
    const struct stored_row *but; /* (n) */
    size_t n;
};

static int refers(void *ctx, const struct stored_row *r)
{
    const struct search *x = ctx;
    for (size_t i = 0; i < x->n; i++)
        if (x->but[i].seq == r->seq)
            return 0;
    return r->state != ROW_REJECTED && memmem(r->json, r->n, x->hex, 64) != NULL;
}

int inputs_referred(struct store *s, const struct digest *d, const struct stored_row *but, size_t n)
{
    struct search x = {.but = but, .n = n};
    hash_hex(d, x.hex);
    return rows_each(s, 1, refers, &x);
}

/* May the name mean something else? */
static int is_free(struct store *s, const char *name, const struct digest *new)
{
    struct digest old;
    int err = config_get(s, name, NULL, &old);
    if (err || hash_equal(&old, new))
        return err == -ENOENT ? 0 : err;
    err = inputs_referred(s, &old, NULL, 0);
    return err <= 0 ? err : fail(-EPERM, "eval/%s: a row refers to it; use another name", name);
}

int inputs_put(struct store *s, const struct eval_writer *w, const char *name, const void *p, size_t n)
{
    struct array a;
    struct digest d;
    char hex[HASH_HEX];
    if (!inputs_is_name(name))
        return fail(-EINVAL, "eval/%.200s: inputs are named NAME.npy, of letters, digits and ._+-", name);
    int err = n ? array_parse(p, n, &a) : 0;
    hash_sha256(p, n, &d);
    if (!err)
        err = is_free(s, name, &d);
    if (err)
        return err;
    hash_hex(&d, hex);
    json_t *o = json_pack("{s:s s:s s:I}", "name", name, "digest", hex, "uid", (json_int_t)w->uid);
    if (o && w->name)
        json_object_set_new(o, "by", json_string(w->name));
    char *event = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    err = event ? config_set(s, name, p, n, event) : fail(-ENOMEM, "out of memory");
    json_decref(o);
    free(event);
    return err;
}
