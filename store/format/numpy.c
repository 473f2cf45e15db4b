/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NumPy's arrays (numpy/lib/format.py), alone (.npy) or as the stored members of a zip (.npz):
 *
 *   npy    = "\x93NUMPY" major minor length header data
 *   length : u16le of version 1, u32le of 2 and 3
 *   header = a Python dict as text: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 *
 * A tensor's name is its member's without ".npy"; of a .npy it is "array". Object arrays hold a pickle and
 * are not read; of types that are no numbers here, and of big-endian ones, only name and shape are kept.
 */
#include "store/base/fail.h"
#include "store/format/layout.h"
#include "store/format/pt_zip.h"
#include <errno.h>
#include <string.h>

static const char magic[] = "\x93NUMPY";
enum { MAGIC = 6, MAX_HEADER = 1 << 20, MAX_RANK = 64 };

struct scan { /* the header's text */
    const struct input *in;
    const char *name; /* of the array, for messages */
    const char *p, *end;
};

static int malformed(const struct scan *s, const char *what)
{
    return fail(-EBADMSG, "%s: array \"%s\": its header has %s", s->in->name, s->name, what);
}

static void spaces(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t'))
        s->p++;
}

static int take(struct scan *s, char c)
{
    spaces(s);
    if (s->p == s->end || *s->p != c)
        return 0;
    s->p++;
    return 1;
}

static int take_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);
    spaces(s);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
        return 0;
    s->p += n;
    return 1;
}

/* A quoted string without escapes: its bytes, *ret_n of them, or NULL. */
static const char *text(struct scan *s, size_t *ret_n)
{
    spaces(s);
    if (s->p == s->end || (*s->p != '\'' && *s->p != '"'))
        return NULL;
    const char *from = s->p + 1, *to = memchr(from, *s->p, (size_t)(s->end - from));
    if (!to || memchr(from, '\\', (size_t)(to - from)))
        return NULL;
    s->p = to + 1;
    *ret_n = (size_t)(to - from);
    return from;
}

static int number(struct scan *s, uint64_t *ret)
{
    uint64_t x = 0;
    spaces(s);
    const char *from = s->p;
    for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++)
        if (__builtin_mul_overflow(x, (uint64_t)10, &x) ||
            __builtin_add_overflow(x, (uint64_t)(*s->p - '0'), &x))
            return 0;
    if (s->p < s->end && *s->p == 'L') /* as Python 2 wrote them */
        s->p++;
    *ret = x;
    return s->p > from;
}

static int shape_of(struct scan *s, struct arena *a, struct tensor *t)
{
    uint64_t dims[MAX_RANK];
    int comma = 0;
    if (!take(s, '('))
        return malformed(s, "no tuple for a shape");
    while (!take(s, ')')) {
        if (t->rank == MAX_RANK || (t->rank && !comma) || !number(s, &dims[t->rank]))
            return malformed(s, "a shape that is no tuple of at most 64 unsigned numbers");
        t->rank++;
        comma = take(s, ',');
    }
    uint64_t *shape = arena_array(a, t->rank, sizeof *shape);
    if (!shape && t->rank)
        return layout_nomem(s->in);
    if (t->rank)
        memcpy(shape, dims, t->rank * sizeof *shape);
    t->shape = shape;
    return layout_count(s->in, s->name, shape, t->rank, &t->count);
}

/* The type by its descr; *ret_size its bytes an element, 0: not known. */
static int type_of(struct scan *s, struct tensor *t, uint64_t *ret_size)
{
    size_t n;
    const char *p = text(s, &n);
    if (!p && take(s, '['))
        return fail(-EBADMSG, "%s: array \"%s\": a structured type, not read", s->in->name, s->name);
    if (!p || n < 2)
        return malformed(s, "no type");
    if (p[1] == 'O')
        return fail(-EBADMSG, "%s: array \"%s\": objects, not read", s->in->name, s->name);
    for (int k = DTYPE_NONE + 1; k < DTYPE_MAX; k++) {
        const char *descr = dtype_npy((enum dtype)k);
        if (k == DTYPE_BF16 || k == DTYPE_F8_E4M3 || k == DTYPE_F8_E5M2 || strlen(descr) != n ||
            memcmp(descr + 1, p + 1, n - 1) != 0)
            continue;
        if (*p == *descr || *p == '=')
            t->dtype = (enum dtype)k;
        *ret_size = dtype_size((enum dtype)k);
    }
    return 0;
}

