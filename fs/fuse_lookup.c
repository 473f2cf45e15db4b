/* SPDX-License-Identifier: Apache-2.0 */
/* Names and attributes: what the kernel may keep, and for how long. */
#include "fs/fuse_fs.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

static struct fuse_fs *fs_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

/* A scratch file or link by that name: it stands before what the map has. */
static int lookup_scratch(struct fuse_fs *fs, struct fuse_inode *dir, const char *name,
                          struct fuse_inode **ret)
{
    struct scratch *s = fuse_scratch_find(fs, tree_write(&dir->place), name);
    if (!s)
        return -ENOENT;
    struct place_attr attr = {.kind = s->target ? PLACE_LINK : PLACE_FILE, .ino = s->ino};
    struct place none = {0};
    int r = fuse_inode_add(fs, &none, s, &attr, 0, NULL, ret);
    if (r < 0)
        fuse_scratch_unref(fs, s);
    return r;
}

static int lookup_place(struct fuse_fs *fs, struct fuse_inode *dir, const char *name, struct fuse_inode **ret,
                        int *ret_keep)
{
    const char *config = tree_config_name(&dir->place, name);
    struct place_attr attr;
    struct place p;
    int r = -ESTALE;
    if (config && fuse_scratch_hidden(fs, config))
        return -ENOENT;
    for (int again = 0; r == -ESTALE && again < 3; again++) { /* its inputs moved between the two */
        if ((r = tree_lookup(fs->repo, &dir->place, name, &p)) == 0 &&
            (r = tree_attr(fs->repo, &p, &attr)) < 0)
            place_fini(&p);
    }
    if (r < 0)
        return r;
    *ret_keep = attr.immutable;
    r = fuse_inode_add(fs, &p, NULL, &attr, dir->id, attr.immutable && attr.kind == PLACE_DIR ? name : NULL,
                       ret);
    if (r < 0)
        place_fini(&p);
    return r;
}

int fuse_lookup_entry(struct fuse_fs *fs, struct fuse_inode *dir, const char *name,
                      struct fuse_entry_param *ret)
{
    struct fuse_inode *i;
    int keep = 0, r = -ENOENT;
    if (dir->scratch)
        return -ENOTDIR;
    if (tree_write(&dir->place) != WRITE_NONE)
        r = lookup_scratch(fs, dir, name, &i);
    if (r == -ENOENT)
        r = lookup_place(fs, dir, name, &i, &keep);
    if (r < 0)
        return r;
    struct fuse_entry_param e = {.ino = i->id, .generation = 1, .entry_timeout = keep ? FUSE_FS_DAY : 0};
    r = fuse_inode_stat(fs, i, &e.attr, &e.attr_timeout);
    if (r < 0)
        fuse_inode_forget(fs, i->id, 1);
    fuse_inode_put(fs, i);
    if (r == 0)
        *ret = e;
    return r;
}

static int is_frozen(struct fuse_fs *fs, struct fuse_inode *dir)
{
    struct place_attr a;
    return !dir->scratch && tree_attr(fs->repo, &dir->place, &a) == 0 && a.frozen;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fuse_fs *fs = fs_of(req);
    struct fuse_inode *dir = fuse_inode_get(fs, parent);
    struct fuse_entry_param e = {0};
    int r = dir ? fuse_lookup_entry(fs, dir, name, &e) : -ESTALE;
    if (r == -ENOENT && is_frozen(fs, dir)) { /* the kernel may remember that it is not there */
        e.entry_timeout = FUSE_FS_DAY;
        r = 0;
    }
    if (r < 0)
        fuse_reply_err(req, fuse_errno(r));
    else if (fuse_reply_entry(req, &e) == -ENOENT && e.ino) /* the asker is gone */
        fuse_inode_forget(fs, e.ino, 1);
    fuse_inode_put(fs, dir);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
    fuse_inode_forget(fs_of(req), ino, n);
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *v)
{
    for (size_t i = 0; i < count; i++)
        fuse_inode_forget(fs_of(req), v[i].ino, v[i].nlookup);
    fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fuse_fs *fs = fs_of(req);
    struct fuse_inode *i = fuse_inode_get(fs, ino);
    struct stat st;
    double timeout;
    (void)fi;
    int r = i ? fuse_inode_stat(fs, i, &st, &timeout) : -ESTALE;
    if (r < 0)
        fuse_reply_err(req, fuse_errno(r));
    else
        fuse_reply_attr(req, &st, timeout);
    fuse_inode_put(fs, i);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    struct fuse_fs *fs = fs_of(req);
    struct fuse_inode *i = fuse_inode_get(fs, ino);
    struct out o = {0};
    int r = !i ? -ESTALE : i->scratch && !i->scratch->target ? -EINVAL : 0;
    if (r == 0 && i->scratch)
        out_str(&o, i->scratch->target);
    else if (r == 0)
        r = tree_link(fs->repo, &i->place, &o);
    if (r == 0 && out_error(&o))
        r = -ENOMEM;
    if (r < 0)
        fuse_reply_err(req, fuse_errno(r));
    else
        fuse_reply_readlink(req, out_cstr(&o));
    out_fini(&o);
    fuse_inode_put(fs, i);
}

