/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/request.h"
#include "store/base/fail.h"
#include <sys/socket.h>

int request_send(int fd, enum request_frame type, const void *p, size_t n, int flags)
{
    if (n > REQUEST_FRAME - 1)
        return -EMSGSIZE;
    uint8_t t = (uint8_t)type;
    struct iovec v[2] = {{&t, 1}, {(void *)(uintptr_t)p, n}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    if (sendmsg(fd, &m, MSG_NOSIGNAL | flags) >= 0)
        return 0;
    return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
}

int request_recv(int fd, uint8_t *buf, enum request_frame *ret_type, struct wire *ret)
{
    ssize_t n = recv(fd, buf, REQUEST_FRAME, MSG_TRUNC); /* the true length, also when it is too long */
    if (n < 0)
        return errno == ECONNRESET ? -EPIPE : -errno;
    if (n == 0) /* a frame is never empty, so this is the end; an empty packet looks the same */
        return -EPIPE;
    if ((size_t)n > REQUEST_FRAME)
        return -EPROTO;
    *ret_type = (enum request_frame)buf[0];
    *ret = wire_read(buf + 1, (size_t)n - 1);
    return 0;
}

/* A string of at most REQUEST_STRING bytes, copied. One with a NUL inside, or none at all: sets bad. */
static const char *string(struct wire *w, struct arena *a)
{
    size_t n;
    const char *p = wire_bytes(w, &n);
    char *s = NULL;
    if (!w->bad && n <= REQUEST_STRING && !memchr(p, 0, n))
        s = arena_strndup(a, p, n);
    if (!s)
        w->bad = 1;
    return s ? s : "";
}

static void put_string(struct out *o, const char *s)
{
    size_t n = s ? strlen(s) : 0;
    wire_put_bytes(o, n ? s : "", n <= REQUEST_STRING ? n : REQUEST_STRING);
}

static int done(const struct wire *w)
{
    return wire_done(w) < 0 ? fail(-EPROTO, "the other side does not speak modelfs's protocol") : 0;
}

void request_format_hello(struct out *o, uint32_t pid, const char *mountpoint)
{
    out_write(o, "modelfs", 7);
    wire_put_u32(o, REQUEST_PROTOCOL);
    wire_put_u32(o, pid);
    put_string(o, mountpoint);
}

int request_parse_hello(struct wire w, struct arena *a, uint32_t *ret_protocol, uint32_t *ret_pid,
                        const char **ret_mountpoint)
{
    const void *magic = wire_get(&w, 7);
    uint32_t protocol = wire_u32(&w);
    if (!magic || memcmp(magic, "modelfs", 7) != 0)
        w.bad = 1;
    if (!w.bad && protocol != REQUEST_PROTOCOL) { /* what follows may have any form */
        *ret_protocol = protocol;
        *ret_pid = 0;
        *ret_mountpoint = "";
        return 0;
    }
    uint32_t pid = wire_u32(&w);
    const char *mountpoint = string(&w, a);
    if (done(&w) < 0)
        return -EPROTO;
    *ret_protocol = protocol;
    *ret_pid = pid;
    *ret_mountpoint = mountpoint;
    return 0;
}

void request_format_ask(struct out *o, const struct request *q)
{
    wire_put_u8(o, (uint8_t)q->op);
    wire_put_u64(o, q->flags);
    put_string(o, q->name);
    put_string(o, q->other);
    wire_put_u64(o, q->nbody);
}

int request_parse_ask(struct wire w, struct arena *a, struct request *ret)
{
    struct request q = {.op = (enum request_op)wire_u8(&w)};
    q.flags = wire_u64(&w);
    q.name = string(&w, a);
    q.other = string(&w, a);
    uint64_t n = wire_u64(&w);
    if (done(&w) < 0)
        return -EPROTO;
    if (n > REQUEST_BODY)
        return fail(-EMSGSIZE, "%llu bytes at once are too many (at most %u)", (unsigned long long)n,
                    REQUEST_BODY);
    q.nbody = (size_t)n;
    *ret = q;
    return 0;
}

void request_format_file(struct out *o, const struct reply_file *f)
{
    wire_put_u32(o, f->mode);
    wire_put_u64(o, (uint64_t)f->mtime_ns);
    wire_put_u64(o, f->size);
    wire_put_digest(o, &f->sha256);
    put_string(o, f->path);
}

int request_parse_file(struct wire w, struct arena *a, struct reply_file *ret)
{
    struct reply_file f = {.mode = wire_u32(&w)};
    f.mtime_ns = (int64_t)wire_u64(&w);
    f.size = wire_u64(&w);
    wire_digest(&w, &f.sha256);
    f.path = string(&w, a);
    if (done(&w) < 0)
        return -EPROTO;
    *ret = f;
    return 0;
}

void request_format_error(struct out *o, int err, const char *text, const char *hint)
{
    wire_put_u32(o, (uint32_t)-err);
    put_string(o, text);
    put_string(o, hint);
}

int request_parse_error(struct wire w, struct arena *a)
{
    uint32_t code = wire_u32(&w);
    const char *text = string(&w, a), *hint = string(&w, a);
    if (done(&w) < 0)
        return -EPROTO;
    int err = code >= 1 && code < 4096 ? -(int)code : -EIO;
    fail(err, "%s", text);
    if (*hint)
        fail_hint("%s", hint);
    return err;
}

void request_format_progress(struct out *o, uint64_t n, uint64_t all, const char *what)
{
    wire_put_u64(o, n);
    wire_put_u64(o, all);
    put_string(o, what);
}

int request_parse_progress(struct wire w, struct arena *a, uint64_t *ret_done, uint64_t *ret_all,
                           const char **ret_what)
{
    uint64_t n = wire_u64(&w), all = wire_u64(&w);
    const char *what = string(&w, a);
    if (done(&w) < 0)
        return -EPROTO;
    *ret_done = n;
    *ret_all = all;
    *ret_what = what;
    return 0;
}

void request_format_commit(struct out *o, const struct commit_result *c)
{
    wire_put_digest(o, &c->digest);
    wire_put_u32(o, c->number);
    wire_put_u64(o, c->files);
    wire_put_u64(o, c->bytes);
    wire_put_u64(o, c->bytes_new);
    wire_put_u64(o, c->stored_new);
    wire_put_u8(o, c->unchanged ? 1 : 0);
}

int request_parse_commit(struct wire w, struct commit_result *ret)
{
    struct commit_result c = {0};
    wire_digest(&w, &c.digest);
    c.number = wire_u32(&w);
    c.files = wire_u64(&w);
    c.bytes = wire_u64(&w);
    c.bytes_new = wire_u64(&w);
    c.stored_new = wire_u64(&w);
    c.unchanged = wire_u8(&w);
    if (done(&w) < 0)
        return -EPROTO;
    *ret = c;
    return 0;
}

void request_format_append(struct out *o, const struct request_append *r)
{
    wire_put_u64(o, r->kept);
    wire_put_u64(o, r->merged);
    wire_put_u64(o, r->rejected);
    wire_put_u64(o, r->unlabelled);
    put_string(o, r->first_error);
}

int request_parse_append(struct wire w, struct arena *a, struct request_append *ret)
{
    struct request_append r = {.kept = wire_u64(&w)};
    r.merged = wire_u64(&w);
    r.rejected = wire_u64(&w);
    r.unlabelled = wire_u64(&w);
    r.first_error = string(&w, a);
    if (done(&w) < 0)
        return -EPROTO;
    *ret = r;
    return 0;
}

void request_format_entry(struct out *o, const struct request_entry *e)
{
    wire_put_u8(o, e->kind);
    wire_put_u32(o, e->mode);
    wire_put_u64(o, e->size);
    wire_put_u8(o, e->guess);
    wire_put_u64(o, (uint64_t)e->mtime_ns);
    put_string(o, e->name);
    put_string(o, e->link);
}

int request_parse_entry(struct wire *w, struct arena *a, struct request_entry *ret)
{
    struct request_entry e = {.kind = wire_u8(w)};
    e.mode = wire_u32(w);
    e.size = wire_u64(w);
    e.guess = wire_u8(w);
    e.mtime_ns = (int64_t)wire_u64(w);
    e.name = string(w, a);
    e.link = string(w, a);
    if (w->bad)
        return fail(-EPROTO, "the other side does not speak modelfs's protocol");
    *ret = e;
    return 0;
}
