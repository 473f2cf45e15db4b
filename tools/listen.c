/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/listen.h"
#include "store/base/fail.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS 64
#define PATIENCE    30 /* seconds for what a peer has announced */
#define SWEEPS      20 /* tries, half a second apart, to remove what a peer that vanished had staged */

struct connection {
    struct listen *listen;
    pthread_t thread;
    int fd;   /* (m) -1: this slot is free */
    int over; /* (m) the thread is about to end: it waits to be joined */
    struct who who;
};

struct listen {
    struct repo *repo;
    int dir, fd;
    int wake; /* eventfd: a connection is over, or all of it shall end */
    pthread_t thread;
    pthread_mutex_t m;
    int closing, sweeps; /* (m) */
    struct connection connection[CONNECTIONS];
};

void listen_address(int dirfd, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/sock", dirfd);
}

/* ---- one connection ---- */

struct peer {
    int fd;
    struct arena arena; /* of the request at work */
    struct out frame;
};

static int send_data(void *ctx, const void *p, size_t n)
{
    struct peer *peer = ctx;
    const char *c = p;
    int err = 0;
    for (size_t k; err == 0 && n; c += k, n -= k) {
        k = n < REQUEST_FRAME - 1 ? n : REQUEST_FRAME - 1;
        err = request_send(peer->fd, FRAME_DATA, c, k, 0);
    }
    return err == -EPIPE ? -EINTR : err;
}

static int send_file(void *ctx, const struct reply_file *f)
{
    struct peer *peer = ctx;
    out_reset(&peer->frame);
    request_format_file(&peer->frame, f);
    int err = out_error(&peer->frame);
    if (err == 0)
        err = request_send(peer->fd, FRAME_FILE, peer->frame.p, peer->frame.n, 0);
    return err == -EPIPE ? -EINTR : err;
}

static void send_progress(void *ctx, uint64_t done, uint64_t all, const char *what)
{
    struct peer *peer = ctx;
    struct out o = {0}; /* its own: progress may come in the middle of anything */
    request_format_progress(&o, done, all, what);
    if (!out_error(&o))
        (void)request_send(peer->fd, FRAME_PROGRESS, o.p, o.n, MSG_DONTWAIT); /* a full socket drops it */
    out_fini(&o);
}