/* ---- directories: the names as they were when it was opened ---- */

struct fuse_dir {
    LIST_ENTRY(fuse_dir) all;
    struct fuse_inode *inode;
    struct dir_entry {
        char *name;
        mode_t type;
        uint64_t ino;
        int self; /* "." or "..": no lookup */
    } * v;
    size_t n, cap;
};

static void dir_free(struct fuse_fs *fs, struct fuse_dir *d)
{
    for (size_t i = 0; i < d->n; i++)
        free(d->v[i].name);
    free(d->v);
    pthread_mutex_lock(&fs->mutex);
    LIST_REMOVE(d, all);
    pthread_mutex_unlock(&fs->mutex);
    fuse_inode_put(fs, d->inode);
    free(d);
}

static int dir_add(struct fuse_dir *d, const char *name, mode_t type, uint64_t ino)
{
    if (d->n == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 32;
        struct dir_entry *more = reallocarray(d->v, cap, sizeof *more);
        if (!more)
            return fail(-ENOMEM, "out of memory");
        d->v = more;
        d->cap = cap;
    }
    if (!(d->v[d->n].name = strdup(name)))
        return fail(-ENOMEM, "out of memory");
    d->v[d->n].type = type;
    d->v[d->n].ino = ino;
    d->v[d->n].self = d->n < 2;
    d->n++;
    return 0;
}

struct dir_fill {
    struct fuse_fs *fs;
    struct fuse_dir *dir;
};

static int dir_each(void *ctx, const char *name, const struct place *p)
{
    struct dir_fill *f = ctx;
    const char *config = tree_config(p);
    if (config && fuse_scratch_hidden(f->fs, config))
        return 0;
    static const mode_t type[] = {[PLACE_DIR] = S_IFDIR, [PLACE_FILE] = S_IFREG, [PLACE_LINK] = S_IFLNK};
    uint64_t inode;
    enum place_kind kind = tree_kind(p, &inode);
    return dir_add(f->dir, name, type[kind], inode);
}

