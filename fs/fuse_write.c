/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are written. Rows of the evaluation set are durable when the WRITE that brought their newline is
 * answered, and errors come from there, since shells lose those of close. A configuration is taken as a whole
 * when a writer closes it. What a FLUSH sees may be half of it, with the other half still to come from
 * another process that shares the descriptor: so nothing is lost by a refusal there.
 */
#include "fs/fuse_fs.h"
#include "store/base/canon.h"
#include "store/base/fail.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static struct fuse_fs *fs_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

void fuse_write_who(fuse_req_t req, struct who *ret)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    who_from_ids(ctx->uid, ctx->gid, ctx->pid, ret);
}

/* ---- opening ---- */

/* The writer's own copy of a configuration. */
static int open_config(struct fuse_fs *fs, struct fuse_inode *i, int flags, struct fuse_handle *h)
{
    const struct text *t;
    int r = fuse_scratch_new(fs, WRITE_WHOLE, NULL, FUSE_FS_CONFIG_MAX, NULL, &h->scratch);
    if (r < 0)
        return r;
    h->config = tree_config(&i->place);
    h->dirty = 0;
    if (flags & O_TRUNC || (r = repo_config_text(fs->repo, h->config, &t)) == -ENOENT)
        return 0;
    if (r == 0) {
        r = fuse_scratch_write(fs, h->scratch, 0, t->p, t->n);
        text_unref(t);
    }
    return r;
}

int fuse_write_open(struct fuse_fs *fs, struct fuse_inode *i, int flags, struct fuse_handle *h)
{
    h->append = (flags & O_APPEND) != 0;
    if (i->scratch) {
        if (i->scratch->target)
            return -ELOOP;
        h->scratch = fuse_scratch_ref(fs, i->scratch);
        h->config = i->scratch->config;
        return flags & O_TRUNC ? fuse_scratch_resize(fs, i->scratch, 0) : 0;
    }
    switch (tree_write(&i->place)) {
    case WRITE_APPEND:
        if (flags & O_TRUNC || !(flags & O_APPEND))
            return fail(-EPERM, "lines are appended, never written over: use >>");
        h->write = WRITE_APPEND;
        h->lines = tree_lines(&i->place);
        return 0;
    case WRITE_WHOLE:
    case WRITE_INPUTS:
        if (!tree_config(&i->place))
            return -EISDIR;
        h->write = WRITE_WHOLE;
        return open_config(fs, i, flags, h);
    case WRITE_NONE:
    case WRITE_TAGS:
        break;
    }
    return -EROFS;
}

/* ---- appended rows; all with the handle's mutex ---- */

/* n bytes of whole lines. Returns 0, or -EINVAL when none of them could be kept. */
static int append_lines(struct fuse_fs *fs, struct fuse_handle *h, const struct who *who, const char *p,
                        size_t n)
{
    struct append_result got = {0};
    int r = repo_append_rows(fs->repo, who, h->lines, p, n, &got);
    if (r < 0)
        return r;
    if (got.rejected == 0 || fs->opt.lenient)
        return 0;
    h->rejected = 1;
    return got.kept + got.merged + got.unlabelled ? 0 : fail(-EINVAL, "%s", got.first_error);
}

static int append(struct fuse_fs *fs, struct fuse_handle *h, const struct who *who, const char *p, size_t n)
{
    const char *last = memrchr(p, '\n', n);
    size_t whole = last ? (size_t)(last - p) + 1 : 0, before = h->tail.n;
    if (before + (last ? (size_t)((const char *)memchr(p, '\n', n) - p) : n) > FUSE_FS_LINE_MAX)
        return fail(-EMSGSIZE, "a line is over %d bytes", FUSE_FS_LINE_MAX);
    out_write(&h->tail, p, whole);
    int r = out_error(&h->tail);
    if (r == 0 && whole)
        r = append_lines(fs, h, who, h->tail.p, h->tail.n);
    if (r < 0 && r != -EINVAL) { /* nothing was taken: the writer may try again */
        h->tail.n = before;
        h->tail.err = 0;
        return r;
    }
    if (whole)
        out_reset(&h->tail);
    if (r == 0)
        out_write(&h->tail, p + whole, n - whole);
    return r < 0 ? r : out_error(&h->tail);
}

/* A line without its newline that is whole all the same: `printf '{…}' >> examples.jsonl`. Of words nothing
 * tells before the handle is closed for good. */
static int tail_parses(const struct out *tail)
{
    json_t *v = NULL;
    int r = canon_parse("line", tail->p, tail->n, 64, &v);
    json_decref(v);
    return r == 0;
}

static int append_flush(struct fuse_fs *fs, struct fuse_handle *h, const struct who *who)
{
    int r = 0;
    if (h->tail.n && tail_parses(&h->tail)) {
        r = append_lines(fs, h, who, h->tail.p, h->tail.n);
        if (r == 0 || r == -EINVAL)
            out_reset(&h->tail);
    }
    if (r == 0 && h->rejected)
        r = fail(-EINVAL, "a line was refused: see rejected.jsonl");
    h->rejected = 0;
    return r;
}