/* The peer has nothing to say while it waits: a readable end means that it is gone. */
static int gone(void *ctx)
{
    struct peer *peer = ctx;
    struct pollfd p = {peer->fd, POLLRDHUP, 0};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static int send_error(struct peer *peer, int err)
{
    out_reset(&peer->frame);
    request_format_error(&peer->frame, err, fail_describe(err), fail_hint_text());
    return out_error(&peer->frame) ? -ENOMEM
                                   : request_send(peer->fd, FRAME_ERROR, peer->frame.p, peer->frame.n, 0);
}

static void patience(int fd, int seconds)
{
    struct timeval t = {.tv_sec = seconds};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
}

static int greet(struct peer *peer, struct repo *r, uint8_t *buf)
{
    enum request_frame type = FRAME_END;
    struct wire w;
    uint32_t protocol, pid;
    const char *mountpoint;
    int err = request_recv(peer->fd, buf, &type, &w);
    if (err == 0 && type != FRAME_HELLO)
        err = -EPROTO;
    if (err == 0)
        err = request_parse_hello(w, &peer->arena, &protocol, &pid, &mountpoint);
    if (err < 0)
        return err;
    if (protocol != REQUEST_PROTOCOL) {
        fail(-ENOTSUP, "the process that has it mounted speaks protocol %u, this command %u",
             REQUEST_PROTOCOL, protocol);
        fail_hint("unmount it and mount it with the same modelfs");
        send_error(peer, -ENOTSUP);
        return -EPROTO;
    }
    out_reset(&peer->frame);
    request_format_hello(&peer->frame, (uint32_t)getpid(), repo_mountpoint(r));
    return out_error(&peer->frame) ? -ENOMEM
                                   : request_send(peer->fd, FRAME_HELLO, peer->frame.p, peer->frame.n, 0);
}

/* The frames that follow a request, q->nbody bytes in all, appended to body. */
static int read_body(struct peer *peer, const struct request *q, struct out *body, uint8_t *buf)
{
    while (body->n < q->nbody) {
        enum request_frame type;
        struct wire w;
        int err = request_recv(peer->fd, buf, &type, &w);
        if (err < 0)
            return err;
        if (type != FRAME_BODY || wire_left(&w) == 0 || wire_left(&w) > q->nbody - body->n)
            return -EPROTO;
        out_write(body, w.p, wire_left(&w));
        if (out_error(body))
            return -ENOMEM;
    }
    return 0;
}

/* One request, from its ASK to its END. Non-zero ends the connection. */
static int exchange(struct peer *peer, struct repo *r, const struct who *who, struct wire ask, uint8_t *buf,
                    int *staged)
{
    struct request q;
    struct out body = {0}, result = {0};
    const struct reply to = {send_data, send_file, send_progress, gone, peer};
    fail_clear();
    int err = request_parse_ask(ask, &peer->arena, &q);
    if (err == 0) {
        patience(peer->fd, PATIENCE);
        err = read_body(peer, &q, &body, buf);
        patience(peer->fd, 0);
    }
    if (err < 0) { /* what follows cannot be told from a body: no way to go on */
        send_error(peer, err);
        out_fini(&body);
        return err;
    }
    q.body = body.p;
    if (q.op == REQUEST_HAS || q.op == REQUEST_RESERVE || q.op == REQUEST_COMMIT)
        *staged = 1;
    err = owner_answer(r, who, &q, &to, &result);
    if (err >= 0 && result.n > REQUEST_FRAME - 1)
        err = fail(-EMSGSIZE, "the answer has %zu bytes", result.n);
    if (err == 0 && q.op == REQUEST_COMMIT)
        *staged = 0;
    err = err < 0 ? send_error(peer, err) : request_send(peer->fd, FRAME_END, result.p, result.n, 0);
    out_fini(&body);
    out_fini(&result);
    return err;
}

int listen_serve(struct repo *r, int fd, const struct who *who)
{
    struct peer peer = {.fd = fd};
    uint8_t *buf = malloc(REQUEST_FRAME);
    int staged = 0;
    patience(fd, PATIENCE);
    int err = buf ? greet(&peer, r, buf) : -ENOMEM;
    patience(fd, 0);
    while (err == 0) {
        enum request_frame type;
        struct wire w;
        err = request_recv(fd, buf, &type, &w);
        if (err == 0)
            err = type == FRAME_ASK ? exchange(&peer, r, who, w, buf, &staged) : -EPROTO;
        arena_fini(&peer.arena);
    }
    arena_fini(&peer.arena);
    out_fini(&peer.frame);
    free(buf);
    return staged;
}

/* ---- all of them ---- */

static void wake(struct listen *l)
{
    uint64_t one = 1;
    ssize_t n = write(l->wake, &one, sizeof one);
    (void)n; /* a full counter wakes as well */
}

static void *run_connection(void *arg)
{
    struct connection *c = arg;
    struct listen *l = c->listen;
    int staged = listen_serve(l->repo, c->fd, &c->who);
    pthread_mutex_lock(&l->m);
    shutdown(c->fd, SHUT_RDWR);
    c->over = 1;
    if (staged)
        l->sweeps = SWEEPS;
    pthread_mutex_unlock(&l->m);
    wake(l);
    return NULL;
}

/* Joins the threads that are over; all: every one, which have been told to end. */
static void reap(struct listen *l, int all)
{
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &l->connection[i];
        pthread_mutex_lock(&l->m);
        int join = c->fd >= 0 && (all || c->over);
        pthread_mutex_unlock(&l->m);
        if (!join)
            continue;
        pthread_join(c->thread, NULL);
        close(c->fd);
        pthread_mutex_lock(&l->m);
        c->fd = -1;
        pthread_mutex_unlock(&l->m);
    }
}

static int welcome(const struct listen *l, int fd, struct who *ret)
{
    struct ucred cred;
    socklen_t n = sizeof cred;
    struct stat st;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0 || fstat(l->dir, &st) != 0)
        return 0;
    who_from_ids(cred.uid, cred.gid, cred.pid, ret);
    return cred.uid == 0 || cred.uid == geteuid() || cred.uid == st.st_uid;
}

