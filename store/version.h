/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions and names. A version's identity is the SHA-256 of its record (manifest, parents, message, author,
 * time, lineage); its number (v1, v2, …) is the repo's own short alias, given once and never reused.
 */
#pragma once
#include "store/store.h"

struct version {
    struct digest digest;   /* of the record */
    uint32_t number;        /* vN */
    struct digest manifest; /* root page of the manifest */
    const struct digest *parents;
    size_t nparents;
    const char *author;  /* "name" as committed */
    const char *message; /* UTF-8 or not, may hold newlines */
    int64_t time_ns;     /* since 1970, of the commit */
    const char *lineage; /* JSON object (review's lineage record), "{}" when nothing is known */
    uint64_t files;      /* regular files */
    uint64_t bytes;      /* sum of their sizes */
    uint64_t bytes_new;  /* raw bytes of chunks that no earlier version had */
    uint64_t stored_new; /* bytes of their records */
    uint32_t refcount;   /* internal */
};

/* A version is immutable and shared: ref it to keep it, unref when done (NULL is fine). */
const struct version *version_ref(const struct version *v);
void version_unref(const struct version *v);

int version_get(struct store *s, const struct digest *d, const struct version **ret);
int version_by_number(struct store *s, uint32_t number, const struct version **ret);
int version_latest(struct store *s, const struct version **ret); /* -ENOENT in an empty repo */
/* Oldest first; the callback borrows v. Non-zero stops and is returned. Removed versions are left out. */
int version_each(struct store *s, int (*each)(void *ctx, const struct version *v), void *ctx);

/*
 * One name -> one version: "v3", a tag, "latest", a digest prefix of 6 or more hex digits. -ENOENT with a
 * text that lists what there is (the newest few); -EEXIST an ambiguous prefix. *ret_movable is 1 when the
 * name may come to mean another version (a tag, latest, a prefix).
 */
int version_resolve(struct store *s, const char *name, const struct version **ret, int *ret_movable);

/* Removes the alias and the record; the chunks stay until gc. -EBUSY tagged (fail_text names the tags) unless
 * force. */
int version_remove(struct store *s, const struct digest *d, int force, const char *who);

/* Tags: [A-Za-z0-9][A-Za-z0-9_+-]*(\.[A-Za-z0-9_+-]+)*, at most 64 bytes; not "latest", not like a version, a
 * set revision (E1.2), 6 or more hex digits, or a name of the map (-EINVAL says which). */
int tag_valid(const char *name);
/* d NULL removes the tag (-ENOENT when there is none). expect, when not NULL, is what it must point at now
 * (zero digest: nothing), else -EEXIST. Every move is kept. */
int tag_set(struct store *s, const char *name, const struct digest *d, const struct digest *expect,
            const char *who);
int tag_get(struct store *s, const char *name, struct digest *ret);
int tag_each(struct store *s, int (*each)(void *ctx, const char *name, const struct digest *d), void *ctx);
struct tag_move {
    const char *name;
    struct digest from, to; /* zero: none */
    const char *who;
    int64_t time_ns;
};
int tag_moves_each(struct store *s, int (*each)(void *ctx, const struct tag_move *m),
                   void *ctx); /* oldest first */
