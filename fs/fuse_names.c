/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that are made, moved and removed: tags, and whole files on their way through an editor's temporary
 * name. `ln -sfn` makes a link under a name of its own (CuXXXXXX) and renames it: that one is no tag.
 */
#include "fs/fuse_fs.h"
#include "store/base/fail.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static struct fuse_fs *fs_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

static enum place_write kind_of(const struct fuse_inode *dir)
{
    return dir->scratch ? WRITE_NONE : tree_write(&dir->place);
}

static int is_whole(const struct fuse_inode *dir)
{
    return kind_of(dir) == WRITE_WHOLE || kind_of(dir) == WRITE_INPUTS;
}

/* Only in a folder where names can be made; -EROFS elsewhere. */
static int folder(struct fuse_fs *fs, fuse_ino_t id, struct fuse_inode **ret)
{
    struct fuse_inode *dir = fuse_inode_get(fs, id);
    if (!dir)
        return -ESTALE;
    if (kind_of(dir) != WRITE_TAGS && !is_whole(dir)) {
        fuse_inode_put(fs, dir);
        return -EROFS;
    }
    *ret = dir;
    return 0;
}

/* A name of the map that is there and is not written as a whole. */
static int is_fixed_name(struct fuse_fs *fs, const struct fuse_inode *dir, const char *name)
{
    struct place p;
    if (tree_config_name(&dir->place, name) || tree_lookup(fs->repo, &dir->place, name, &p) < 0)
        return 0;
    place_fini(&p);
    return 1;
}

static void reply_made(fuse_req_t req, struct fuse_inode *dir, const char *name, int r)
{
    struct fuse_entry_param e;
    if (r == 0)
        r = fuse_lookup_entry(fs_of(req), dir, name, &e);
    if (r < 0)
        fuse_reply_err(req, fuse_errno(r));
    else if (fuse_reply_entry(req, &e) == -ENOENT)
        fuse_inode_forget(fs_of(req), e.ino, 1);
}

/* ---- files ---- */

static int create(struct fuse_fs *fs, struct fuse_inode *dir, const char *name, struct scratch **ret)
{
    const char *config = tree_config_name(&dir->place, name);
    if (!is_whole(dir))
        return -EPERM;
    if (is_fixed_name(fs, dir, name))
        return -EEXIST;
    int r = fuse_scratch_new(fs, kind_of(dir), name, config ? FUSE_FS_CONFIG_MAX : FUSE_FS_SCRATCH_MAX, NULL,
                             ret);
    if (r == 0)
        (*ret)->config = config;
    return r;
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    struct fuse_fs *fs = fs_of(req);
    struct fuse_inode *dir, *i;
    struct fuse_handle *h = NULL;
    struct scratch *s = NULL;
    struct fuse_entry_param e;
    (void)mode;
    int r = folder(fs, parent, &dir);
    if (r < 0) {
        fuse_reply_err(req, fuse_errno(r));
        return;
    }
    if ((r = create(fs, dir, name, &s)) == 0 && (r = fuse_lookup_entry(fs, dir, name, &e)) == 0) {
        i = fuse_inode_get(fs, e.ino);
        if (!(h = fuse_handle_new(fs, i)))
            r = -ENOMEM;
        else
            r = fuse_write_open(fs, i, fi->flags & ~O_TRUNC, h);
        fuse_inode_put(fs, i);
        if (r < 0)
            fuse_inode_forget(fs, e.ino, 1);
    }
    if (r == 0) {
        fi->fh = (uintptr_t)h;
        fi->direct_io = 1;
        if (fuse_reply_create(req, &e, fi) == -ENOENT) {
            fuse_handle_free(fs, h);
            fuse_inode_forget(fs, e.ino, 1);
        }
    } else {
        if (s)
            fuse_scratch_rename(fs, s, NULL);
        fuse_handle_free(fs, h);
        fuse_reply_err(req, fuse_errno(r));
    }
    fuse_scratch_unref(fs, s);
    fuse_inode_put(fs, dir);
}

/* The text becomes the configuration; when it is refused nothing has moved. */
static int give(struct fuse_fs *fs, const struct who *who, const char *config, struct scratch *s)
{
    struct out o = {0};
    int r = fuse_scratch_copy(fs, s, &o);
    if (r == 0)
        r = repo_config(fs->repo, who, config, o.p ? o.p : "", o.n);
    out_fini(&o);
    if (r == 0)
        fuse_scratch_hide(fs, config, 0);
    return r;
}

/* `vim` moves the old file away before it writes the new one: the old text goes along as a scratch file, and
 * stays in force until there is a new one. */
static int move_away(struct fuse_fs *fs, enum place_write dir, const char *config, const char *name)
{
    const struct text *t;
    struct scratch *s;
    int r = repo_config_text(fs->repo, config, &t);
    if (r < 0)
        return r;
    if ((r = fuse_scratch_new(fs, dir, name, FUSE_FS_CONFIG_MAX, NULL, &s)) == 0) {
        r = fuse_scratch_write(fs, s, 0, t->p, t->n);
        if (r < 0)
            fuse_scratch_rename(fs, s, NULL);
        fuse_scratch_unref(fs, s);
    }
    text_unref(t);
    if (r == 0)
        fuse_scratch_hide(fs, config, 1);
    return r;
}

