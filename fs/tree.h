/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map of the mount, as one table (tree.c), and the walk over it. Knows no FUSE: `modelfs ls` and
 * `modelfs cat` use it as the mount does.
 */
#pragma once
#include "fs/repo.h"

struct node; /* a row of the table */

/* One existing place. A value: copy it with place_copy, end it with place_fini (it holds references). */
struct place {
    struct repo *repo;
    const struct node *node;
    const struct version *a, *b; /* bound by <v>, <a>..<b> */
    const struct manifest *manifest;
    const struct manifest_file *file; /* inside <v>/, tensors/<v>/ */
    uint32_t tensor;                  /* in tensors/<v>/: index into file->tensors */
    int error;                        /* <file>.error: why `node` is not there */
    char *name;            /* directory path inside <v>/, a link's name, an example's id; or NULL */
    struct digest content; /* of a generated file: the state of its inputs when it was looked up, which names
                              its text; zero where each open makes a new one */
};

enum place_kind { PLACE_DIR, PLACE_FILE, PLACE_LINK };
struct place_attr {
    enum place_kind kind;
    uint32_t mode; /* permission bits */
    uint64_t size;
    int size_is_guess; /* a slow report that is not rendered yet: the true size is known once it is open */
    int64_t mtime_ns;
    int immutable;         /* what this name means never changes: the kernel may keep it */
    int frozen;            /* of a directory: nor do the names in it */
    uint64_t ino;          /* stable: from the digests of what it is */
    struct digest content; /* names the content; equal digests are equal bytes; zero for appendable files */
};

int tree_root(struct repo *r, struct place *ret);
int tree_lookup(struct repo *r, const struct place *dir, const char *name,
                struct place *ret); /* -ENOENT, -ENOTDIR */
int tree_walk(struct repo *r, const char *path, int follow,
              struct place *ret); /* "diff/v3..v4/summary.txt" */
/* "." and ".." left out. Non-zero from each stops and is returned. */
int tree_list(struct repo *r, const struct place *dir,
              int (*each)(void *ctx, const char *name, const struct place *p), void *ctx);
int tree_attr(struct repo *r, const struct place *p, struct place_attr *ret);
/* What of tree_attr costs nothing. */
enum place_kind tree_kind(const struct place *p, uint64_t *ret_ino);
int tree_link(struct repo *r, const struct place *p, struct out *ret);

/* Reads a file's bytes from anywhere; reports are rendered. For the mount and `cat` alike. */
struct content;
int content_open(struct repo *r, const struct place *p, int (*stop)(void *ctx), void *stop_ctx,
                 struct content **ret);
/*
 * As content_open of a place whose size is a guess, without waiting: 1 with *ret when it is at hand; else 0,
 * and wait->done is called once from another thread (c is the callee's to close), unless content_cancel
 * returned 1.
 */
struct content_wait {
    void (*done)(struct content_wait *w, int err, struct content *c);
    struct text_ask ask; /* internal, as what follows */
    struct digest content;
};
int content_ask(struct repo *r, const struct place *p, struct content_wait *w, struct content **ret);
int content_cancel(struct repo *r, struct content_wait *w);
uint64_t content_size(const struct content *c);
/* The file of the store where the bytes from off on are, and where in it, for prefetching; NULL: a text. */
const struct manifest_file *content_file(const struct content *c, uint64_t off, uint64_t *ret_off);
/* Both are texts, and c begins with all of what old is. */
int content_extends(const struct content *c, const struct content *old);
int64_t content_read(struct content *c, uint64_t off, void *p, size_t n);
void content_close(struct content *c);

int place_copy(const struct place *p, struct place *ret);
void place_fini(struct place *p);
int place_equal(const struct place *p, const struct place *q); /* the same path with the same content */

/* What a writer may do here. */
enum place_write { WRITE_NONE, WRITE_APPEND, WRITE_WHOLE, WRITE_INPUTS, WRITE_TAGS };
enum place_write tree_write(const struct place *p);
const char *tree_config(const struct place *p); /* of a file written as a whole: its name for repo_config */
enum eval_lines tree_lines(const struct place *p); /* of a WRITE_APPEND file: what its lines are */
/* Of a name in a WRITE_WHOLE or WRITE_INPUTS directory that need not exist yet: its name for repo_config, or
 * NULL. */
const char *tree_config_name(const struct place *dir, const char *name);

/* For the man page, README.txt and the test that holds them together: each row in order. */
void tree_rows(void (*each)(void *ctx, const char *path, const char *doc), void *ctx);
/* The table's own rules (parents above, no two equal names, every doc non-empty): 0, or -EINVAL with fail().
 */
int tree_verify(void);

/* A path component out of free text (a tensor's name): %XX for '/', '%', control bytes and a leading '.';
 * above 200 bytes cut, then "~" and 16 hex digits of its SHA-256. */
void tree_component(struct out *o, const char *name);