/* ---- whole files; with the handle's mutex ---- */

static int offer(struct fuse_fs *fs, struct fuse_handle *h, const struct who *who)
{
    struct out o = {0};
    if (!h->config || !h->dirty)
        return 0;
    int r = fuse_scratch_copy(fs, h->scratch, &o);
    if (r == 0)
        r = repo_config(fs->repo, who, h->config, o.p ? o.p : "", o.n);
    out_fini(&o);
    h->dirty = 0;
    if (r == 0)
        fuse_scratch_hide(fs, h->config, 0);
    fuse_scratch_rename(fs, h->scratch, NULL); /* its name now means what is in force, new or old */
    return r;
}

void fuse_write_last(struct fuse_fs *fs, struct fuse_handle *h, const struct who *who)
{
    pthread_mutex_lock(&h->mutex);
    if (h->tail.n) /* torn: kept among the rejected */
        append_lines(fs, h, who, h->tail.p, h->tail.n);
    if (h->scratch)
        offer(fs, h, who);
    if (h->scratch && h->config)
        fuse_scratch_rename(fs, h->scratch, NULL);
    pthread_mutex_unlock(&h->mutex);
}

/* ---- operations ---- */

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t n, off_t off,
                     struct fuse_file_info *fi)
{
    struct fuse_fs *fs = fs_of(req);
    struct fuse_handle *h = fuse_handle_of(fi);
    struct who who;
    int r = -EBADF;
    (void)ino;
    fuse_write_who(req, &who);
    pthread_mutex_lock(&h->mutex);
    if (h->write == WRITE_APPEND) {
        r = append(fs, h, &who, p, n);
    } else if (h->scratch) {
        r = fuse_scratch_write(fs, h->scratch, h->append ? UINT64_MAX : (uint64_t)off, p, n);
        h->dirty = 1;
    }
    pthread_mutex_unlock(&h->mutex);
    if (r < 0)
        fuse_reply_err(req, fuse_errno(r));
    else
        fuse_reply_write(req, n);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fuse_fs *fs = fs_of(req);
    struct fuse_handle *h = fuse_handle_of(fi);
    struct who who;
    int r = 0;
    (void)ino;
    fuse_write_who(req, &who);
    pthread_mutex_lock(&h->mutex);
    if (h->write == WRITE_APPEND)
        r = append_flush(fs, h, &who);
    else if (h->scratch)
        r = offer(fs, h, &who);
    pthread_mutex_unlock(&h->mutex);
    fuse_reply_err(req, fuse_errno(r));
}

/* Rows are durable already; a configuration is once it is offered. */
static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    (void)ino, (void)datasync, (void)fi;
    fuse_reply_err(req, 0);
}

static int set_size(struct fuse_fs *fs, struct fuse_inode *i, struct fuse_handle *h, uint64_t n)
{
    if (i->scratch)
        return fuse_scratch_resize(fs, i->scratch, n);
    if (tree_write(&i->place) == WRITE_APPEND)
        return fail(-EPERM, "lines are appended, never cut");
    if (!h || !h->scratch)
        return tree_write(&i->place) == WRITE_NONE ? -EROFS : -EPERM;
    pthread_mutex_lock(&h->mutex);
    int r = fuse_scratch_resize(fs, h->scratch, n);
    h->dirty |= n != 0; /* emptied: what is to be in it is still to come */
    pthread_mutex_unlock(&h->mutex);
    return r;
}

/* Editors give a file the mode, owner and times of the one it replaces: there is nothing to keep of that. */
static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int what, struct fuse_file_info *fi)
{
    struct fuse_fs *fs = fs_of(req);
    struct fuse_inode *i = fuse_inode_get(fs, ino);
    struct stat st;
    double timeout;
    int r = !i ? -ESTALE : i->scratch || tree_config(&i->place) ? 0 : -EROFS;
    if (i && !i->scratch && tree_write(&i->place) == WRITE_APPEND)
        r = -EPERM;
    if (r == 0 && what & FUSE_SET_ATTR_SIZE)
        r = set_size(fs, i, fi ? fuse_handle_of(fi) : NULL, (uint64_t)attr->st_size);
    if (r == 0)
        r = fuse_inode_stat(fs, i, &st, &timeout);
    if (r < 0)
        fuse_reply_err(req, fuse_errno(r));
    else
        fuse_reply_attr(req, &st, timeout);
    fuse_inode_put(fs, i);
}

void fuse_write_ops(struct fuse_lowlevel_ops *ops)
{
    ops->write = op_write;
    ops->flush = op_flush;
    ops->fsync = op_fsync;
    ops->setattr = op_setattr;
}