static int dict_of(struct scan *s, struct arena *a, struct tensor *t, uint64_t *ret_size, int *ret_fortran)
{
    unsigned seen = 0;
    if (!take(s, '{'))
        return malformed(s, "no dict");
    while (!take(s, '}')) {
        size_t n;
        const char *key = text(s, &n);
        unsigned bit = !key                                              ? 0
                       : n == 5 && memcmp(key, "descr", n) == 0          ? 1
                       : n == 13 && memcmp(key, "fortran_order", n) == 0 ? 2
                       : n == 5 && memcmp(key, "shape", n) == 0          ? 4
                                                                         : 0;
        if (!bit || (seen & bit) || !take(s, ':'))
            return malformed(s, "a key that does not belong there, or twice");
        seen |= bit;
        int r = 0;
        if (bit == 1)
            r = type_of(s, t, ret_size);
        else if (bit == 4)
            r = shape_of(s, a, t);
        else if (!(*ret_fortran = take_word(s, "True")) && !take_word(s, "False"))
            r = malformed(s, "a fortran_order that is neither True nor False");
        if (r < 0)
            return r;
        if (!take(s, ',')) {
            if (!take(s, '}'))
                return malformed(s, "no end");
            break;
        }
    }
    spaces(s);
    return seen == 7 && s->p == s->end ? 0
                                       : malformed(s, "less, or more, than descr, fortran_order and shape");
}

/* The array in the n bytes at off. */
static int array_of(const struct input *in, struct arena *a, const char *name, uint64_t off, uint64_t n,
                    struct tensor *t)
{
    uint8_t head[12] = {0};
    *t = (struct tensor){.name = name};
    if (n < 10)
        return fail(-EBADMSG, "%s: array \"%s\": %llu bytes at offset 0x%llx are no array", in->name, name,
                    (unsigned long long)n, (unsigned long long)off);
    int r = input_read(in, off, head, n < sizeof head ? (size_t)n : sizeof head);
    if (r < 0)
        return r;
    uint64_t skip = head[6] == 1 ? 10 : 12, len = head[6] == 1 ? head[8] | (uint64_t)head[9] << 8
                                                               : head[8] | (uint64_t)head[9] << 8 |
                                                                     (uint64_t)head[10] << 16 |
                                                                     (uint64_t)head[11] << 24;
    if (memcmp(head, magic, MAGIC) != 0 || head[6] < 1 || head[6] > 3 || head[7] != 0)
        return fail(-EBADMSG, "%s: array \"%s\": no array of version 1 to 3 at offset 0x%llx (%u.%u)",
                    in->name, name, (unsigned long long)off, head[6], head[7]);
    if (n < skip || len > n - skip || len > MAX_HEADER)
        return fail(-EBADMSG, "%s: array \"%s\": a header of %llu bytes in %llu at offset 0x%llx", in->name,
                    name, (unsigned long long)len, (unsigned long long)n, (unsigned long long)off);
    char *p = arena_alloc(a, len + 1);
    if (!p)
        return layout_nomem(in);
    if ((r = input_read(in, off + skip, p, (size_t)len)) < 0)
        return r;
    struct scan s = {in, name, p, p + len};
    uint64_t size = 0, bytes;
    int fortran = 0;
    if ((r = dict_of(&s, a, t, &size, &fortran)) < 0)
        return r;
    t->off = off + skip + len;
    t->len = n - skip - len;
    if (size && (__builtin_mul_overflow(t->count, size, &bytes) || bytes != t->len))
        return fail(-EBADMSG, "%s: array \"%s\": %llu elements of %llu bytes, but %llu bytes follow",
                    in->name, name, (unsigned long long)t->count, (unsigned long long)size,
                    (unsigned long long)t->len);
    if (fortran && t->rank > 1)
        t->flags = TENSOR_STRIDED;
    return 0;
}

static int npy_parse(const struct input *in, struct arena *a, struct out *list)
{
    struct tensor t;
    int r = array_of(in, a, "array", 0, in->size, &t);
    out_write(list, &t, sizeof t);
    return r;
}

struct members {
    const struct input *in;
    struct arena *a;
    struct out *list;
};

static int one_member(void *ctx, const char *name, uint64_t off, uint64_t n)
{
    struct members *m = ctx;
    size_t k = strlen(name);
    struct tensor t;
    if (k < 5 || strcmp(name + k - 4, ".npy") != 0)
        return 0; /* something else beside them */
    char *stem = arena_strndup(m->a, name, k - 4);
    if (!stem)
        return layout_nomem(m->in);
    int r = array_of(m->in, m->a, stem, off, n, &t);
    out_write(m->list, &t, sizeof t);
    return r;
}

static int npz_parse(const struct input *in, struct arena *a, struct out *list)
{
    struct pt_zip *zip;
    struct members m = {in, a, list};
    int r = pt_zip_open_any(in, a, &zip);
    if (r < 0)
        return r;
    r = pt_zip_each(zip, one_member, &m);
    pt_zip_close(zip);
    return r;
}

int numpy_parse(const struct input *in, struct arena *a, struct layout *ret)
{
    char b[MAGIC] = {0};
    struct out list = {0};
    int r = input_read(in, 0, b, in->size < sizeof b ? (size_t)in->size : sizeof b);
    if (r < 0)
        return r;
    int npy = memcmp(b, magic, sizeof b) == 0 || input_ends(in, ".npy"), npz = !npy && input_ends(in, ".npz");
    if (!npy && !npz)
        return 0;
    r = npy ? npy_parse(in, a, &list) : npz_parse(in, a, &list);
    if (r == 0)
        r = layout_finish(in, a, &list, ret);
    ret->format = npy ? FORMAT_NPY : FORMAT_NPZ;
    out_fini(&list);
    return r < 0 ? r : 1;
}
