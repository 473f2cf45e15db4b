/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/client.h"
#include "store/base/canon.h"
#include "store/base/fail.h"
#include "tools/listen.h"
#include "tools/say.h"
#include "tools/stop.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct client {
    char *path;
    int fd;            /* of the daemon, or -1 */
    struct repo *repo; /* opened here, or NULL */
    int lent;          /* the repo is another client's */
    uint32_t pid;
    char *mountpoint;
    uint8_t *buf; /* REQUEST_FRAME bytes */
};

/* ---- reaching the owner ---- */

static int protocol_error(void)
{
    return fail(-EPROTO, "the process that has the repo open does not speak modelfs's protocol");
}

static int peer_is_right(int fd, int dir)
{
    struct ucred cred;
    socklen_t n = sizeof cred;
    struct stat st;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0 && fstat(dir, &st) == 0 &&
           (cred.uid == 0 || cred.uid == geteuid() || cred.uid == st.st_uid);
}

static int hello(struct client *c)
{
    struct out o = {0};
    struct arena a = {0};
    enum request_frame type = FRAME_END;
    struct wire w;
    uint32_t protocol;
    const char *mountpoint = "";
    request_format_hello(&o, (uint32_t)getpid(), "");
    int err = out_error(&o);
    if (err == 0)
        err = request_send(c->fd, FRAME_HELLO, o.p, o.n, 0);
    if (err == 0)
        err = request_recv(c->fd, c->buf, &type, &w);
    if (err == 0 && type == FRAME_ERROR)
        err = request_parse_error(w, &a);
    else if (err == 0 && type == FRAME_HELLO)
        err = request_parse_hello(w, &a, &protocol, &c->pid, &mountpoint);
    else if (err == 0)
        err = protocol_error();
    if (err == 0 && !(c->mountpoint = strdup(mountpoint)))
        err = -ENOMEM;
    out_fini(&o);
    arena_fini(&a);
    return err;
}

