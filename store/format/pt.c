/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PyTorch's archives (torch.save since 1.6): a zip whose members are stored, not compressed.
 *
 *   NAME/data.pkl    the object, its tensors as references to storages
 *   NAME/data/KEY    the bytes of storage KEY
 *   NAME/byteorder   "little" or "big" (since 2.1)
 *
 * A tensor's name is the path of dict keys and list indices to it, joined by dots.
 */
#include "store/base/fail.h"
#include "store/format/layout.h"
#include "store/format/pickle.h"
#include "store/format/pt_zip.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VISITS 4000000u /* values looked at; one value may be reached by very many paths */
#define MAX_VALUES 100000u  /* scalars written down */
#define MAX_SHORT  16u      /* a list of more scalars is data, not a setting */

struct walk {
    const struct input *in;
    struct arena *a;
    struct pt_zip *zip;
    struct out path, tensors;
    json_t *values;
    unsigned visits, left_out, strided;
};

/* Row-major without gaps, whatever the strides of dimensions of size 1. */
static int contiguous(const struct pickle_tensor *t, uint64_t count)
{
    uint64_t expected = 1;
    for (uint32_t i = t->rank; i > 0 && count; i--) {
        if (t->shape[i - 1] == 1)
            continue;
        if (t->stride[i - 1] != expected)
            return 0;
        expected *= t->shape[i - 1]; /* <= count, which fits */
    }
    return 1;
}

/* Elements from the storage's start to the end of the tensor's last one; 0 on overflow. */
static uint64_t extent(const struct pickle_tensor *t)
{
    uint64_t end = t->offset, far;
    for (uint32_t i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(t->shape[i] - 1, t->stride[i], &far) ||
            __builtin_add_overflow(end, far, &end))
            return 0;
    return __builtin_add_overflow(end, (uint64_t)1, &end) ? 0 : end;
}

static int add_tensor(struct walk *w, const struct pickle_tensor *p)
{
    const char *path = out_cstr(&w->path);
    if (w->path.n > FORMAT_MAX_NAME || strlen(path) != w->path.n)
        return fail(-EBADMSG, "%s: tensor \"%.40s\": a name of %zu bytes, or with a NUL", w->in->name, path,
                    w->path.n);
    struct tensor t = {.dtype = p->dtype, .rank = p->rank, .shape = p->shape};
    if (!(t.name = arena_strdup(w->a, w->path.n ? path : "tensor")))
        return layout_nomem(w->in);
    uint64_t size = dtype_size(p->dtype), off, len, bytes;
    const struct pickle_storage *s = p->storage;
    int r = layout_count(w->in, t.name, p->shape, p->rank, &t.count);
    if (r == 0)
        r = pt_zip_storage(w->zip, s->key, s->key_len, &off, &len);
    if (r < 0)
        return r;
    if (__builtin_mul_overflow(s->count, (uint64_t)dtype_size(s->dtype), &bytes) || bytes != len)
        return fail(-EBADMSG,
                    "%s: tensor \"%s\": its storage has %" PRIu64 " bytes at offset 0x%" PRIx64
                    ", not %" PRIu64 " elements",
                    w->in->name, t.name, len, off, s->count);
    uint64_t end = t.count ? extent(p) : 1;
    if (end == 0 || (t.count && end > len / size))
        return fail(-EBADMSG,
                    "%s: tensor \"%s\": reaches past its storage of %" PRIu64 " bytes at offset 0x%" PRIx64,
                    w->in->name, t.name, len, off);
    if (contiguous(p, t.count)) {
        t.off = off + (t.count ? p->offset * size : 0);
        t.len = t.count * size;
    } else {
        t.flags = TENSOR_STRIDED;
        t.off = off;
        t.len = len;
        w->strided++;
    }
    out_write(&w->tensors, &t, sizeof t);
    return 0;
}

static json_t *scalar(const struct pickle *v)
{
    switch (v->kind) {
    case PICKLE_BOOL:
        return json_boolean(v->u.i);
    case PICKLE_INT:
        return json_integer(v->u.i);
    case PICKLE_FLOAT: /* JSON has no other numbers than finite ones */
        return isfinite(v->u.f) ? json_real(v->u.f)
                                : json_string(isnan(v->u.f) ? "NaN"
                                              : v->u.f > 0  ? "Infinity"
                                                            : "-Infinity");
    case PICKLE_STR:
        return v->u.str.n <= FORMAT_MAX_NAME && !memchr(v->u.str.s, 0, v->u.str.n)
                   ? json_stringn(v->u.str.s, v->u.str.n)
                   : NULL;
    default:
        return NULL;
    }
}

static void add_value(struct walk *w, const struct pickle *v)
{
    if (json_object_size(w->values) >= MAX_VALUES || w->path.n > FORMAT_MAX_NAME ||
        memchr(out_cstr(&w->path), 0, w->path.n) ||
        json_object_set_new(w->values, out_cstr(&w->path), scalar(v)))
        w->left_out++;
}

