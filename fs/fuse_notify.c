/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes back what the kernel keeps for good, when it is gone after all: the names of removed versions. All
 * other names that can change are looked up each time, and no inode's bytes ever change.
 *
 * Only this thread speaks to the kernel unasked, and it holds no lock of ours while it does: the kernel takes
 * the directory's lock for it, which whoever waits for one of our answers may hold. So whoever makes a change
 * waits for this thread, unless it is answering the kernel (which never removes a version).
 */
#include "fs/fuse_fs.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fuse_notify {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    uint64_t asked, done; /* (mutex) changes so far */
    int closing;          /* (mutex) */
    pthread_t thread;
};

static void invalidate(struct fuse_fs *fs, uint64_t parent, const char *name)
{
    fuse_lowlevel_notify_inval_entry(fs->session, parent, name, strlen(name)); /* -ENOENT: it had none */
}

static void *run(void *ctx)
{
    struct fuse_fs *fs = ctx;
    struct fuse_notify *n = fs->notify;
    pthread_mutex_lock(&n->mutex);
    while (!n->closing) {
        uint64_t asked = n->asked;
        if (asked == n->done) {
            pthread_cond_wait(&n->cond, &n->mutex);
            continue;
        }
        pthread_mutex_unlock(&n->mutex);
        fuse_inode_each_gone(fs, invalidate);
        pthread_mutex_lock(&n->mutex);
        n->done = asked;
        pthread_cond_broadcast(&n->cond);
    }
    pthread_mutex_unlock(&n->mutex);
    return NULL;
}

static void changed(void *ctx, unsigned what)
{
    struct fuse_notify *n = ((struct fuse_fs *)ctx)->notify;
    if (!(what & REPO_VERSIONS))
        return;
    pthread_mutex_lock(&n->mutex);
    uint64_t mine = ++n->asked;
    pthread_cond_broadcast(&n->cond);
    while (n->done < mine && !n->closing)
        pthread_cond_wait(&n->cond, &n->mutex);
    pthread_mutex_unlock(&n->mutex);
}

int fuse_notify_open(struct fuse_fs *fs)
{
    struct fuse_notify *n = calloc(1, sizeof *n);
    if (!n)
        return fail(-ENOMEM, "out of memory");
    pthread_mutex_init(&n->mutex, NULL);
    pthread_cond_init(&n->cond, NULL);
    fs->notify = n;
    int err = pthread_create(&n->thread, NULL, run, fs);
    if (err) {
        fs->notify = NULL;
        free(n);
        return fail(-err, "no thread for notifications: %s", strerror(err));
    }
    repo_listen(fs->repo, changed, fs);
    return 0;
}

void fuse_notify_close(struct fuse_fs *fs)
{
    struct fuse_notify *n = fs->notify;
    if (!n)
        return;
    pthread_mutex_lock(&n->mutex);
    n->closing = 1;
    pthread_cond_broadcast(&n->cond);
    pthread_mutex_unlock(&n->mutex);
    repo_listen(fs->repo, NULL, NULL); /* nobody is inside changed() any more */
    pthread_join(n->thread, NULL);
    pthread_mutex_destroy(&n->mutex);
    pthread_cond_destroy(&n->cond);
    free(n);
    fs->notify = NULL;
}
