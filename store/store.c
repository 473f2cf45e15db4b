/* SPDX-License-Identifier: Apache-2.0 */
/* Making, opening and closing a repo. */
#include "store/store.h"
#include "store/base/fail.h"
#include "store/chunk.h"
#include "store/manifests.h"
#include "store/prepare.h"
#include "store/read.h"
#include "store/tail.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int get_meta(struct db *db, const char *key, struct db_value *v, struct wire *ret)
{
    int r = db_get(db, DB_META, key, strlen(key), v);
    if (r == -ENOENT)
        return fail(-EBADMSG, "the store's \"%s\" record is missing", key);
    if (r < 0)
        return r;
    *ret = wire_read(v->p, v->n);
    uint8_t version = wire_u8(ret);
    if (version == 1)
        return 0;
    db_value_free(v);
    return fail(-ENOTSUP, "the store's \"%s\" record is of a newer modelfs", key);
}

static int check_features(struct store *s)
{
    struct db_value v;
    struct wire w;
    int r = get_meta(s->db, "features", &v, &w);
    if (r < 0)
        return r;
    s->state.incompat = wire_u64(&w);
    uint64_t incompat = s->state.incompat & ~CORE_INCOMPAT, ro = wire_u64(&w) & ~CORE_ROCOMPAT;
    wire_u64(&w);
    if (w.bad)
        r = fail(-EBADMSG, "the store's feature record is too short");
    else if (incompat || (ro && !s->readonly))
        r = fail(-ENOTSUP, "%s: made by a newer modelfs (features %#llx, %#llx)", s->path,
                 (unsigned long long)incompat, (unsigned long long)ro);
    db_value_free(&v);
    return r;
}

static int check_id(struct store *s)
{
    struct db_value v;
    struct wire w;
    int r = get_meta(s->db, "id", &v, &w);
    if (r < 0)
        return r;
    wire_digest(&w, &s->id);
    if (w.bad || !hash_equal(&s->id, &s->anchor.store_id))
        r = fail(-EBADMSG, "%s: damaged: database and anchor belong to different stores", s->path);
    db_value_free(&v);
    return r;
}

static int event_at(struct store *s, uint64_t seq, struct digest *ret)
{
    struct key k = key_id(seq);
    struct db_value v;
    struct event e;
    struct digest prev;
    int r = db_get(s->db, DB_EVENTS, k.b, k.n, &v);
    if (r < 0)
        return r;
    r = record_event_parse(seq, v.p, v.n, &e, &prev);
    if (r == 0)
        *ret = e.hash;
    db_value_free(&v);
    return r;
}

/* Where history stands in the database, against what the anchor promises. */
static int check_history(struct store *s)
{
    uint8_t last[8];
    struct digest hash = {{0}};
    int r = db_last(s->db, DB_EVENTS, NULL, 0, last, sizeof last);
    if (r < 0)
        return r;
    uint64_t seq = r ? key_parse_id(last) : 0;
    if (seq < s->anchor.seq)
        return fail(-EBADMSG, "%s: damaged: %llu events promised, %llu found", s->path,
                    (unsigned long long)s->anchor.seq, (unsigned long long)seq);
    r = event_at(s, s->anchor.seq, &hash);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r < 0 || !hash_equal(&hash, &s->anchor.hash))
        return fail(-EBADMSG, "%s: damaged: event %llu is not the one that was acknowledged", s->path,
                    (unsigned long long)s->anchor.seq);
    s->state.event_seq = seq;
    return event_at(s, seq, &s->state.event_hash);
}

/* The chunk that came last by a table file must be there: a MANIFEST that lost its tail would have lost it.
 */
static int check_chunks(struct store *s)
{
    struct db_value v;
    struct wire w;
    int r = get_meta(s->db, "ids", &v, &w);
    if (r < 0)
        return r;
    s->next_id = wire_u64(&w);
    s->state.newest_chunk = wire_u64(&w);
    if (w.bad)
        r = fail(-EBADMSG, "the store's id record is too short");
    db_value_free(&v);
    if (r < 0)
        return r;
    if (!s->state.newest_chunk)
        return 0;
    struct key k = key_id(s->state.newest_chunk);
    r = db_has(s->db, DB_CHUNKS, k.b, k.n);
    if (r == 0)
        return fail(-EBADMSG, "%s: damaged: the newest chunks are missing", s->path);
    return r == 1 || r == -EBADMSG ? 0
                                   : r; /* there, though its bytes may be damaged: its readers will tell */
}

/* Absent until predictions are kept. */
static int read_known(struct store *s)
{
    struct db_value v;
    int r = db_get(s->db, DB_META, "known", 5, &v);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    struct wire w = wire_read(v.p, v.n);
    int version = wire_u8(&w);
    s->known = wire_u64(&w);
    db_value_free(&v);
    return w.bad || version != 1 ? fail(-EBADMSG, "the store's \"known\" record is damaged") : 0;
}

static int read_counters(struct store *s)
{
    struct key rows = key_model(0), numbers = key_model('n');
    uint8_t k[12];
    int r = db_last(s->db, DB_EXAMPLES, rows.b, rows.n, k, 12);
    if (r < 0)
        return r;
    s->state.next_row = r ? key_parse_id(k + 4) + 1 : 1;
    r = db_last(s->db, DB_VERSIONS, numbers.b, numbers.n, k, 9);
    if (r < 0)
        return r;
    s->state.next_number = r ? (uint32_t)key_parse_id(k + 1) + 1 : 1;
    return 0;
}

