/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and reading. An open that has to wait for a text is answered by the thread that makes it, or by the
 * reader's own signal. */
#include "fs/fuse_fs.h"
#include "store/base/fail.h"
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    ARM = 2,              /* contiguous reads before anything is read ahead */
    WINDOW_MIN = 2 << 20, /* bytes */
    WINDOW_MAX = 64 << 20,
};

/* ---- opens that wait ---- */

/* Whoever sets `answered` replies; whoever ends the text's asking frees. Nothing is touched after that. */
struct fuse_opening {
    struct content_wait wait;
    struct fuse_fs *fs;
    fuse_req_t req;
    struct fuse_handle *handle;
    struct fuse_file_info fi;
    pthread_mutex_t mutex;
    int asked, interrupted, answered; /* (mutex) */
    LIST_ENTRY(fuse_opening) all;
};

static void opening_free(struct fuse_opening *o)
{
    struct fuse_fs *fs = o->fs;
    fuse_handle_free(fs, o->handle);
    pthread_mutex_lock(&fs->mutex);
    LIST_REMOVE(o, all);
    pthread_cond_broadcast(&fs->cond);
    pthread_mutex_unlock(&fs->mutex);
    pthread_mutex_destroy(&o->mutex);
    free(o);
}

static void reply_open(struct fuse_fs *fs, fuse_req_t req, struct fuse_handle *h, struct fuse_file_info *fi)
{
    fi->fh = (uintptr_t)h;
    if (fuse_reply_open(req, fi) == -ENOENT) /* the opener is gone */
        fuse_handle_free(fs, h);
}

/* On the thread that made the text. */
static void opening_done(struct content_wait *w, int err, struct content *c)
{
    struct fuse_opening *o = (struct fuse_opening *)((char *)w - offsetof(struct fuse_opening, wait));
    pthread_mutex_lock(&o->mutex);
    int mine = !o->answered;
    o->answered = 1;
    pthread_mutex_unlock(&o->mutex);
    if (mine) {
        fuse_req_interrupt_func(o->req, NULL, NULL); /* from here on it is not being interrupted */
        if (err < 0) {
            fuse_reply_err(o->req, fuse_errno(err));
        } else {
            struct fuse_handle *h = o->handle;
            h->content = c;
            c = NULL;
            o->handle = NULL;
            reply_open(o->fs, o->req, h, &o->fi);
        }
    }
    content_close(c);
    opening_free(o);
}

/* 1: nobody else holds it any more. */
static int opening_give_up(struct fuse_opening *o)
{
    int last = 0;
    pthread_mutex_lock(&o->mutex);
    o->interrupted = 1; /* before it is asked: open_later looks */
    if (o->asked && !o->answered) {
        o->answered = 1;
        last = content_cancel(o->fs->repo, &o->wait);
        fuse_reply_err(o->req, EINTR);
    }
    pthread_mutex_unlock(&o->mutex);
    return last;
}

static void opening_interrupted(fuse_req_t req, void *data)
{
    (void)req;
    if (opening_give_up(data))
        opening_free(data);
}

void fuse_read_cancel(struct fuse_fs *fs)
{
    struct fuse_opening *o;
    pthread_mutex_lock(&fs->mutex);
    while ((o = LIST_FIRST(&fs->openings)) != NULL) {
        int last = opening_give_up(o);
        if (last) {
            pthread_mutex_unlock(&fs->mutex);
            opening_free(o);
            pthread_mutex_lock(&fs->mutex);
        } else {
            pthread_cond_wait(&fs->cond, &fs->mutex); /* it is being answered */
        }
    }
    pthread_mutex_unlock(&fs->mutex);
}

static void open_later(struct fuse_fs *fs, fuse_req_t req, struct fuse_handle *h, struct fuse_file_info *fi)
{
    struct content *c;
    struct fuse_opening *o = calloc(1, sizeof *o);
    if (!o) {
        fuse_handle_free(fs, h);
        fuse_reply_err(req, ENOMEM);
        return;
    }
    *o = (struct fuse_opening){.wait.done = opening_done, .fs = fs, .req = req, .handle = h, .fi = *fi};
    pthread_mutex_init(&o->mutex, NULL);
    pthread_mutex_lock(&fs->mutex);
    LIST_INSERT_HEAD(&fs->openings, o, all);
    pthread_mutex_unlock(&fs->mutex);
    fuse_req_interrupt_func(req, opening_interrupted, o);
    pthread_mutex_lock(&o->mutex);
    int r = content_ask(fs->repo, &h->inode->place, &o->wait, &c), last = r != 0;
    o->asked = 1;
    if (r == 0 && o->interrupted) {
        r = -EINTR;
        last = content_cancel(fs->repo, &o->wait);
    }
    o->answered = r != 0;
    pthread_mutex_unlock(&o->mutex);
    if (r == 0)
        return;
    fuse_req_interrupt_func(req, NULL, NULL);
    if (r > 0) {
        h->content = c;
        o->handle = NULL;
    }
    if (last)
        opening_free(o);
    if (r > 0)
        reply_open(fs, req, h, fi);
    else
        fuse_reply_err(req, fuse_errno(r));
}

