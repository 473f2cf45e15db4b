/* SPDX-License-Identifier: Apache-2.0 */
/* The inodes that the kernel knows, by number. A place's number comes from what it is; where two places would
 * have the same, the second takes the next free one. */
#include "fs/fuse_fs.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1 << 14 };

struct fuse_inodes {
    pthread_mutex_t mutex;
    struct fuse_inode root;
    struct fuse_inode *bucket[BUCKETS];
};

int fuse_inode_open_table(struct fuse_fs *fs)
{
    struct fuse_inodes *t = calloc(1, sizeof *t);
    if (!t)
        return fail(-ENOMEM, "out of memory");
    pthread_mutex_init(&t->mutex, NULL);
    t->root.id = FUSE_ROOT_ID;
    t->root.refs = 1;
    tree_root(fs->repo, &t->root.place);
    int r = tree_attr(fs->repo, &t->root.place, &t->root.attr);
    if (r < 0) {
        free(t);
        return r;
    }
    t->bucket[FUSE_ROOT_ID] = &t->root;
    fs->inodes = t;
    return 0;
}

static void inode_free(struct fuse_fs *fs, struct fuse_inode *i)
{
    place_fini(&i->place);
    fuse_scratch_unref(fs, i->scratch);
    free(i->name);
    free(i);
}

void fuse_inode_close_table(struct fuse_fs *fs)
{
    struct fuse_inodes *t = fs->inodes;
    if (!t)
        return;
    for (size_t b = 0; b < BUCKETS; b++)
        for (struct fuse_inode *i = t->bucket[b], *next; i; i = next) {
            next = i->next;
            if (i != &t->root)
                inode_free(fs, i);
        }
    place_fini(&t->root.place);
    pthread_mutex_destroy(&t->mutex);
    free(t);
    fs->inodes = NULL;
}

static struct fuse_inode *find(struct fuse_inodes *t, uint64_t id)
{
    struct fuse_inode *i = t->bucket[id % BUCKETS];
    while (i && i->id != id)
        i = i->next;
    return i;
}

static int is_same(const struct fuse_inode *i, const struct place *p, const struct scratch *s)
{
    return i->scratch == s && (s || place_equal(&i->place, p));
}

int fuse_inode_add(struct fuse_fs *fs, struct place *p, struct scratch *s, const struct place_attr *attr,
                   uint64_t parent, const char *name, struct fuse_inode **ret)
{
    struct fuse_inodes *t = fs->inodes;
    struct fuse_inode *fresh = calloc(1, sizeof *fresh), *i;
    if (!fresh || (name && !(fresh->name = strdup(name)))) {
        free(fresh);
        return fail(-ENOMEM, "out of memory");
    }
    pthread_mutex_lock(&t->mutex);
    uint64_t id = attr->ino;
    while ((i = find(t, id)) && !is_same(i, p, s))
        id = id + 1 > FUSE_ROOT_ID ? id + 1 : FUSE_ROOT_ID + 1;
    struct place unused = *p;
    struct scratch *unused_scratch = s;
    if (!i) {
        i = fresh;
        fresh = NULL;
        i->id = id;
        i->place = *p;
        i->scratch = s;
        i->attr = *attr;
        i->parent = parent;
        i->next = t->bucket[id % BUCKETS];
        t->bucket[id % BUCKETS] = i;
        unused = (struct place){0};
        unused_scratch = NULL;
    } else if (!attr->size_is_guess) {
        i->attr = *attr;
    }
    i->lookups++;
    i->refs++;
    pthread_mutex_unlock(&t->mutex);
    if (fresh) {
        free(fresh->name);
        free(fresh);
    }
    if (unused.node)
        place_fini(&unused);
    fuse_scratch_unref(fs, unused_scratch);
    *ret = i;
    return 0;
}

struct fuse_inode *fuse_inode_get(struct fuse_fs *fs, fuse_ino_t id)
{
    pthread_mutex_lock(&fs->inodes->mutex);
    struct fuse_inode *i = find(fs->inodes, id);
    if (i)
        i->refs++;
    pthread_mutex_unlock(&fs->inodes->mutex);
    return i;
}

struct fuse_inode *fuse_inode_ref(struct fuse_fs *fs, struct fuse_inode *i)
{
    pthread_mutex_lock(&fs->inodes->mutex);
    i->refs++;
    pthread_mutex_unlock(&fs->inodes->mutex);
    return i;
}

/* Gives back references of either kind. */
static void give_back(struct fuse_fs *fs, struct fuse_inode *i, uint64_t lookups, unsigned refs)
{
    struct fuse_inodes *t = fs->inodes;
    i->lookups -= lookups < i->lookups ? lookups : i->lookups;
    i->refs -= refs;
    int dead = i->lookups == 0 && i->refs == 0;
    if (dead) {
        struct fuse_inode **at = &t->bucket[i->id % BUCKETS];
        while (*at != i)
            at = &(*at)->next;
        *at = i->next;
    }
    pthread_mutex_unlock(&t->mutex);
    if (dead)
        inode_free(fs, i);
}

