/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/worker.h"
#include "store/base/fail.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_LINE (64u << 20)

struct worker {
    pid_t pid;      /* of the process and of its group */
    int fd;         /* the socket, non-blocking */
    int life;       /* the pipe's end that tells it we live */
    struct out got; /* read, and not yet part of an answer */
};

/* The caller's environment, with `more` in front of what it names. The array alone is to be freed. */
static char **environment(const char *const *more)
{
    size_t n = 0, k = 0, given = 0;
    while (environ[n])
        n++;
    while (more[given])
        given++;
    char **env = calloc(n + given + 1, sizeof *env);
    for (size_t i = 0; env && i < given; i++)
        env[k++] = (char *)(uintptr_t)more[i];
    for (size_t i = 0; env && i < n; i++) {
        size_t same = 0;
        while (same < given && strncmp(environ[i], more[same], strcspn(more[same], "=") + 1) != 0)
            same++;
        if (same == given)
            env[k++] = environ[i];
    }
    return env;
}

/* A group and signals of its own: the threads here block signals, and Ctrl-C is ours to act on. */
static int spawn(const char *const *argv, char *const *env, int end, int life, pid_t *ret)
{
    posix_spawn_file_actions_t act;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&act);
    posix_spawn_file_actions_adddup2(&act, end, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&act, end, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&act, life, 3);
    posix_spawn_file_actions_addclosefrom_np(&act, 4);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    int err = posix_spawnp(ret, argv[0], &act, &attr, (char *const *)(uintptr_t)argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&act);
    return err ? fail(-err, "%s: %s", argv[0], strerror(err)) : 0;
}

int worker_start(const char *const *argv, const char *const *more, struct worker **ret)
{
    int end[2] = {-1, -1}, life[2] = {-1, -1}, err = 0;
    struct worker *w = calloc(1, sizeof *w);
    char **env = environment(more);
    if (!w || !env)
        err = fail(-ENOMEM, "out of memory");
    else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end) != 0 || pipe2(life, O_CLOEXEC) != 0 ||
             fcntl(end[0], F_SETFL, O_NONBLOCK) != 0)
        err = fail(-errno, "%s: %s", argv[0], strerror(errno));
    if (!err)
        err = spawn(argv, env, end[1], life[0], &w->pid);
    if (end[1] >= 0)
        close(end[1]);
    if (life[0] >= 0)
        close(life[0]);
    free(env);
    if (!err) {
        w->fd = end[0];
        w->life = life[1];
        *ret = w;
        return 0;
    }
    if (end[0] >= 0)
        close(end[0]);
    if (life[1] >= 0)
        close(life[1]);
    free(w);
    return err;
}

/* How it ended, given a second to do so. */
static int ended(struct worker *w)
{
    siginfo_t i = {0};
    int fd = pidfd_open(w->pid, 0);
    if (fd >= 0) {
        struct pollfd p = {fd, POLLIN, 0};
        poll(&p, 1, 1000);
        close(fd);
    }
    if (waitid(P_PID, (id_t)w->pid, &i, WEXITED | WNOHANG | WNOWAIT) != 0 || i.si_pid != w->pid)
        return fail(-EPIPE, "closed its output");
    if (i.si_code == CLD_EXITED)
        return fail(-EPIPE, "ended with status %d", i.si_status);
    return fail(-EPIPE, "was killed by signal %d (%s)", i.si_status, strsignal(i.si_status));
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Waits until the socket is ready for `events`, the caller gives up, or the time is over. */
static int wait_for(struct worker *w, short events, const struct worker_patience *p, double until)
{
    for (;;) {
        struct pollfd f = {w->fd, events, 0};
        if (p->stop && p->stop(p->ctx))
            return fail(-EINTR, "stopped");
        if (now() > until)
            return fail(-ETIMEDOUT, "took longer than %g s", p->seconds);
        int n = poll(&f, 1, 100);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return fail(-errno, "poll: %s", strerror(errno));
    }
}

static int say(struct worker *w, const char *p, size_t n, const struct worker_patience *pat, double until)
{
    while (n) {
        ssize_t k = send(w->fd, p, n, MSG_NOSIGNAL);
        if (k >= 0) {
            p += k;
            n -= (size_t)k;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return ended(w);
        int err = wait_for(w, POLLOUT, pat, until);
        if (err)
            return err;
    }
    return 0;
}

static int hear(struct worker *w, const struct worker_patience *p, double until, struct out *ret)
{
    char buf[65536];
    size_t seen = 0;
    for (;;) {
        const char *nl = w->got.n > seen ? memchr(w->got.p + seen, '\n', w->got.n - seen) : NULL;
        if (nl) {
            size_t line = (size_t)(nl - w->got.p);
            out_write(ret, w->got.p, line);
            memmove(w->got.p, nl + 1, w->got.n - line - 1);
            w->got.n -= line + 1;
            return out_error(ret);
        }
        seen = w->got.n;
        if (seen > LONGEST_LINE)
            return fail(-EMSGSIZE, "answered more than %u MiB", LONGEST_LINE >> 20);
        ssize_t n = recv(w->fd, buf, sizeof buf, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return ended(w);
        if (n > 0)
            out_write(&w->got, buf, (size_t)n);
        int err = n > 0 ? out_error(&w->got) : wait_for(w, POLLIN, p, until);
        if (err)
            return err;
    }
}

int worker_ask(struct worker *w, const char *line, size_t n, const struct worker_patience *p, struct out *ret)
{
    double until = now() + p->seconds;
    int err = line ? say(w, line, n, p, until) : 0;
    if (!err && line)
        err = say(w, "\n", 1, p, until);
    if (!err)
        err = hear(w, p, until, ret);
    if (err)
        kill(-w->pid, SIGKILL);
    return err;
}

void worker_close(struct worker *w)
{
    if (!w)
        return;
    kill(-w->pid, SIGKILL);
    while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close(w->fd);
    close(w->life);
    out_fini(&w->got);
    free(w);
}