static int dir_scratches(struct fuse_fs *fs, struct fuse_dir *d)
{
    int r = 0;
    struct scratch *s;
    pthread_mutex_lock(&fs->mutex);
    LIST_FOREACH(s, &fs->scratches, all)
    if (r == 0 && s->dir == tree_write(&d->inode->place)) {
        size_t i = 0;
        while (i < d->n && strcmp(d->v[i].name, s->name) != 0)
            i++;
        if (i == d->n)
            r = dir_add(d, s->name, s->target ? S_IFLNK : S_IFREG, s->ino);
    }
    pthread_mutex_unlock(&fs->mutex);
    return r;
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fuse_fs *fs = fs_of(req);
    struct fuse_dir *d = calloc(1, sizeof *d);
    struct dir_fill fill = {fs, d};
    if (!d) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    pthread_mutex_lock(&fs->mutex);
    LIST_INSERT_HEAD(&fs->dirs, d, all);
    pthread_mutex_unlock(&fs->mutex);
    int r = (d->inode = fuse_inode_get(fs, ino)) ? 0 : -ESTALE;
    if (r == 0 && d->inode->scratch)
        r = -ENOTDIR;
    if (r == 0 && (r = dir_add(d, ".", S_IFDIR, ino)) == 0 && (r = dir_add(d, "..", S_IFDIR, ino)) == 0 &&
        (r = tree_list(fs->repo, &d->inode->place, dir_each, &fill)) == 0 &&
        tree_write(&d->inode->place) != WRITE_NONE)
        r = dir_scratches(fs, d);
    if (r == 0) {
        fi->fh = (uintptr_t)d;
        fi->cache_readdir = fi->keep_cache = is_frozen(fs, d->inode) ? 1 : 0;
        r = fuse_reply_open(req, fi) == -ENOENT ? 1 : 0;
        if (r == 0)
            return;
    } else {
        fuse_reply_err(req, fuse_errno(r));
    }
    dir_free(fs, d);
}

/* Where an entry's next one begins is its index + 1. */
static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    struct fuse_fs *fs = fs_of(req);
    struct fuse_dir *d = (struct fuse_dir *)(uintptr_t)fi->fh;
    char *buf = malloc(size);
    size_t n = 0;
    int r = buf ? 0 : -ENOMEM;
    (void)ino;
    for (size_t i = (size_t)off; r == 0 && i < d->n; i++) {
        struct fuse_entry_param e = {.attr = {.st_mode = d->v[i].type, .st_ino = d->v[i].ino}};
        int known = d->v[i].self;
        if (!known && (r = fuse_lookup_entry(fs, d->inode, d->v[i].name, &e)) < 0) {
            r = r == -ENOENT ? 0 : r; /* gone since */
            continue;
        }
        size_t k = fuse_add_direntry_plus(req, buf + n, size - n, d->v[i].name, &e, (off_t)i + 1);
        if (k > size - n) {
            if (!known)
                fuse_inode_forget(fs, e.ino, 1);
            break;
        }
        n += k;
    }
    if (r < 0 && n == 0)
        fuse_reply_err(req, fuse_errno(r));
    else
        fuse_reply_buf(req, buf, n);
    free(buf);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    struct fuse_dir *d = (struct fuse_dir *)(uintptr_t)fi->fh;
    char *buf = malloc(size);
    size_t n = 0;
    (void)ino;
    for (size_t i = (size_t)off; buf && i < d->n; i++) {
        struct stat st = {.st_mode = d->v[i].type, .st_ino = d->v[i].ino};
        size_t k = fuse_add_direntry(req, buf + n, size - n, d->v[i].name, &st, (off_t)i + 1);
        if (k > size - n)
            break;
        n += k;
    }
    if (!buf)
        fuse_reply_err(req, ENOMEM);
    else
        fuse_reply_buf(req, buf, n);
    free(buf);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    dir_free(fs_of(req), (struct fuse_dir *)(uintptr_t)fi->fh);
    fuse_reply_err(req, 0);
}

void fuse_lookup_free_all(struct fuse_fs *fs)
{
    for (struct fuse_dir *d; (d = LIST_FIRST(&fs->dirs)) != NULL;)
        dir_free(fs, d);
}

/* Of the file system that the repo is on: what is free there is what can still be committed. */
static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct statvfs st;
    (void)ino;
    if (statvfs(store_path(repo_store(fs_of(req)->repo)), &st) < 0) {
        fuse_reply_err(req, errno);
        return;
    }
    st.f_namemax = 255;
    fuse_reply_statfs(req, &st);
}

void fuse_lookup_ops(struct fuse_lowlevel_ops *ops)
{
    ops->lookup = op_lookup;
    ops->forget = op_forget;
    ops->forget_multi = op_forget_multi;
    ops->getattr = op_getattr;
    ops->readlink = op_readlink;
    ops->opendir = op_opendir;
    ops->readdir = op_readdir;
    ops->readdirplus = op_readdirplus;
    ops->releasedir = op_releasedir;
    ops->statfs = op_statfs;
}