static int verify(struct store *s)
{
    int r = check_features(s);
    if (r == 0)
        r = check_id(s);
    if (r == 0)
        r = check_history(s);
    if (r == 0)
        r = check_chunks(s);
    if (r == 0)
        r = read_known(s);
    return r < 0 ? r : read_counters(s);
}

static int take_lock(struct store *s)
{
    s->lockfd = openat(s->dirfd, "lock", (s->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW);
    if (s->lockfd < 0)
        return errno == ENOENT ? fail(-ENOENT, "%s: no store there", s->path)
                               : fail(-errno, "%s/lock: %s", s->path, strerror(errno));
    if (flock(s->lockfd, (s->readonly ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return fail(-errno, "%s/lock: %s", s->path, strerror(errno));
        char pid[24] = {0};
        ssize_t n = pread(s->lockfd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? strspn(pid, "0123456789") : 0] = 0;
        return fail(-EBUSY, "%s: in use by process %s", s->path, pid[0] ? pid : "(reading it)");
    }
    if (!s->readonly) {
        char pid[24];
        int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
        /* what another process is told; the lock itself does not depend on it */
        if (ftruncate(s->lockfd, 0) == 0 && pwrite(s->lockfd, pid, (size_t)n, 0) != n)
            (void)ftruncate(s->lockfd, 0);
    }
    return 0;
}

/* The smaller of 256 MiB and a quarter of the cgroup's memory.max. */
static uint64_t default_cache(void)
{
    uint64_t limit = 256 << 20;
    char group[512], path[600];
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f && fgets(group, sizeof group, f)) {
        if (strncmp(group, "0::", 3) != 0)
            continue;
        group[strcspn(group, "\n")] = 0;
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group + 3);
        FILE *g = fopen(path, "re");
        unsigned long long max;
        if (g && fscanf(g, "%llu", &max) == 1 && max / 4 < limit)
            limit = max / 4;
        if (g)
            fclose(g);
    }
    if (f)
        fclose(f);
    return limit;
}

static int open_all(struct store *s)
{
    struct stat st;
    s->dirfd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dirfd < 0)
        return fail(errno == ENOTDIR ? -ENOENT : -errno, "%s: no store there (%s)", s->path, strerror(errno));
    if (fstatat(s->dirfd, "db", &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))
        return fail(-ENOENT, "%s: no store there", s->path);
    int r = take_lock(s), bad;
    if (r < 0)
        return r;
    if ((s->anchorfd = anchor_open(s->dirfd, !s->readonly, &s->anchor, &bad)) < 0)
        return s->anchorfd == -ENOENT ? fail(-EBADMSG, "%s: damaged: its anchor is missing", s->path)
                                      : s->anchorfd;

    struct out path = {0};
    out_printf(&path, "%s/db", s->path);
    r = tail_check(out_cstr(&path));
    if (r == 0)
        r = db_open(out_cstr(&path), 1, &s->db);
    if (r == 0)
        r = verify(s);
    if (r == 0 && !s->readonly) { /* what is about to be opened for writing is whole */
        db_close(s->db);
        s->db = NULL;
        r = db_open(out_cstr(&path), 0, &s->db);
        if (r == 0)
            r = verify(s);
        if (r == 0 && (s->state.event_seq > s->anchor.seq || bad)) { /* a crash before the acknowledgement */
            s->anchor.seq = s->state.event_seq;
            s->anchor.hash = s->state.event_hash;
            r = anchor_write(s->anchorfd, &s->anchor);
        }
        if (r == 0)
            prepare_sweep(s->path);
    }
    s->first_id = s->next_id;
    s->acked_seq = s->anchor.seq;
    s->acked_hash = s->anchor.hash;
    out_fini(&path);
    return r;
}

int store_open(const char *repo, unsigned flags, struct store **ret)
{
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return fail(-ENOMEM, "out of memory");
    s->dirfd = s->lockfd = s->anchorfd = -1;
    s->readonly = flags & STORE_READ_ONLY;
    s->last = &s->first;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_mutex_init(&s->known_lock, NULL);
    pthread_cond_init(&s->turn, NULL);
    s->path = realpath(repo, NULL);
    s->manifests = manifests_new();
    s->cache = cache_new(default_cache(), read_chunk, s);
    int r = !s->path ? fail(errno == ENOTDIR ? -ENOENT : -errno, "%s: %s", repo, strerror(errno))
            : !s->manifests || !s->cache ? fail(-ENOMEM, "out of memory")
                                         : open_all(s);
    if (r < 0)
        store_close(s);
    else
        *ret = s;
    return r;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    cache_free(s->cache);
    manifests_free(s->manifests);
    db_close(s->db);
    if (s->anchorfd >= 0)
        close(s->anchorfd);
    if (s->lockfd >= 0)
        close(s->lockfd);
    if (s->dirfd >= 0)
        close(s->dirfd);
    pthread_cond_destroy(&s->turn);
    pthread_mutex_destroy(&s->mutex);
    pthread_mutex_destroy(&s->known_lock);
    free(s->reserved);
    free(s->path);
    free(s);
}

const char *store_path(const struct store *s)
{
    return s->path;
}

const struct digest *store_id(const struct store *s)
{
    return &s->id;
}

void store_set_cache(struct store *s, uint64_t bytes)
{
    cache_limit(s->cache, bytes);
}
