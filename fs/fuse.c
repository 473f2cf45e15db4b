/* SPDX-License-Identifier: Apache-2.0 */
/* A mount from its beginning to its end. */
#include "fs/fuse.h"
#include "fs/fuse_fs.h"
#include "store/base/fail.h"
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 16, BACKGROUND = 64, READ_AHEAD_KB = 4096 };

int fuse_errno(int err)
{
    static const int ours[] = {EBADMSG, ENOTSUP, EIO, ENOSPC, EPROTO};
    static _Atomic time_t second;
    static atomic_uint told;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (-err != ours[i])
            continue;
        time_t now = time(NULL);
        if (atomic_exchange(&second, now) != now)
            atomic_store(&told, 0);
        if (atomic_fetch_add(&told, 1) < 10) /* a second */
            fprintf(stderr, "modelfs: %s\n", fail_describe(err));
        return err == -ENOSPC ? ENOSPC : EIO;
    }
    return -err;
}

/* ---- signals: the handler may run in any thread, and only posts ---- */

static sem_t stop_sem;
static void on_signal(int sig)
{
    (void)sig;
    sem_post(&stop_sem);
}
static void on_nudge(int sig)
{
    (void)sig;
}

struct running {
    struct fuse_fs *fs;
    const char *mnt;
    int (*ready)(void *ctx);
    void *ctx;
    pthread_t loop;   /* the thread in libfuse's loop */
    sem_t begun;      /* INIT has been answered, or there will be no mount */
    atomic_int ended; /* the loop has returned */
    int ready_result;
    dev_t dev; /* of the mount; 0 until it answered */
};

/* The kernel's own reading ahead is bounded by this more than by INIT's answer. Root only. */
static void set_read_ahead(dev_t dev)
{
    char path[64];
    snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/read_ahead_kb", major(dev), minor(dev));
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (dprintf(fd, "%d\n", READ_AHEAD_KB) < 0)
        fprintf(stderr, "modelfs: %s: %m\n", path);
    close(fd);
}

/* Waits for a signal, and then ends the loop, whose wait only ends with a signal to its very thread. */
static void *watch(void *arg)
{
    struct running *run = arg;
    struct stat st;
    while (sem_wait(&run->begun) < 0)
        ;
    if (!atomic_load(&run->ended)) {
        int err = stat(run->mnt, &st) < 0 ? -errno : 0; /* it answers */
        if (err == 0) {
            run->dev = st.st_dev;
            set_read_ahead(st.st_dev);
            run->ready_result = run->ready ? run->ready(run->ctx) : 0;
        } else {
            run->ready_result = err;
        }
        while (run->ready_result == 0 && !atomic_load(&run->ended) && sem_wait(&stop_sem) < 0)
            ;
    }
    fuse_session_exit(run->fs->session);
    while (!atomic_load(&run->ended)) {
        pthread_kill(run->loop, SIGUSR2);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return NULL;
}

/* ---- session ---- */

static struct running *current; /* set before the session begins */

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    (void)userdata;
    conn->max_background = BACKGROUND;
    conn->congestion_threshold = BACKGROUND * 3 / 4;
    conn->max_readahead = READ_AHEAD_KB << 10;
    conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
                              FUSE_CAP_WRITEBACK_CACHE);
    sem_post(&current->begun);
}

/* What is in a path is no option's end. */
static void put_escaped(struct out *o, const char *s)
{
    for (; *s; s++) {
        if (*s == ',' || *s == '\\')
            out_char(o, '\\');
        out_char(o, *s);
    }
}