/* 1 connected, 0 there is no daemon, or -errno. */
static int connect_daemon(struct client *c)
{
    struct sockaddr_un at;
    int dir = open(c->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return fail(-errno, "%s: %s", c->path, errno == ENOENT ? "no store there" : strerror(errno));
    listen_address(dir, &at);
    c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    int err = 0;
    if (c->fd < 0)
        err = fail(-errno, "socket: %s", strerror(errno));
    else if (connect(c->fd, (struct sockaddr *)&at, sizeof at) == 0)
        err = peer_is_right(c->fd, dir) ? 1 : fail(-EACCES, "%s/sock belongs to another user", c->path);
    else if (errno != ENOENT && errno != ECONNREFUSED && errno != ENOTSOCK)
        err = fail(-errno, "%s/sock: %s", c->path, strerror(errno));
    close(dir);
    if (err == 1) {
        int h = hello(c);
        if (h == -EPIPE) /* it is about to end */
            err = 0;
        else if (h < 0)
            err = h;
    }
    if (err != 1 && c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
    return err;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * Tries both ways until one works. Whoever has the repo open may be a command, which ends, or become a
 * daemon, which listens: no one event tells of both, so this looks again 20 times a second.
 */
static int reach(struct client *c, unsigned flags)
{
    int64_t began = now_ms();
    int said = 0;
    for (;;) {
        int err = connect_daemon(c);
        if (err != 0)
            return err < 0 ? err : 0;
        err = repo_open(c->path, flags & CLIENT_READ_ONLY ? STORE_READ_ONLY : 0, &c->repo);
        if (err != -EBUSY || flags & CLIENT_NO_WAIT)
            return err;
        if (!said && now_ms() - began >= 1000) {
            say_note(c->path, "waiting: %s", say_without(fail_text(), c->path));
            said = 1;
        }
        nanosleep(&(struct timespec){0, 50000000}, NULL);
        if (stop_asked(NULL))
            return -EINTR;
    }
}

static struct client *new_client(const char *repo, int *ret_err)
{
    struct client *c = calloc(1, sizeof *c);
    *ret_err = -ENOMEM;
    if (!c)
        return NULL;
    c->fd = -1;
    c->path = realpath(repo, NULL);
    c->buf = malloc(REQUEST_FRAME);
    if (!c->path && errno != ENOMEM)
        *ret_err = fail(-errno, "%s: %s", repo, errno == ENOENT ? "no store there" : strerror(errno));
    if (!c->path || !c->buf) {
        client_close(c);
        return NULL;
    }
    return c;
}

int client_open(const char *repo, unsigned flags, struct client **ret)
{
    int err;
    struct client *c = new_client(repo, &err);
    if (!c)
        return err;
    if ((err = reach(c, flags)) < 0)
        client_close(c);
    else
        *ret = c;
    return err;
}

void client_close(struct client *c)
{
    if (!c)
        return;
    if (c->fd >= 0)
        close(c->fd);
    if (!c->lent)
        repo_close(c->repo);
    free(c->mountpoint);
    free(c->path);
    free(c->buf);
    free(c);
}

int client_again(const struct client *c, const char *repo, struct client **ret)
{
    if (!c->repo)
        return client_open(repo, CLIENT_NO_WAIT, ret);
    struct client *again = calloc(1, sizeof *again);
    if (!again)
        return fail(-ENOMEM, "out of memory");
    *again = (struct client){.fd = -1, .repo = c->repo, .lent = 1};
    *ret = again;
    return 0;
}

int client_own(const char *repo, unsigned flags, struct repo **ret)
{
    struct client *c;
    int err = client_open(repo, flags, &c);
    if (err < 0)
        return err;
    if (c->repo) {
        *ret = c->repo;
        c->repo = NULL;
    } else {
        err = fail(-EBUSY, "mounted at %s by process %u", *c->mountpoint ? c->mountpoint : "?", c->pid);
    }
    client_close(c);
    return err;
}

int client_daemon(const char *repo)
{
    int err;
    struct client *c = new_client(repo, &err);
    if (!c)
        return err;
    err = connect_daemon(c);
    if (err == 1)
        err = (int)c->pid;
    client_close(c);
    return err;
}

const char *client_path(const struct client *c)
{
    return c->path;
}

const char *client_mountpoint(const struct client *c)
{
    return c->mountpoint ? c->mountpoint : "";
}

/* ---- a call ---- */

static int send_request(struct client *c, const struct request *q)
{
    struct out o = {0};
    request_format_ask(&o, q);
    int err = out_error(&o);
    if (err == 0)
        err = request_send(c->fd, FRAME_ASK, o.p, o.n, 0);
    out_fini(&o);
    const char *p = q->body;
    for (size_t n = q->nbody, k; err == 0 && n; p += k, n -= k) {
        k = n < REQUEST_FRAME - 1 ? n : REQUEST_FRAME - 1;
        err = request_send(c->fd, FRAME_BODY, p, k, 0);
        if (err == -EINTR && !stop_asked(NULL)) {
            k = 0;
            err = 0;
        }
    }
    return err;
}

/* One frame of the answer. 1: there is more to come. */
static int take(struct client *c, const struct reply *to, struct out *ret)
{
    enum request_frame type;
    struct wire w;
    struct arena a = {0};
    struct reply_file file;
    uint64_t done, all;
    const char *what;
    int err = request_recv(c->fd, c->buf, &type, &w);
    if (err < 0)
        return err == -EINTR && !stop_asked(NULL) ? 1 : err;
    switch (type) {
    case FRAME_DATA:
        err = to->data ? to->data(to->ctx, w.p, wire_left(&w)) : 0;
        break;
    case FRAME_FILE:
        err = request_parse_file(w, &a, &file);
        if (err == 0 && to->file)
            err = to->file(to->ctx, &file);
        break;
    case FRAME_PROGRESS:
        err = request_parse_progress(w, &a, &done, &all, &what);
        if (err == 0 && to->progress)
            to->progress(to->ctx, done, all, what);
        break;
    case FRAME_END:
        if (ret)
            out_write(ret, w.p, wire_left(&w));
        return ret ? out_error(ret) : 0;
    case FRAME_ERROR:
        err = request_parse_error(w, &a);
        break;
    default:
        err = protocol_error();
    }
    arena_fini(&a);
    return err < 0 ? err : 1;
}

static int call_daemon(struct client *c, const struct request *q, const struct reply *to, struct out *ret)
{
    if (q->nbody > REQUEST_BODY)
        return fail(-EMSGSIZE, "%zu bytes at once are too many (at most %u)", q->nbody, REQUEST_BODY);
    int err = send_request(c, q);
    if (err == 0 || err == -EPIPE) /* what the owner said before it hung up is the better reason */
        do
            err = stop_asked(NULL) ? -EINTR : take(c, to, ret);
        while (err == 1);
    if (err == -EPIPE)
        err = fail(-EPIPE, "the process that has the repo open (%u) went away", c->pid);
    return err;
}

int client_call(struct client *c, const struct request *q, const struct reply *to, struct out *ret)
{
    static const struct reply nothing;
    struct out unwanted = {0};
    struct who who;
    if (!to)
        to = &nothing;
    fail_clear();
    if (!c->repo)
        return call_daemon(c, q, to, ret);
    struct reply here = *to;
    if (!here.stop)
        here.stop = stop_asked;
    who_self(&who);
    int err = owner_answer(c->repo, &who, q, &here, ret ? ret : &unwanted);
    out_fini(&unwanted);
    return err;
}

/* ---- the usual answers ---- */

static int to_stdout(void *ctx, const void *p, size_t n)
{
    (void)ctx;
    return fwrite(p, 1, n, stdout) == n ? 0 : fail(-errno, "stdout: %s", strerror(errno));
}

int client_print(struct client *c, const struct request *q, struct out *ret)
{
    struct reply to = {.data = to_stdout};
    return client_call(c, q, &to, ret);
}

static int to_out(void *ctx, const void *p, size_t n)
{
    out_write(ctx, p, n);
    return out_error(ctx);
}

int client_collect(struct client *c, const struct request *q, struct out *ret_data)
{
    struct reply to = {.data = to_out, .ctx = ret_data};
    return client_call(c, q, &to, NULL);
}

int client_versions(struct client *c, const char *name, unsigned flags, json_t **ret)
{
    struct out lines = {0};
    struct request q = {.op = REQUEST_VERSIONS, .name = name, .flags = flags};
    int err = client_collect(c, &q, &lines);
    json_t *all = json_array();
    const char *p = lines.p, *end = err == 0 ? p + lines.n : p;
    while (err == 0 && p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        json_t *one = NULL;
        if (!nl)
            nl = end;
        err = canon_parse("the owner's answer", p, (size_t)(nl - p), 64, &one);
        if (err == 0 && json_array_append_new(all, one) != 0)
            err = -ENOMEM;
        p = nl + 1;
    }
    out_fini(&lines);
    if (err < 0)
        json_decref(all);
    else
        *ret = all;
    return err;
}

int client_gc(struct client *c, const char *version, int dry,
              void (*progress)(void *ctx, uint64_t done, uint64_t all, const char *what), void *ctx,
              struct gc_result *ret)
{
    struct out result = {0};
    struct reply to = {.progress = progress, .ctx = ctx};
    struct request q = {.op = REQUEST_GC, .name = version, .flags = dry ? REQUEST_DRY : 0};
    int err = client_call(c, &q, &to, &result);
    struct wire w = wire_read(result.p, result.n);
    struct gc_result g = {.chunks = wire_u64(&w)};
    g.bytes = wire_u64(&w);
    g.orphans = wire_u64(&w);
    g.records = wire_u64(&w);
    g.rewritten = wire_u64(&w);
    if (err == 0 && wire_done(&w) < 0)
        err = protocol_error();
    if (err == 0)
        *ret = g;
    out_fini(&result);
    return err;
}

/* ---- for prepare_run ---- */

static int has(void *ctx, const struct digest *d, size_t n, uint64_t *ids)
{
    const size_t most = REQUEST_BODY / sizeof *d;
    struct out o = {0};
    int err = 0;
    for (size_t k; err == 0 && n; d += k, ids += k, n -= k) {
        k = n < most ? n : most;
        struct request q = {.op = REQUEST_HAS, .body = d, .nbody = k * sizeof *d};
        out_reset(&o);
        err = client_collect(ctx, &q, &o);
        struct wire w = wire_read(o.p, o.n);
        for (size_t i = 0; err == 0 && i < k; i++)
            ids[i] = wire_u64(&w);
        if (err == 0 && wire_done(&w) < 0)
            err = protocol_error();
    }
    out_fini(&o);
    return err;
}

static int reserve(void *ctx, uint64_t n, uint64_t *first)
{
    struct out o = {0};
    struct request q = {.op = REQUEST_RESERVE, .flags = n};
    int err = client_call(ctx, &q, NULL, &o);
    struct wire w = wire_read(o.p, o.n);
    uint64_t id = wire_u64(&w);
    if (err == 0 && wire_done(&w) < 0)
        err = protocol_error();
    if (err == 0)
        *first = id;
    out_fini(&o);
    return err;
}

static int bases(void *ctx, const struct digest *from, size_t n, struct out *ret)
{
    struct request q = {.op = REQUEST_BASES, .body = from, .nbody = n * sizeof *from};
    return client_collect(ctx, &q, ret);
}

static int chunks(void *ctx, const void *list, size_t nlist, struct out *ret)
{
    struct request q = {.op = REQUEST_CHUNKS, .body = list, .nbody = nlist};
    return client_collect(ctx, &q, ret);
}

struct prepare_owner client_prepare_owner(struct client *c)
{
    return (struct prepare_owner){c, has, reserve, bases, chunks};
}
