/* SPDX-License-Identifier: Apache-2.0 */
#include "store/format/pt_zip.h"
#include "store/base/fail.h"
#include "store/base/out.h"
#include "store/format/layout.h"
#include <errno.h>
#include <minizip/unzip.h>
#include <stdlib.h>
#include <string.h>

#define LOCAL_HEADER 30 /* bytes, before the name */

struct member {
    char *name;
    unz64_file_pos pos; /* of its entry in the central directory */
    uint64_t size, stored, off;
    uint32_t method, flags;
    int located; /* off is known and the member can be read in place */
};

struct pt_zip {
    struct input_buffer buffer; /* minizip reads byte by byte */
    uint64_t at;
    int err; /* a failed read, which is not the file's fault */
    unzFile zip;
    const char *prefix; /* "NAME/", prefix_len bytes */
    size_t prefix_len;
    struct member *members; /* (n), by name */
    size_t n;
};

static voidpf open_input(voidpf opaque, const void *name, int mode)
{
    (void)name, (void)mode;
    return opaque;
}

static uLong read_input(voidpf opaque, voidpf stream, void *p, uLong n)
{
    struct pt_zip *z = stream;
    (void)opaque;
    uint64_t size = z->buffer.in->size, left = z->at < size ? size - z->at : 0;
    if (n > left)
        n = (uLong)left;
    int r = input_buffered(&z->buffer, z->at, p, n);
    if (r < 0) {
        z->err = r;
        return 0;
    }
    z->at += n;
    return n;
}

static ZPOS64_T tell_input(voidpf opaque, voidpf stream)
{
    (void)opaque;
    return ((struct pt_zip *)stream)->at;
}

static long seek_input(voidpf opaque, voidpf stream, ZPOS64_T off, int origin)
{
    struct pt_zip *z = stream;
    (void)opaque;
    uint64_t from = origin == ZLIB_FILEFUNC_SEEK_SET   ? 0
                    : origin == ZLIB_FILEFUNC_SEEK_CUR ? z->at
                                                       : z->buffer.in->size;
    uint64_t to;
    if (__builtin_add_overflow(from, (uint64_t)off, &to) || to > z->buffer.in->size)
        return -1; /* minizip 1.3 tries that where it finds no directory */
    z->at = to;
    return 0;
}

static int close_input(voidpf opaque, voidpf stream)
{
    (void)opaque, (void)stream;
    return 0;
}