static int session_new(struct fuse_fs *fs)
{
    struct fuse_lowlevel_ops ops = {.init = op_init};
    struct out opt = {0};
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    fuse_lookup_ops(&ops);
    fuse_read_ops(&ops);
    fuse_write_ops(&ops);
    fuse_names_ops(&ops);
    out_str(&opt, "subtype=modelfs,nosuid,nodev,noexec,fsname=");
    put_escaped(&opt, store_path(repo_store(fs->repo)));
    if (fs->opt.allow_other)
        out_str(&opt, ",allow_other,default_permissions");
    int err = out_error(&opt);
    if (err == 0 && (fuse_opt_add_arg(&args, "modelfs") || fuse_opt_add_arg(&args, "-o") ||
                     fuse_opt_add_arg(&args, out_cstr(&opt))))
        err = -ENOMEM;
    if (err == 0 && !(fs->session = fuse_session_new(&args, &ops, sizeof ops, fs)))
        err = -EINVAL;
    fuse_opt_free_args(&args);
    out_fini(&opt);
    return err < 0 ? fail(err, "the FUSE session could not be made") : 0;
}

static int serve(struct running *run)
{
    struct fuse_loop_config *cfg = fuse_loop_cfg_create();
    pthread_t watcher;
    if (!cfg)
        return fail(-ENOMEM, "out of memory");
    fuse_loop_cfg_set_clone_fd(cfg, 1);
    fuse_loop_cfg_set_max_threads(cfg, THREADS);
    int err = pthread_create(&watcher, NULL, watch, run);
    if (err == 0) {
        err = fuse_session_loop_mt(run->fs->session, cfg);
        atomic_store(&run->ended, 1);
        sem_post(&run->begun);
        sem_post(&stop_sem);
        pthread_join(watcher, NULL);
        err = err > 0 ? 0 : err; /* a signal's number */
        if (run->ready_result < 0)
            err = run->ready_result;
    } else {
        err = -err;
    }
    fuse_loop_cfg_destroy(cfg);
    return err;
}

/*
 * libfuse sees by its descriptor that the mount is gone already, but not while another namespace has a copy
 * of it. Then it is given one that is at its end: what is at mnt by now may be another's.
 */
static void unmount(struct running *run)
{
    int end[2];
    if (run->dev && !mount_stands(run->dev) && pipe2(end, O_CLOEXEC) == 0) {
        dup2(end[1], fuse_session_fd(run->fs->session));
        close(end[0]);
        close(end[1]);
    }
    fuse_session_unmount(run->fs->session);
}

int mount_run(struct repo *r, const char *mnt, const struct mount_options *opt, int (*ready)(void *ctx),
              void *ctx)
{
    struct fuse_fs fs = {.repo = r, .opt = *opt, .uid = geteuid(), .gid = getegid()};
    struct running run = {.fs = &fs, .mnt = mnt, .ready = ready, .ctx = ctx, .loop = pthread_self()};
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGPIPE};
    struct sigaction old[sizeof signals / sizeof *signals];
    pthread_mutex_init(&fs.mutex, NULL);
    pthread_cond_init(&fs.cond, NULL);
    sem_init(&stop_sem, 0, 0);
    sem_init(&run.begun, 0, 0);
    current = &run;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction sa = {.sa_handler = signals[i] == SIGUSR2   ? on_nudge
                                             : signals[i] == SIGPIPE ? SIG_IGN
                                                                     : on_signal};
        sigaction(signals[i], &sa, &old[i]);
    }

    int err = tree_verify();
    if (err == 0)
        err = session_new(&fs);
    if (err == 0)
        err = fuse_inode_open_table(&fs);
    if (err == 0 && fuse_session_mount(fs.session, mnt) < 0)
        err = fail(-EIO, "%s: it could not be mounted", mnt);
    else if (err == 0) {
        repo_set_mountpoint(r, mnt);
        if ((err = fuse_notify_open(&fs)) == 0)
            err = serve(&run);
        fuse_notify_close(&fs);
        fuse_read_cancel(&fs);
        unmount(&run);
    }
    if (fs.session)
        fuse_session_destroy(fs.session);
    fuse_handle_free_all(&fs);
    fuse_lookup_free_all(&fs);
    fuse_scratch_free_all(&fs);
    fuse_inode_close_table(&fs);

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &old[i], NULL);
    sem_destroy(&run.begun);
    sem_destroy(&stop_sem);
    pthread_cond_destroy(&fs.cond);
    pthread_mutex_destroy(&fs.mutex);
    return err;
}