static int rename_file(struct fuse_fs *fs, const struct who *who, struct fuse_inode *dir, const char *name,
                       const char *new_name)
{
    const char *config = tree_config_name(&dir->place, new_name), *old = tree_config_name(&dir->place, name);
    struct scratch *s = fuse_scratch_find(fs, kind_of(dir), name),
                   *gone = fuse_scratch_find(fs, kind_of(dir), new_name);
    int r;
    if (is_fixed_name(fs, dir, new_name) || (!s && !old))
        r = -EPERM;
    else if (s && config)
        r = give(fs, who, config, s);
    else if (s)
        r = 0;
    else
        r = config || kind_of(dir) == WRITE_INPUTS ? -EPERM : move_away(fs, kind_of(dir), old, new_name);
    if (r == 0 && gone)
        fuse_scratch_rename(fs, gone, NULL);
    if (r == 0 && s) {
        fuse_scratch_rename(fs, s, config ? NULL : new_name);
        s->config = NULL;
    }
    fuse_scratch_unref(fs, s);
    fuse_scratch_unref(fs, gone);
    return r;
}

static int unlink_file(struct fuse_fs *fs, const struct who *who, struct fuse_inode *dir, const char *name)
{
    const char *config = tree_config_name(&dir->place, name);
    struct scratch *s = fuse_scratch_find(fs, kind_of(dir), name);
    if (s) {
        fuse_scratch_rename(fs, s, NULL);
        fuse_scratch_unref(fs, s);
        return 0;
    }
    if (!config)
        return -EPERM;
    if (kind_of(dir) == WRITE_INPUTS)
        return repo_config(fs->repo, who, config, "", 0);
    fuse_scratch_hide(fs, config, 1); /* `mv` from elsewhere removes before it writes */
    return 0;
}

/* ---- tags ---- */

static int is_passing_name(const char *name)
{
    if (name[0] == '.')
        return 1;
    for (int i = 2; i < 8; i++)
        if (!name[0] || !name[1] || !isalnum((unsigned char)name[i]))
            return 0;
    return name[0] == 'C' && name[1] == 'u' && !name[8];
}

/* "../v4", "v4", "/mnt/v4", "../latest": what comes last is a version's name. */
static int tag_to(struct fuse_fs *fs, const struct who *who, const char *tag, const char *target)
{
    const char *slash = strrchr(target, '/');
    return repo_tag(fs->repo, who, tag, slash ? slash + 1 : target);
}

static int rename_tag(struct fuse_fs *fs, const struct who *who, const char *name, const char *new_name)
{
    struct scratch *s = fuse_scratch_find(fs, WRITE_TAGS, name);
    int r;
    if (s) {
        r = tag_to(fs, who, new_name, s->target);
        if (r == 0)
            fuse_scratch_rename(fs, s, NULL);
        fuse_scratch_unref(fs, s);
        return r;
    }
    r = repo_tag(fs->repo, who, new_name, name);
    return r < 0 ? r : repo_tag(fs->repo, who, name, NULL);
}

static int unlink_tag(struct fuse_fs *fs, const struct who *who, const char *name)
{
    struct scratch *s = fuse_scratch_find(fs, WRITE_TAGS, name);
    if (!s)
        return repo_tag(fs->repo, who, name, NULL);
    fuse_scratch_rename(fs, s, NULL);
    fuse_scratch_unref(fs, s);
    return 0;
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    struct fuse_fs *fs = fs_of(req);
    struct fuse_inode *dir;
    struct scratch *s;
    struct who who;
    int r = folder(fs, parent, &dir);
    if (r < 0) {
        fuse_reply_err(req, fuse_errno(r));
        return;
    }
    fuse_write_who(req, &who);
    if (kind_of(dir) != WRITE_TAGS) {
        r = -EPERM;
    } else if (!is_passing_name(name)) {
        r = tag_to(fs, &who, name, target);
    } else if ((r = fuse_scratch_new(fs, WRITE_TAGS, name, 0, target, &s)) == 0) {
        fuse_scratch_unref(fs, s);
    }
    reply_made(req, dir, name, r);
    fuse_inode_put(fs, dir);
}

/* ---- both ---- */

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fuse_fs *fs = fs_of(req);
    struct fuse_inode *dir;
    struct who who;
    int r = folder(fs, parent, &dir);
    if (r == 0) {
        fuse_write_who(req, &who);
        r = kind_of(dir) == WRITE_TAGS ? unlink_tag(fs, &who, name) : unlink_file(fs, &who, dir, name);
        fuse_inode_put(fs, dir);
    }
    fuse_reply_err(req, fuse_errno(r));
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                      const char *new_name, unsigned flags)
{
    struct fuse_fs *fs = fs_of(req);
    struct fuse_inode *dir;
    struct who who;
    int r = folder(fs, parent, &dir);
    if (r == 0) {
        fuse_write_who(req, &who);
        if (parent != new_parent)
            r = -EXDEV;
        else if (flags & ~(unsigned)RENAME_NOREPLACE) /* which the kernel has looked at */
            r = -EINVAL;
        else if (kind_of(dir) == WRITE_TAGS)
            r = rename_tag(fs, &who, name, new_name);
        else
            r = rename_file(fs, &who, dir, name, new_name);
        fuse_inode_put(fs, dir);
    }
    fuse_reply_err(req, fuse_errno(r));
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    (void)parent, (void)name, (void)mode;
    fuse_reply_err(req, EROFS);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    (void)parent, (void)name;
    fuse_reply_err(req, EROFS);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
    (void)parent, (void)name, (void)mode, (void)dev;
    fuse_reply_err(req, EROFS);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    (void)ino, (void)parent, (void)name;
    fuse_reply_err(req, EROFS);
}

void fuse_names_ops(struct fuse_lowlevel_ops *ops)
{
    ops->create = op_create;
    ops->symlink = op_symlink;
    ops->unlink = op_unlink;
    ops->rename = op_rename;
    ops->mkdir = op_mkdir;
    ops->rmdir = op_rmdir;
    ops->mknod = op_mknod;
    ops->link = op_link;
}