static int error_of_input(voidpf opaque, voidpf stream)
{
    (void)opaque;
    return ((struct pt_zip *)stream)->err;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

static struct member *find(struct pt_zip *z, const char *rest, size_t n)
{
    char name[256];
    if (memchr(rest, 0, n) || z->prefix_len >= sizeof name || n >= sizeof name - z->prefix_len)
        return NULL;
    memcpy(name, z->prefix, z->prefix_len);
    memcpy(name + z->prefix_len, rest, n);
    name[z->prefix_len + n] = 0;
    struct member key = {.name = name};
    return z->n ? bsearch(&key, z->members, z->n, sizeof key, by_name) : NULL;
}

/* The current entry of the central directory into m; names that are no plain text fail. */
static int read_entry(struct pt_zip *z, struct arena *a, struct member *m)
{
    char name[FORMAT_MAX_NAME + 1];
    unz_file_info64 info;
    const char *file = z->buffer.in->name;
    if (unzGetCurrentFileInfo64(z->zip, &info, name, sizeof name, NULL, 0, NULL, 0) != UNZ_OK ||
        unzGetFilePos64(z->zip, &m->pos) != UNZ_OK)
        return fail(-EBADMSG, "%s: zip: the central directory is damaged", file);
    if (info.size_filename >= sizeof name || strlen(name) != info.size_filename)
        return fail(-EBADMSG, "%s: zip: a member's name has %lu bytes, or a NUL", file, info.size_filename);
    m->size = info.uncompressed_size;
    m->stored = info.compressed_size;
    m->method = (uint32_t)info.compression_method;
    m->flags = (uint32_t)info.flag;
    return (m->name = arena_strndup(a, name, info.size_filename)) ? 0 : layout_nomem(z->buffer.in);
}

static int read_directory(struct pt_zip *z, struct arena *a)
{
    struct out list = {0};
    const char *file = z->buffer.in->name;
    int r = 0, u = unzGoToFirstFile(z->zip);
    for (; u == UNZ_OK && r == 0; u = unzGoToNextFile(z->zip)) {
        struct member m = {0};
        if ((r = read_entry(z, a, &m)) == 0)
            out_write(&list, &m, sizeof m);
        if (r == 0 && list.n / sizeof m > FORMAT_MAX_TENSORS)
            r = fail(-EBADMSG, "%s: zip: more than %u members", file, FORMAT_MAX_TENSORS);
    }
    if (r == 0 && z->err)
        r = z->err;
    if (r == 0 && u != UNZ_END_OF_LIST_OF_FILE)
        r = fail(-EBADMSG, "%s: zip: the central directory is damaged after %zu members", file,
                 list.n / sizeof(struct member));
    z->n = list.n / sizeof(struct member);
    if (r == 0 && (list.err || !(z->members = arena_array(a, z->n, sizeof *z->members))))
        r = layout_nomem(z->buffer.in);
    if (r == 0 && z->n) {
        memcpy(z->members, list.p, list.n);
        qsort(z->members, z->n, sizeof *z->members, by_name);
    }
    out_fini(&list);
    return r;
}

/* NAME/data.pkl, one level deep, makes it an archive of PyTorch's. */
static int find_prefix(struct pt_zip *z)
{
    for (size_t i = 0; i < z->n; i++) {
        const char *slash = strchr(z->members[i].name, '/');
        if (slash && slash != z->members[i].name && strcmp(slash, "/data.pkl") == 0) {
            z->prefix = z->members[i].name;
            z->prefix_len = (size_t)(slash - z->prefix) + 1;
            return 1;
        }
    }
    return 0;
}

static int leaves(const char *name)
{
    if (*name == '/' || strchr(name, '\\'))
        return 1;
    for (const char *p = name; p; p = (p = strchr(p, '/')) ? p + 1 : NULL)
        if (strncmp(p, "..", 2) == 0 && (p[2] == 0 || p[2] == '/'))
            return 1;
    return 0;
}

static int check_names(const struct pt_zip *z)
{
    const char *file = z->buffer.in->name;
    for (size_t i = 0; i < z->n; i++) {
        const char *name = z->members[i].name;
        if (leaves(name))
            return fail(-EBADMSG, "%s: zip: member \"%s\" leaves the archive", file, name);
        if (i && strcmp(z->members[i - 1].name, name) == 0)
            return fail(-EBADMSG, "%s: zip: two members are named \"%s\"", file, name);
    }
    return 0;
}

/* Where its bytes are, by its local header, which must say the same as the central directory does. */
static int locate(struct pt_zip *z, struct member *m)
{
    const struct input *in = z->buffer.in;
    if (m->located)
        return 0;
    if (m->flags & 1)
        return fail(-EBADMSG, "%s: zip: member \"%s\" is encrypted", in->name, m->name);
    if (m->method != 0 || m->size != m->stored)
        return fail(-EBADMSG, "%s: zip: member \"%s\" is not stored as it is (method %u, %llu bytes as %llu)",
                    in->name, m->name, m->method, (unsigned long long)m->size, (unsigned long long)m->stored);
    int raw_method, u = unzGoToFilePos64(z->zip, &m->pos);
    if (u == UNZ_OK)
        u = unzOpenCurrentFile2(z->zip, &raw_method, NULL, 1);
    if (z->err)
        return z->err;
    if (u == UNZ_INTERNALERROR)
        return layout_nomem(in);
    if (u != UNZ_OK)
        return fail(-EBADMSG, "%s: zip: member \"%s\": its local header differs from the directory", in->name,
                    m->name);
    uint64_t off = unzGetCurrentFileZStreamPos64(z->zip), name_len = strlen(m->name), before;
    int extra = unzGetLocalExtrafield(z->zip, NULL, 0);
    unzCloseCurrentFile(z->zip);
    char name[FORMAT_MAX_NAME];
    if (off > in->size || m->size > in->size - off)
        return fail(-EBADMSG, "%s: zip: member \"%s\": %llu bytes at offset 0x%llx are past the end",
                    in->name, m->name, (unsigned long long)m->size, (unsigned long long)off);
    if (extra < 0 || __builtin_sub_overflow(off, (uint64_t)extra + name_len, &before) ||
        before < LOCAL_HEADER)
        return fail(-EBADMSG, "%s: zip: member \"%s\": its local header is damaged", in->name, m->name);
    int r = input_read(in, before, name, name_len);
    if (r < 0)
        return r;
    if (memcmp(name, m->name, name_len) != 0)
        return fail(-EBADMSG, "%s: zip: member \"%s\" has another name at offset 0x%llx", in->name, m->name,
                    (unsigned long long)before);
    m->off = off;
    m->located = 1;
    return 0;
}

static int check_archive(struct pt_zip *z)
{
    const struct input *in = z->buffer.in;
    int r = check_names(z);
    if (r < 0)
        return r;
    if (find(z, "constants.pkl", 13))
        return fail(-EBADMSG, "%s: TorchScript archive, not read", in->name);
    struct member *order = find(z, "byteorder", 9);
    char big[3];
    if (!order || order->size != sizeof big)
        return 0;
    if ((r = locate(z, order)) == 0)
        r = input_read(in, order->off, big, sizeof big);
    return r < 0                        ? r
           : memcmp(big, "big", 3) == 0 ? fail(-EBADMSG, "%s: big-endian archive, not read", in->name)
                                        : 0;
}

void pt_zip_close(struct pt_zip *z)
{
    if (!z)
        return;
    if (z->zip)
        unzClose(z->zip);
    free(z);
}

/* The directory read, or why not; *ret is to be closed either way. */
static int open_zip(const struct input *in, struct arena *a, struct pt_zip **ret)
{
    struct pt_zip *z = *ret = calloc(1, sizeof *z);
    if (!z)
        return layout_nomem(in);
    z->buffer.in = in;
    zlib_filefunc64_def funcs = {.zopen64_file = open_input,
                                 .zread_file = read_input,
                                 .ztell64_file = tell_input,
                                 .zseek64_file = seek_input,
                                 .zclose_file = close_input,
                                 .zerror_file = error_of_input,
                                 .opaque = z};
    z->zip = unzOpen2_64("", &funcs);
    return z->zip   ? read_directory(z, a)
           : z->err ? z->err
                    : fail(-EBADMSG, "%s: zip: no central directory at the end", in->name);
}

int pt_zip_open(const struct input *in, struct arena *a, int strict, struct pt_zip **ret)
{
    struct pt_zip *z;
    int r = open_zip(in, a, &z);
    int archive = z && z->members && find_prefix(z);
    if (r == -EBADMSG && !strict && !archive)
        r = 0;
    else if (r == 0 && archive && (r = check_archive(z)) == 0)
        r = 1;
    if (r == 1)
        *ret = z;
    else
        pt_zip_close(z);
    return r;
}

int pt_zip_open_any(const struct input *in, struct arena *a, struct pt_zip **ret)
{
    struct pt_zip *z;
    int r = open_zip(in, a, &z);
    if (r == 0)
        r = check_names(z);
    if (r == 0)
        *ret = z;
    else
        pt_zip_close(z);
    return r;
}

int pt_zip_each(struct pt_zip *z, int (*each)(void *ctx, const char *name, uint64_t off, uint64_t n),
                void *ctx)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < z->n; i++) {
        struct member *m = &z->members[i];
        r = locate(z, m);
        if (r == 0)
            r = each(ctx, m->name, m->off, m->size);
    }
    return r;
}

