/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that speak FUSE share: the served repo, its inodes, its handles, its scratch files.
 *
 * Every inode's bytes are immutable, but for the files that are appended to or written: those are never
 * cached by the kernel. The name of a generated file is looked up each time; what it leads to is kept.
 */
#pragma once
#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 12)
#include "fs/fuse.h"
#include "fs/tree.h"
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <sys/queue.h>

#define FUSE_FS_DAY 86400.0 /* seconds the kernel may keep what never changes */

enum {
    FUSE_FS_SCRATCH = 16,          /* scratch files and links at once */
    FUSE_FS_SCRATCH_MAX = 4 << 20, /* bytes of one that is not a configuration's name */
    FUSE_FS_CONFIG_MAX = 64 << 20,
    FUSE_FS_LINE_MAX = 4 << 20, /* bytes of a line whose newline has not come */
};

struct fuse_inodes;
struct fuse_notify;
struct scratch;
struct fuse_fs {
    struct repo *repo;
    struct fuse_session *session;
    struct mount_options opt;
    uid_t uid;
    gid_t gid;
    struct fuse_inodes *inodes;
    struct fuse_notify *notify;

    pthread_mutex_t mutex; /* (m) */
    pthread_cond_t cond;
    LIST_HEAD(, fuse_opening) openings; /* (m) opens that wait for a text */
    LIST_HEAD(, scratch) scratches;     /* (m) those with a name */
    unsigned nscratches;                /* (m) with or without a name */
    LIST_HEAD(, fuse_hidden) hidden;    /* (m) */
    LIST_HEAD(, fuse_handle) handles;   /* (m) open files */
    LIST_HEAD(, fuse_dir) dirs;         /* (m) open directories */
};

struct fuse_hidden { /* a configuration whose name was removed or moved away, and not given again */
    const char *config;
    LIST_ENTRY(fuse_hidden) all;
};

/* ---- fuse_inode.c ---- */
struct fuse_inode {
    uint64_t id; /* the kernel's name for it; the root is 1 */
    struct place place;
    struct scratch *scratch; /* a scratch file or link: then place is its directory's */
    struct place_attr attr;  /* (inodes) as seen last */
    uint64_t parent;         /* of a directory whose name the kernel keeps: where it is */
    char *name;              /*   and how it is called; else NULL */
    uint64_t lookups;        /* (inodes) the kernel's references */
    unsigned refs;           /* (inodes) ours */
    struct fuse_inode *next; /* (inodes) in its bucket */
};
int fuse_inode_open_table(struct fuse_fs *fs);
void fuse_inode_close_table(struct fuse_fs *fs);
/* The inode of a place, new or known, counted as one lookup and one reference. Takes p and s on success. */
int fuse_inode_add(struct fuse_fs *fs, struct place *p, struct scratch *s, const struct place_attr *attr,
                   uint64_t parent, const char *name, struct fuse_inode **ret);
struct fuse_inode *fuse_inode_get(struct fuse_fs *fs,
                                  fuse_ino_t id); /* NULL: never for what the kernel knows */
struct fuse_inode *fuse_inode_ref(struct fuse_fs *fs, struct fuse_inode *i);
void fuse_inode_put(struct fuse_fs *fs, struct fuse_inode *i);
void fuse_inode_forget(struct fuse_fs *fs, fuse_ino_t id, uint64_t n);
/* What stat says now, and for how many seconds. */
int fuse_inode_stat(struct fuse_fs *fs, struct fuse_inode *i, struct stat *ret, double *ret_timeout);
int fuse_inode_is_guess(struct fuse_fs *fs, struct fuse_inode *i);
/* Directories whose version is gone, as the kernel has them: calls each with the inode held. */
void fuse_inode_each_gone(struct fuse_fs *fs,
                          void (*each)(struct fuse_fs *fs, uint64_t parent, const char *name));

/* ---- fuse_lookup.c ---- */
/* Looks a name up and counts it as a lookup; -ENOENT. */
int fuse_lookup_entry(struct fuse_fs *fs, struct fuse_inode *dir, const char *name,
                      struct fuse_entry_param *ret);
void fuse_lookup_ops(struct fuse_lowlevel_ops *ops);
void fuse_lookup_free_all(struct fuse_fs *fs); /* directories that are open still */

