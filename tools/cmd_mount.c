/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon is forked before the database is opened; its parent waits until the mount answers, or until the
 * daemon has said why it does not, and ends with the exit code that the daemon sends it.
 */
#include "fs/eval/runner.h"
#include "fs/fuse.h"
#include "store/base/fail.h"
#include "store/store.h"
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/listen.h"
#include "tools/say.h"
#include "tools/stop.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_BYTES (1 << 20) /* an older log is set aside past this */

struct daemon {
    struct repo *open;
    struct listen *listen;
    const char *repo;
    char *mnt; /* absolute */
    struct mount_options opt;
    uint64_t cache; /* bytes, 0: the store's own choice */
    enum eval_mode eval;
    unsigned flags; /* enum client_flag */
    int foreground, replace_stale;
    int parent; /* pipe that takes one byte, the exit code; -1 */
    int log;    /* REPO/mount.log, or -1 */
};

/* ---- options ---- */

static int parse_size(const char *s, uint64_t *ret)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(s, &end, 10);
    const char *units = "KMGT", *u = *end ? strchr(units, *end & ~0x20) : NULL;
    unsigned shift = u ? 10 * (unsigned)(u - units + 1) : 0;
    if (errno || end == s || *s == '-' || (*end && (!u || end[1])) || n == 0 || n > UINT64_MAX >> shift)
        return -EINVAL;
    *ret = n << shift;
    return 0;
}

static int parse_mode(const char *s, enum eval_mode *ret)
{
    static const char *const names[] = {[EVAL_READ] = "read", [EVAL_AUTO] = "auto", [EVAL_OFF] = "off"};
    for (int i = 0; s && i <= EVAL_OFF; i++)
        if (strcmp(s, names[i]) == 0) {
            *ret = (enum eval_mode)i;
            return 0;
        }
    return -EINVAL;
}

/* The exit code; "a,b=c" is cut in place. */
static int parse_options(char *list, struct daemon *d)
{
    enum { ALLOW_OTHER, ALLOW_PYTHON, CACHE, EVAL, LENIENT };
    char *const names[] = {[ALLOW_OTHER] = (char *)(uintptr_t) "allow_other",
                           [ALLOW_PYTHON] = (char *)(uintptr_t) "allow_python",
                           [CACHE] = (char *)(uintptr_t) "cache",
                           [EVAL] = (char *)(uintptr_t) "eval",
                           [LENIENT] = (char *)(uintptr_t) "lenient",
                           NULL};
    while (*list) {
        char *value, *here = list;
        int o = getsubopt(&list, names, &value);
        if (o == CACHE && (!value || parse_size(value, &d->cache) < 0))
            return say_usage("-o cache=%s: not a size such as 256M", value ? value : "");
        if (o == EVAL && parse_mode(value, &d->eval) < 0)
            return say_usage("-o eval=%s: not read, auto or off", value ? value : "");
        if (o != CACHE && o != EVAL && (o < 0 || value))
            return say_usage("-o %s: no such option", here);
        d->opt.allow_other |= o == ALLOW_OTHER;
        if (o == ALLOW_PYTHON)
            runner_allow_python(RUNNER_EVERYWHERE, 1);
        d->opt.lenient |= o == LENIENT;
    }
    return SAY_DONE;
}

/* ---- the daemon ---- */

/* What the daemon has to say later goes to REPO/mount.log: beside the database, and dropped on a full disk.
 */