static int is_scalar(const struct pickle *v)
{
    return v->kind == PICKLE_BOOL || v->kind == PICKLE_INT || v->kind == PICKLE_FLOAT ||
           v->kind == PICKLE_STR;
}

static int visit(struct walk *w, const struct pickle *v, int depth);

static int visit_items(struct walk *w, const struct pickle *v, int depth)
{
    size_t mark = w->path.n, i = 0;
    for (const struct pickle_item *it = v->u.list.first; it; it = it->next, i++) {
        if (v->kind == PICKLE_LIST && v->u.list.n > MAX_SHORT && is_scalar(it->value))
            continue;
        if (mark)
            out_char(&w->path, '.');
        if (pickle_is(it->key, PICKLE_STR))
            out_write(&w->path, it->key->u.str.s, it->key->u.str.n);
        else if (pickle_is(it->key, PICKLE_INT))
            out_printf(&w->path, "%" PRId64, it->key->u.i);
        else
            out_printf(&w->path, "%zu", i);
        int r = out_error(&w->path) ? layout_nomem(w->in) : visit(w, it->value, depth + 1);
        if (r < 0)
            return r;
        w->path.n = mark;
    }
    return 0;
}

static int visit(struct walk *w, const struct pickle *v, int depth)
{
    if (++w->visits > MAX_VISITS)
        return fail(-EBADMSG, "%s: pickle: more than %u values", w->in->name, MAX_VISITS);
    if (depth > FORMAT_MAX_DEPTH)
        return fail(-EBADMSG, "%s: pickle: nested deeper than %d levels", w->in->name, FORMAT_MAX_DEPTH);
    if (v->kind == PICKLE_TENSOR)
        return add_tensor(w, v->u.tensor);
    if (v->kind == PICKLE_LIST || v->kind == PICKLE_DICT)
        return visit_items(w, v, depth);
    if (is_scalar(v))
        add_value(w, v);
    return 0;
}

static int structure(struct walk *w, const struct pickle *root, struct layout *ret)
{
    struct out o = {0};
    out_printf(&o, "{\"root\":\"%s\",\"values\":", root->kind == PICKLE_DICT ? "dict" : "object");
    layout_value(&o, w->values);
    if (w->left_out)
        out_printf(&o, ",\"values_left_out\":%u", w->left_out);
    out_printf(&o, ",\"strided\":%u}", w->strided);
    int r = layout_structure(w->a, &o, ret);
    out_fini(&o);
    return r;
}

static int read_archive(const struct input *in, struct arena *a, struct pt_zip *zip, struct layout *ret)
{
    char *p;
    size_t n;
    uint64_t base;
    const struct pickle *root = NULL;
    struct walk w = {.in = in, .a = a, .zip = zip, .values = json_object()};
    int r = w.values ? pt_zip_pickle(zip, a, &p, &n, &base) : layout_nomem(in);
    if (r == 0)
        r = pickle_walk(in, a, p, n, base, &root);
    if (r == 0)
        r = visit(&w, root, 0);
    if (r == 0)
        r = layout_finish(in, a, &w.tensors, ret);
    if (r == 0)
        r = structure(&w, root, ret);
    json_decref(w.values);
    out_fini(&w.path);
    out_fini(&w.tensors);
    return r;
}

/* No zip: before 1.6 a file was several pickles, the first of them a magic number. It is only looked at for
 * what it would run. */
static int legacy(const struct input *in, struct arena *a)
{
    const struct pickle *v;
    size_t n = in->size < 1u << 20 ? (size_t)in->size : 1u << 20;
    char *p = arena_alloc(a, n);
    if (!p)
        return layout_nomem(in);
    int r = input_read(in, 0, p, n);
    if (r == 0)
        r = pickle_walk(in, a, p, n, 0, &v);
    return r < 0 ? r : fail(-EBADMSG, "%s: legacy format, not read", in->name);
}

int pt_parse(const struct input *in, struct arena *a, struct layout *ret)
{
    static const char magic[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    char b[sizeof magic - 1] = {0};
    size_t n = in->size < sizeof b ? (size_t)in->size : sizeof b;
    int named = input_ends(in, ".pt") || input_ends(in, ".pth"), r = input_read(in, 0, b, n);
    if (r < 0)
        return r;
    if (memcmp(b, "PK\3\4", 4) != 0)
        return named || memcmp(b, magic, sizeof b) == 0 ? legacy(in, a) : 0;
    struct pt_zip *zip;
    if ((r = pt_zip_open(in, a, named, &zip)) <= 0)
        return r;
    r = read_archive(in, a, zip, ret);
    pt_zip_close(zip);
    ret->format = FORMAT_PT;
    return r < 0 ? r : 1;
}