/* ---- fuse_handle.c: open files ---- */
struct fuse_handle {
    LIST_ENTRY(fuse_handle) all;
    struct fuse_inode *inode;
    pthread_mutex_t mutex;   /* (h) */
    struct content *content; /* (h) what is read; NULL: nothing, or the scratch file */
    int renew;               /* content is looked at anew at its start and at its end */
    /* reading ahead, (h) */
    uint64_t read_end, ahead_end, window;
    unsigned in_order;
    /* appending, (h) */
    enum place_write write;
    enum eval_lines lines;
    struct out tail; /* a line whose newline has not come */
    int rejected;    /* a line was: the next flush says so */
    /* writing a whole file, (h) */
    struct scratch *scratch; /* its bytes */
    const char *config;      /* its name for repo_config; NULL: a scratch file */
    int append;              /* O_APPEND: at the end, wherever the kernel believes that is */
    int dirty;               /* written to since it was last offered */
};
struct fuse_handle *fuse_handle_new(struct fuse_fs *fs, struct fuse_inode *i); /* NULL: out of memory */
void fuse_handle_free(struct fuse_fs *fs, struct fuse_handle *h);
void fuse_handle_free_all(struct fuse_fs *fs); /* what is open still when the mount is taken away */
static inline struct fuse_handle *fuse_handle_of(const struct fuse_file_info *fi)
{
    return (struct fuse_handle *)(uintptr_t)fi->fh;
}

/* ---- fuse_read.c ---- */
void fuse_read_ops(struct fuse_lowlevel_ops *ops);
/* Answers opens that still wait with EINTR; on return none is being answered. */
void fuse_read_cancel(struct fuse_fs *fs);

/* ---- fuse_write.c: appended and written files; fuse_names.c: names made, moved and removed ---- */
int fuse_write_open(struct fuse_fs *fs, struct fuse_inode *i, int flags, struct fuse_handle *h);
void fuse_write_ops(struct fuse_lowlevel_ops *ops);
void fuse_names_ops(struct fuse_lowlevel_ops *ops);
/* What a closing writer leaves behind: a torn line, a text not offered yet. */
void fuse_write_last(struct fuse_fs *fs, struct fuse_handle *h, const struct who *w);
void fuse_write_who(fuse_req_t req, struct who *ret);

/* ---- fuse_scratch.c: files and links that are on their way to a name of the map ---- */
struct scratch {
    char *name;           /* (m) NULL: it has none (any more) */
    enum place_write dir; /* where: WRITE_WHOLE is eval/, WRITE_INPUTS eval/inputs/, WRITE_TAGS tags/ */
    uint64_t ino;
    unsigned refs;      /* (m) */
    char *target;       /* of a link; else NULL */
    const char *config; /* made under the name of this configuration: becomes it when closed; else NULL */
    size_t max;         /* bytes it may have */
    struct out data;    /* (m) */
    int64_t mtime_ns;   /* (m) */
    LIST_ENTRY(scratch) all;
};
/* name NULL: none. -ENOSPC: too many. Takes nothing; the caller has a reference. */
int fuse_scratch_new(struct fuse_fs *fs, enum place_write dir, const char *name, size_t max,
                     const char *target, struct scratch **ret);
struct scratch *fuse_scratch_find(struct fuse_fs *fs, enum place_write dir,
                                  const char *name); /* a reference */
struct scratch *fuse_scratch_ref(struct fuse_fs *fs, struct scratch *s);
void fuse_scratch_unref(struct fuse_fs *fs, struct scratch *s);
void fuse_scratch_rename(struct fuse_fs *fs, struct scratch *s,
                         const char *name); /* NULL: it loses its name */
int fuse_scratch_write(struct fuse_fs *fs, struct scratch *s, uint64_t off, const void *p, size_t n);
int fuse_scratch_resize(struct fuse_fs *fs, struct scratch *s, uint64_t n);
size_t fuse_scratch_read(struct fuse_fs *fs, struct scratch *s, uint64_t off, void *p, size_t n);
int fuse_scratch_copy(struct fuse_fs *fs, struct scratch *s, struct out *ret);
void fuse_scratch_stat(struct fuse_fs *fs, struct scratch *s, struct stat *ret);
void fuse_scratch_hide(struct fuse_fs *fs, const char *config, int hide);
void fuse_scratch_free_all(struct fuse_fs *fs);
int fuse_scratch_hidden(struct fuse_fs *fs, const char *config);

/* ---- fuse_notify.c ---- */
int fuse_notify_open(struct fuse_fs *fs);
void fuse_notify_close(struct fuse_fs *fs);

/* ---- fuse.c ---- */
/* The errno that a caller gets, positive. What is ours alone (a damaged store, an unreadable format) is EIO
 * and is told in the log. */
int fuse_errno(int err);