void fuse_inode_put(struct fuse_fs *fs, struct fuse_inode *i)
{
    if (!i)
        return;
    pthread_mutex_lock(&fs->inodes->mutex);
    give_back(fs, i, 0, 1);
}

void fuse_inode_forget(struct fuse_fs *fs, fuse_ino_t id, uint64_t n)
{
    pthread_mutex_lock(&fs->inodes->mutex);
    struct fuse_inode *i = find(fs->inodes, id);
    if (i && i->id != FUSE_ROOT_ID)
        give_back(fs, i, n, 0);
    else
        pthread_mutex_unlock(&fs->inodes->mutex);
}

static struct place_attr attr_seen(struct fuse_fs *fs, const struct fuse_inode *i)
{
    pthread_mutex_lock(&fs->inodes->mutex);
    struct place_attr a = i->attr;
    pthread_mutex_unlock(&fs->inodes->mutex);
    return a;
}

/* Bytes and attributes are what they are for good. */
static int is_fixed(const struct place_attr *a)
{
    return a->immutable || (a->kind == PLACE_FILE && !a->size_is_guess && !hash_is_zero(&a->content));
}

/* The attributes now; they are asked for again where they may have moved. */
static int attr_now(struct fuse_fs *fs, struct fuse_inode *i, struct place_attr *ret)
{
    struct place_attr a = attr_seen(fs, i), now;
    if (!is_fixed(&a)) {
        int r = tree_attr(fs->repo, &i->place, &now);
        if (r < 0 && !(r == -ESTALE && a.size_is_guess)) /* a text that was dropped: still a guess */
            return r;
        if (r == 0) {
            a = now;
            pthread_mutex_lock(&fs->inodes->mutex);
            i->attr = now;
            pthread_mutex_unlock(&fs->inodes->mutex);
        }
    }
    *ret = a;
    return 0;
}

int fuse_inode_is_guess(struct fuse_fs *fs, struct fuse_inode *i)
{
    struct place_attr a;
    return !i->scratch && attr_now(fs, i, &a) == 0 && a.size_is_guess;
}

int fuse_inode_stat(struct fuse_fs *fs, struct fuse_inode *i, struct stat *ret, double *ret_timeout)
{
    static const mode_t type[] = {[PLACE_DIR] = S_IFDIR, [PLACE_FILE] = S_IFREG, [PLACE_LINK] = S_IFLNK};
    struct place_attr a;
    struct stat st = {
        .st_ino = i->id, .st_uid = fs->uid, .st_gid = fs->gid, .st_nlink = 1, .st_blksize = 131072};
    if (i->scratch) {
        fuse_scratch_stat(fs, i->scratch, &st);
        *ret = st;
        *ret_timeout = 0;
        return 0;
    }
    int r = attr_now(fs, i, &a);
    if (r < 0)
        return r;
    st.st_mode = type[a.kind] | a.mode;
    st.st_size = (off_t)a.size;
    st.st_blocks = a.size_is_guess ? 0 : (blkcnt_t)((a.size + 511) / 512);
    st.st_mtim.tv_sec = a.mtime_ns / 1000000000;
    st.st_mtim.tv_nsec = a.mtime_ns % 1000000000;
    if (st.st_mtim.tv_nsec < 0) {
        st.st_mtim.tv_nsec += 1000000000;
        st.st_mtim.tv_sec--;
    }
    st.st_atim = st.st_ctim = st.st_mtim;
    *ret = st;
    *ret_timeout = is_fixed(&a) ? FUSE_FS_DAY : 0;
    return 0;
}

void fuse_inode_each_gone(struct fuse_fs *fs,
                          void (*each)(struct fuse_fs *fs, uint64_t parent, const char *name))
{
    struct fuse_inodes *t = fs->inodes;
    struct fuse_inode **kept = NULL;
    size_t n = 0, cap = 0;
    pthread_mutex_lock(&t->mutex);
    for (size_t b = 0; b < BUCKETS; b++)
        for (struct fuse_inode *i = t->bucket[b]; i; i = i->next) {
            if (!i->name)
                continue;
            if (n == cap) {
                struct fuse_inode **more = reallocarray(kept, cap ? cap * 2 : 64, sizeof *kept);
                if (!more)
                    continue;
                kept = more;
                cap = cap ? cap * 2 : 64;
            }
            i->refs++;
            kept[n++] = i;
        }
    pthread_mutex_unlock(&t->mutex);
    for (size_t k = 0; k < n; k++) {
        const struct version *of[] = {kept[k]->place.a, kept[k]->place.b};
        int gone = 0;
        for (int j = 0; j < 2; j++) {
            const struct version *v;
            if (!of[j])
                continue;
            if (version_by_number(repo_store(fs->repo), of[j]->number, &v) == 0)
                version_unref(v);
            else
                gone = 1;
        }
        if (gone)
            each(fs, kept[k]->parent, kept[k]->name);
        fuse_inode_put(fs, kept[k]);
    }
    free(kept);
}