int pt_zip_pickle(struct pt_zip *z, struct arena *a, char **ret, size_t *ret_n, uint64_t *ret_off)
{
    const struct input *in = z->buffer.in;
    struct member *m = find(z, "data.pkl", 8);
    if (!m)
        return fail(-EBADMSG, "%s: zip: no data.pkl", in->name);
    int r = locate(z, m);
    if (r < 0)
        return r;
    if (m->size > FORMAT_MAX_HEADER)
        return fail(-EBADMSG, "%s: zip: data.pkl has %llu bytes, more than %u", in->name,
                    (unsigned long long)m->size, FORMAT_MAX_HEADER);
    char *p = arena_alloc(a, (size_t)m->size);
    if (!p)
        return layout_nomem(in);
    if ((r = input_read(in, m->off, p, (size_t)m->size)) < 0)
        return r;
    *ret = p;
    *ret_n = (size_t)m->size;
    *ret_off = m->off;
    return 0;
}

int pt_zip_storage(struct pt_zip *z, const char *key, size_t key_len, uint64_t *ret_off, uint64_t *ret_len)
{
    char rest[128];
    const char *file = z->buffer.in->name;
    if (key_len > 100 || memchr(key, '/', key_len))
        return fail(-EBADMSG, "%s: pickle: storage key \"%.*s\" is no member's name", file,
                    (int)(key_len < 100 ? key_len : 100), key);
    memcpy(rest, "data/", 5);
    memcpy(rest + 5, key, key_len);
    struct member *m = find(z, rest, 5 + key_len);
    if (!m)
        return fail(-EBADMSG, "%s: storage \"%.*s\" is not in the archive", file, (int)key_len, key);
    int r = locate(z, m);
    if (r < 0)
        return r;
    *ret_off = m->off;
    *ret_len = m->size;
    return 0;
}
