/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint file as text, for git's textconv: no repo is needed. */
#include "store/base/fail.h"
#include "store/base/hash.h"
#include "store/base/out.h"
#include "store/format/format.h"
#include "tools/args.h"
#include "tools/command.h"
#include "tools/say.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 16 };

static int read_at(void *ctx, uint64_t off, void *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = pread(*(int *)ctx, (char *)p + done, n - done, (off_t)(off + done));
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return fail(k ? -errno : -EBADMSG, "%s", k ? strerror(errno) : "the file became shorter");
        done += (size_t)k;
    }
    return 0;
}

static int digest(const struct input *in, uint64_t off, uint64_t len, struct digest *ret)
{
    static char buf[PIECE];
    struct hash *h = hash_new();
    int err = h ? 0 : -ENOMEM;
    for (size_t n; err == 0 && len; off += n, len -= n) {
        n = len < PIECE ? (size_t)len : PIECE;
        if ((err = input_read(in, off, buf, n)) == 0)
            hash_update(h, buf, n);
    }
    if (err == 0)
        hash_final(h, ret);
    hash_free(h);
    return err;
}

static int by_name(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int line(const struct input *in, const struct tensor *t)
{
    struct out o = {0};
    struct digest d;
    char hex[HASH_HEX] = "-";
    int err = 0;
    if (!(t->flags & (TENSOR_EXTERNAL | TENSOR_INLINE)) && (err = digest(in, t->off, t->len, &d)) == 0)
        hash_hex(&d, hex);
    out_text(&o, t->name, strlen(t->name), 0);
    out_printf(&o, "  %s ", dtype_name(t->dtype));
    for (uint32_t i = 0; i < t->rank; i++)
        out_printf(&o, "%s%llu", i ? "x" : "", (unsigned long long)t->shape[i]);
    out_printf(&o, "%s  %.16s\n", t->rank ? "" : "1", hex);
    if (err == 0)
        fputs(out_cstr(&o), stdout);
    out_fini(&o);
    return err;
}

static int show(const char *path, int fd)
{
    struct stat st;
    struct arena a = {.limit = FORMAT_MAX_MEMORY};
    struct layout l;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return fail(-EINVAL, "not a regular file");
    struct input in = {.read = read_at, .ctx = &fd, .size = (uint64_t)st.st_size, .name = path};
    int err = format_parse(&in, &a, &l);
    if (err == 0) {
        printf("%s, %zu tensors, %llu bytes\n", format_name(l.format), l.ntensors,
               (unsigned long long)in.size);
        if (l.problem)
            printf("%s\n", l.problem);
        struct digest d;
        char hex[HASH_HEX];
        if (l.ntensors == 0 && (err = digest(&in, 0, in.size, &d)) == 0) {
            hash_hex(&d, hex);
            printf("sha256 %s\n", hex);
        }
        if (l.ntensors)
            qsort(l.tensors, l.ntensors, sizeof *l.tensors, by_name);
        for (size_t i = 0; err == 0 && i < l.ntensors; i++)
            err = line(&in, &l.tensors[i]);
    }
    arena_fini(&a);
    return err;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {ARGS_END};
    struct args a = {argc, argv, ":", longs, 0, 0};
    while (args_next(&a) != -1)
        ;
    char **op = args_operands(&a, 1, 1, NULL);
    if (!op)
        return a.bad;
    int fd = open(op[0], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int err = fd < 0 ? fail(-errno, "%s", strerror(errno)) : show(op[0], fd);
    if (fd >= 0)
        close(fd);
    return err < 0 ? say_fail(op[0], err) : SAY_DONE;
}

const struct command cmd_tensors = {
    "tensors", "FILE", "a checkpoint file as text, one tensor a line: for git's textconv", "", run};