static void admit(struct listen *l, int fd)
{
    struct connection *c = NULL;
    for (size_t i = 0; i < CONNECTIONS && !c; i++)
        if (l->connection[i].fd < 0) /* only this thread fills and empties a slot */
            c = &l->connection[i];
    struct peer peer = {.fd = fd};
    struct who who;
    if (!welcome(l, fd, &who)) {
        send_error(&peer, fail(-EACCES, "the repo is private to another user"));
    } else if (!c) {
        send_error(&peer, fail(-EAGAIN, "more than %d commands at once", CONNECTIONS));
    } else {
        c->who = who;
        c->over = 0;
        pthread_mutex_lock(&l->m);
        c->fd = fd;
        pthread_mutex_unlock(&l->m);
        if (pthread_create(&c->thread, NULL, run_connection, c) == 0)
            return;
        pthread_mutex_lock(&l->m);
        c->fd = -1;
        pthread_mutex_unlock(&l->m);
    }
    out_fini(&peer.frame);
    close(fd);
}

static void *run(void *arg)
{
    struct listen *l = arg;
    for (;;) {
        struct pollfd p[2] = {{l->fd, POLLIN, 0}, {l->wake, POLLIN, 0}};
        uint64_t n;
        pthread_mutex_lock(&l->m);
        int closing = l->closing, sweep = l->sweeps > 0 ? l->sweeps-- : 0;
        pthread_mutex_unlock(&l->m);
        if (closing)
            return NULL;
        if (sweep)
            prepare_sweep(store_path(repo_store(l->repo)));
        /* its process may take a moment to end, so the sweep comes again */
        if (poll(p, 2, sweep ? 500 : -1) < 0)
            continue;
        if (p[1].revents && read(l->wake, &n, sizeof n) < 0)
            continue;
        reap(l, 0);
        if (p[0].revents) {
            int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0)
                admit(l, fd);
        }
    }
}

static int bind_socket(struct listen *l)
{
    struct sockaddr_un at;
    const char *repo = store_path(repo_store(l->repo));
    l->dir = open(repo, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (l->dir < 0)
        return fail(-errno, "%s: %s", repo, strerror(errno));
    listen_address(l->dir, &at);
    if (unlinkat(l->dir, "sock", 0) != 0 && errno != ENOENT)
        return fail(-errno, "%s/sock: %s", repo, strerror(errno));
    l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || fchmod(l->fd, 0600) != 0 || /* what bind gives the file, less the umask */
        bind(l->fd, (struct sockaddr *)&at, sizeof at) != 0 || fchmodat(l->dir, "sock", 0600, 0) != 0 ||
        listen(l->fd, CONNECTIONS) != 0)
        return fail(-errno, "%s/sock: %s", repo, strerror(errno));
    return 0;
}

static int start(struct listen *l)
{
    sigset_t all, old; /* signals are for the thread that serves the mount */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&l->thread, NULL, run, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return err ? fail(-err, "cannot start a thread: %s", strerror(err)) : 0;
}

static void release(struct listen *l)
{
    if (l->fd >= 0)
        close(l->fd);
    if (l->dir >= 0)
        close(l->dir);
    if (l->wake >= 0)
        close(l->wake);
    pthread_mutex_destroy(&l->m);
    free(l);
}

int listen_open(struct repo *r, struct listen **ret)
{
    struct listen *l = calloc(1, sizeof *l);
    if (!l)
        return fail(-ENOMEM, "out of memory");
    l->repo = r;
    l->fd = l->dir = -1;
    pthread_mutex_init(&l->m, NULL);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        l->connection[i].listen = l;
        l->connection[i].fd = -1;
    }
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int err = l->wake < 0 ? fail(-errno, "eventfd: %s", strerror(errno)) : bind_socket(l);
    if (err == 0)
        err = start(l);
    if (err < 0) {
        release(l);
        return err;
    }
    *ret = l;
    return 0;
}

void listen_close(struct listen *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->m);
    l->closing = 1;
    pthread_mutex_unlock(&l->m);
    wake(l);
    pthread_join(l->thread, NULL);
    unlinkat(l->dir, "sock", 0);
    pthread_mutex_lock(&l->m);
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (l->connection[i].fd >= 0)
            shutdown(l->connection[i].fd, SHUT_RDWR); /* gone() is true, waits end */
    pthread_mutex_unlock(&l->m);
    reap(l, 1);
    release(l);
}