static int open_log(const char *repo)
{
    struct out path = {0}, old = {0};
    struct stat st;
    int fd = -1;
    out_printf(&path, "%s/mount.log", repo);
    out_printf(&old, "%s/mount.log.old", repo);
    if (!out_error(&path) && !out_error(&old)) {
        if (stat(out_cstr(&path), &st) == 0 && st.st_size > LOG_BYTES)
            rename(path.p, out_cstr(&old));
        fd = open(path.p, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
    out_fini(&path);
    out_fini(&old);
    return fd;
}

static void tell_parent(struct daemon *d, int code)
{
    uint8_t byte = (uint8_t)code;
    if (d->parent >= 0) {
        while (write(d->parent, &byte, 1) < 0 && errno == EINTR)
            ;
        close(d->parent);
    }
    d->parent = -1;
}

/* The mount answers: commands may ask, and the daemon stands alone from here on. */
static int ready(void *ctx)
{
    struct daemon *d = ctx;
    int err = listen_open(d->open, &d->listen);
    if (err < 0 || d->foreground)
        return err;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return fail(-errno, "/dev/null: %s", strerror(errno));
    setsid();
    err = chdir("/") == 0 ? 0 : -errno;
    int log = d->log >= 0 ? d->log : null;
    if (err == 0 && (dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0))
        err = -errno;
    tell_parent(d, SAY_DONE);
    if (err == 0 && dup2(log, STDERR_FILENO) < 0)
        err = -errno;
    close(null);
    return err;
}

static int serve(struct daemon *d)
{
    int err = client_own(d->repo, d->flags, &d->open);
    if (err < 0)
        return say_fail_open(d->repo, err);
    if (d->cache)
        store_set_cache(repo_store(d->open), d->cache);
    if (!d->foreground)
        d->log = open_log(store_path(repo_store(d->open)));
    if ((err = repo_evaluate(d->open, d->eval)) == 0)
        err = mount_run(d->open, d->mnt, &d->opt, ready, d);
    listen_close(d->listen);
    repo_close(d->open);
    if (d->log >= 0)
        close(d->log);
    return err < 0 ? say_fail(d->mnt, err) : SAY_DONE;
}

/* ---- its parent ---- */

static int wait_for(int from, pid_t pid)
{
    uint8_t code;
    ssize_t n;
    int status;
    while ((n = read(from, &code, 1)) < 0 && errno == EINTR)
        if (stop_asked(NULL))
            kill(pid, SIGTERM); /* Ctrl-C reaches it by itself, a kill of this process alone does not */
    if (n == 1 && code == SAY_DONE)
        return SAY_DONE;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (n == 1)
        return code;
    if (stop_asked(NULL))
        return SAY_INTERRUPTED;
    say_note(NULL, "the daemon ended before the mount answered (%s %d)",
             WIFSIGNALED(status) ? "signal" : "status",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return SAY_FAILED;
}

static int start(struct daemon *d)
{
    int end[2];
    if (d->foreground)
        return serve(d);
    if (pipe2(end, O_CLOEXEC) != 0)
        return say_fail(d->mnt, -errno);
    pid_t pid = fork();
    if (pid < 0)
        return say_fail(d->mnt, -errno);
    if (pid > 0) {
        close(end[1]);
        return wait_for(end[0], pid);
    }
    close(end[0]);
    d->parent = end[1];
    int code = serve(d);
    tell_parent(d, code);
    return code;
}

static int check(const struct daemon *d, const char *mnt)
{
    int err = mount_check(d->repo, mnt);
    if (err == -ENOTCONN && d->replace_stale && (err = mount_remove(mnt, 1)) == 0)
        err = mount_check(d->repo, mnt);
    if (err == 0)
        return SAY_DONE;
    int code = say_fail(mnt, err);
    return err == -ENOTCONN || err == -EBUSY ? SAY_BUSY : code;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {{"foreground", no_argument, NULL, 'f'},
                                          {"options", required_argument, NULL, 'o'},
                                          {"replace-stale", no_argument, NULL, 'r'},
                                          ARGS_COMMON,
                                          ARGS_END};
    struct args a = {argc, argv, ":fo:", longs, 0, 0};
    struct daemon d = {.parent = -1, .log = -1};
    int code = SAY_DONE;
    for (int o; code == SAY_DONE && (o = args_next(&a)) != -1;) {
        if (o == 'o')
            code = parse_options(optarg, &d);
        d.foreground |= o == 'f';
        d.replace_stale |= o == 'r';
    }
    char **op = code == SAY_DONE ? args_operands(&a, 2, 2, NULL) : NULL;
    if (!op)
        return code ? code : a.bad;
    d.repo = op[0];
    d.flags = a.flags;
    if ((code = check(&d, op[1])) != SAY_DONE)
        return code;
    if (!(d.mnt = realpath(op[1], NULL)))
        return say_fail(op[1], -errno);
    code = start(&d);
    free(d.mnt);
    return code;
}

const struct command cmd_mount = {
    "mount", "REPO DIR [-f] [-o OPTION,...]", "show a repo as a directory tree",
    "  -f, --foreground     stay in the foreground, errors on stderr (else in REPO/mount.log)\n"
    "  -o allow_other       other users may look in (see user_allow_other in /etc/fuse.conf)\n"
    "  -o allow_python      eval/predict.py, which is code, may run\n"
    "  -o cache=SIZE        memory for decoded data (256M)\n"
    "  -o eval=WHEN         read: predictions are made when a report is read (the default); auto: also "
    "ahead\n"
    "                       of it; off: only by modelfs eval, reports show what is known\n"
    "  -o lenient           a rejected line is no error to its writer\n"
    "  --replace-stale      first take away what a daemon that died left at DIR\n" ARGS_NO_WAIT,
    run};