/* ---- open ---- */

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fuse_fs *fs = fuse_req_userdata(req);
    struct fuse_inode *i = fuse_inode_get(fs, ino);
    struct fuse_handle *h = i ? fuse_handle_new(fs, i) : NULL;
    int writes = (fi->flags & O_ACCMODE) != O_RDONLY || fi->flags & O_TRUNC;
    int r = h ? 0 : i ? -ENOMEM : -ESTALE;
    if (r == 0 && (writes || i->scratch))
        r = fuse_write_open(fs, i, fi->flags, h);
    enum place_write write = r < 0 || i->scratch ? WRITE_NONE : tree_write(&i->place);
    if (r == 0 && !i->scratch && (fi->flags & O_ACCMODE) != O_WRONLY && !h->scratch) {
        if (write == WRITE_NONE && fuse_inode_is_guess(fs, i)) {
            fi->direct_io = 1;
            open_later(fs, req, h, fi);
            fuse_inode_put(fs, i);
            return;
        }
        r = content_open(fs->repo, &i->place, NULL, NULL, &h->content);
        h->renew = write == WRITE_APPEND;
    }
    if (r < 0) {
        fuse_handle_free(fs, h);
        fuse_reply_err(req, fuse_errno(r));
    } else {
        fi->direct_io = i->scratch || write != WRITE_NONE;
        fi->keep_cache = !fi->direct_io;
        reply_open(fs, req, h, fi);
    }
    fuse_inode_put(fs, i);
}

/* ---- read ---- */

/* What a reader at [off, off + n) will want next. A read that is no continuation starts over. */
static void read_ahead(struct fuse_fs *fs, struct fuse_handle *h, uint64_t off, uint64_t n)
{
    uint64_t at, from = 0, len = 0, size = content_size(h->content);
    const struct manifest_file *f = content_file(h->content, off + n, &at);
    if (!f)
        return;
    pthread_mutex_lock(&h->mutex);
    /* the kernel's own reading ahead sends requests that overtake each other a little */
    if (off == h->read_end ||
        (h->in_order >= ARM && off <= h->ahead_end && off + WINDOW_MIN >= h->read_end)) {
        h->in_order += h->in_order < ARM;
    } else {
        h->in_order = 0;
        h->window = h->ahead_end = 0;
        h->read_end = 0;
    }
    if (off + n > h->read_end)
        h->read_end = off + n;
    if (h->in_order >= ARM && h->ahead_end < size && h->read_end + h->window / 2 >= h->ahead_end) {
        h->window = h->window == 0 ? WINDOW_MIN : h->window < WINDOW_MAX ? h->window * 2 : WINDOW_MAX;
        from = h->ahead_end > h->read_end ? h->ahead_end : h->read_end;
        h->ahead_end = h->read_end + h->window < size ? h->read_end + h->window : size;
        len = h->ahead_end > from ? h->ahead_end - from : 0;
    }
    pthread_mutex_unlock(&h->mutex);
    if (len)
        file_prefetch(repo_store(fs->repo), f, at + (from - (off + n)), len);
}

/* The set of rows grows under a reader: what it reads is one state from its start to its end, and there the
 * newest when that only adds to it (tail -f); else it has ended. */
static int renew(struct fuse_fs *fs, struct fuse_handle *h, uint64_t off)
{
    struct content *c;
    uint64_t size = content_size(h->content);
    if (off != 0 && off < size)
        return 0;
    int r = content_open(fs->repo, &h->inode->place, NULL, NULL, &c);
    if (r < 0)
        return r;
    if (off == 0 || content_extends(c, h->content)) {
        content_close(h->content);
        h->content = c;
    } else {
        content_close(c);
    }
    return 0;
}

static int64_t read_renewed(struct fuse_fs *fs, struct fuse_handle *h, uint64_t off, void *p, size_t n)
{
    pthread_mutex_lock(&h->mutex);
    int64_t r = renew(fs, h, off);
    if (r == 0)
        r = content_read(h->content, off, p, n);
    pthread_mutex_unlock(&h->mutex);
    return r;
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    struct fuse_fs *fs = fuse_req_userdata(req);
    struct fuse_handle *h = fuse_handle_of(fi);
    char *p = malloc(size ? size : 1);
    int64_t n;
    (void)ino;
    if (!p) {
        n = -ENOMEM;
    } else if (h->scratch) {
        n = (int64_t)fuse_scratch_read(fs, h->scratch, (uint64_t)off, p, size);
    } else if (h->renew) {
        n = read_renewed(fs, h, (uint64_t)off, p, size);
    } else {
        n = content_read(h->content, (uint64_t)off, p, size);
        if (n > 0)
            read_ahead(fs, h, (uint64_t)off, (uint64_t)n);
    }
    if (n < 0)
        fuse_reply_err(req, fuse_errno((int)n));
    else
        fuse_reply_buf(req, p, (size_t)n);
    free(p);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fuse_fs *fs = fuse_req_userdata(req);
    struct fuse_handle *h = fuse_handle_of(fi);
    struct who who;
    (void)ino;
    if (h->write != WRITE_NONE || h->scratch) {
        fuse_write_who(req, &who);
        fuse_write_last(fs, h, &who);
    }
    fuse_handle_free(fs, h);
    fuse_reply_err(req, 0);
}

void fuse_read_ops(struct fuse_lowlevel_ops *ops)
{
    ops->open = op_open;
    ops->read = op_read;
    ops->release = op_release;
}
