/* SPDX-License-Identifier: Apache-2.0 */
#include "store/basis.h"
#include "store/base/fail.h"
#include "store/bases.h"
#include "store/delta.h"
#include "store/dmap.h"
#include <math.h>
#include <stdlib.h>

/* MOST: candidates looked at for a tensor. STREAK: tensors in a row that chose one version, after which it is
 * looked at alone, until it is no good. GAIN: a difference must promise to be smaller by this. */
enum { MOST = 4, STREAK = 8, NONE = -1, UNDECIDED = 0 };
static const double GAIN = 0.97;

struct candidate {
    struct bases_tensor t;
    uint64_t next; /* index + 1 of the next one of that name and shape, 0: none */
};

struct fetched { /* a base's bytes */
    struct run_chunk chunk;
    uint8_t depth;
    const void *data; /* NULL: could not be read */
};

struct trial { /* a candidate for a want */
    size_t want, fetch;
    int64_t candidate; /* index + 1 */
    enum cast cast;
    double cost;
};

struct basis {
    const struct prepare *p;
    struct prepare_owner owner;
    int asked;
    struct out list;
    struct candidate *candidates;
    size_t ncandidates;
    struct dmap index; /* name and shape -> index + 1 of the nearest candidate */

    int64_t *choice; /* (ntensors) of the file at work: UNDECIDED, NONE or index + 1 of a candidate */
    uint32_t favourite, streak;

    struct trial *trials; /* of the call at work */
    size_t ntrials;
    struct out fetches; /* struct fetched */
    struct out wire, bytes[2];
    struct codec_state *const *codec;
    const struct basis_want *wants;
};

static int oom(void)
{
    return fail(-ENOMEM, "out of memory");
}

int basis_new(const struct prepare *p, const struct prepare_owner *owner, struct basis **ret)
{
    struct basis *b = calloc(1, sizeof *b);
    if (!b)
        return oom();
    b->p = p;
    b->owner = *owner;
    *ret = b;
    return 0;
}

void basis_free(struct basis *b)
{
    if (!b)
        return;
    dmap_fini(&b->index);
    out_fini(&b->list);
    out_fini(&b->fetches);
    out_fini(&b->wire);
    out_fini(&b->bytes[0]);
    out_fini(&b->bytes[1]);
    free(b->candidates);
    free(b->choice);
    free(b->trials);
    free(b);
}

int basis_file(struct basis *b, size_t ntensors)
{
    free(b->choice);
    b->choice = calloc(ntensors ? ntensors : 1, sizeof *b->choice);
    return b->choice ? 0 : oom();
}

static void key_of(const void *name, size_t n, uint32_t rank, const void *shape, struct digest *ret)
{
    struct digest both[2];
    hash_sha256(name, n, &both[0]);
    hash_sha256(shape ? shape : "", (size_t)rank * 8, &both[1]);
    hash_sha256(both, sizeof both, ret);
}

/* What a store's damage may do to a commit is to leave it without bases. */
static int without(int r)
{
    return r == -EBADMSG || r == -EIO || r == -ENOTSUP;
}

static int index_list(struct basis *b)
{
    struct wire w = wire_read(b->list.p, b->list.n);
    struct out all = {0};
    struct candidate c = {0};
    int r;
    while ((r = bases_next(&w, &c.t)) == 1)
        out_write(&all, &c, sizeof c);
    if (r == 0 && out_error(&all))
        r = oom();
    b->candidates = (struct candidate *)all.p;
    b->ncandidates = r < 0 ? 0 : all.n / sizeof c;
    for (size_t i = b->ncandidates; r == 0 && i-- > 0;) { /* so that each list begins with the nearest */
        struct digest key;
        struct candidate *x = &b->candidates[i];
        key_of(x->t.name, x->t.nname, x->t.rank, x->t.shape, &key);
        const uint64_t *next = dmap_get(&b->index, &key);
        x->next = next ? *next : 0;
        if (dmap_put(&b->index, &key, i + 1) < 0)
            r = oom();
    }
    return r;
}

static int ask(struct basis *b)
{
    if (b->asked)
        return 0;
    b->asked = 1;
    int r = b->owner.bases(b->owner.ctx, b->p->parents, b->p->nparents, &b->list);
    if (r == 0)
        r = index_list(b);
    if (without(r)) {
        b->ncandidates = 0;
        r = 0;
    }
    return r;
}

/* The base's chunk that corresponds to the want; 0 when there is none. */
static int corresponds(const struct candidate *c, const struct basis_want *w, enum cast *ret_cast,
                       struct run_chunk *ret)
{
    enum cast cast = cast_between((enum dtype)c->t.dtype, w->tensor->dtype);
    if (cast == CAST_NONE || w->nth >= c->t.nchunks)
        return 0;
    struct wire wire = wire_read((const uint8_t *)c->t.chunks + (size_t)w->nth * BASES_CHUNK, BASES_CHUNK);
    bases_chunk_get(&wire, ret);
    *ret_cast = cast;
    return ret->n == cast_base_bytes(cast, w->n) && chunk_older(ret->id, w->id);
}

static size_t fetch_later(struct basis *b, const struct run_chunk *c)
{
    struct fetched f = {.chunk = *c};
    size_t at = b->fetches.n / sizeof f;
    out_write(&b->fetches, &f, sizeof f);
    bases_chunk_put(&b->wire, c);
    return at;
}

/* Gets what fetch_later noted, from number `first` on. */
static int fetch(struct basis *b, size_t first, struct out *room)
{
    if (out_error(&b->fetches) || out_error(&b->wire))
        return oom();
    out_reset(room);
    if (b->wire.n == 0)
        return 0;
    int r = b->owner.read(b->owner.ctx, b->wire.p, b->wire.n, room);
    out_reset(&b->wire);
    if (without(r))
        return 0;
    if (r < 0)
        return r;
    struct wire w = wire_read(room->p, room->n);
    struct fetched *f = (struct fetched *)b->fetches.p;
    for (size_t i = first; i < b->fetches.n / sizeof *f && !w.bad; i++) {
        f[i].depth = wire_u8(&w);
        f[i].data = wire_get(&w, f[i].chunk.n);
    }
    return wire_done(&w) < 0 ? fail(-EPROTO, "the owner's answer does not hold together") : 0;
}

static int add_trial(struct basis *b, size_t want, int64_t candidate, enum cast cast,
                     const struct run_chunk *c)
{
    struct trial *more = reallocarray(b->trials, b->ntrials + 1, sizeof *more);
    if (!more)
        return oom();
    b->trials = more;
    b->trials[b->ntrials++] =
        (struct trial){.want = want, .fetch = fetch_later(b, c), .candidate = candidate, .cast = cast};
    return 0;
}

/* The candidates of a tensor whose first new chunk this is. */
static int consider(struct basis *b, const struct basis_want *w, size_t want)
{
    struct digest key;
    const struct tensor *t = w->tensor;
    key_of(t->name, strlen(t->name), t->rank, t->shape, &key);
    const uint64_t *first = dmap_get(&b->index, &key);
    b->choice[w->index] = NONE;
    for (int pass = b->streak >= STREAK ? 0 : 1; pass < 2; pass++) { /* first the favourite alone */
        int n = 0;
        for (uint64_t i = first ? *first : 0; i && n < MOST; i = b->candidates[i - 1].next) {
            const struct candidate *c = &b->candidates[i - 1];
            struct run_chunk chunk;
            enum cast cast;
            if ((pass == 0 && c->t.version != b->favourite) || !corresponds(c, w, &cast, &chunk))
                continue;
            n++;
            int r = add_trial(b, want, (int64_t)i, cast, &chunk);
            if (r < 0)
                return r;
        }
        if (n)
            break;
    }
    return 0;
}

static int try_one(void *ctx, size_t i, int thread)
{
    struct basis *b = ctx;
    struct trial *t = &b->trials[i];
    const struct basis_want *w = &b->wants[t->want];
    const struct fetched *f = (const struct fetched *)b->fetches.p + t->fetch;
    t->cost = f->data ? delta_cost(w->tensor->dtype, w->p,
                                   cast_predict(t->cast, f->data, w->n, codec_room(b->codec[thread])), w->n)
                      : INFINITY;
    if (t->cost > 0 && f->depth >= CHUNK_DEPTH_MAX)
        t->cost = INFINITY;
    return 0;
}

/* Trials of one want follow each other. */
static void decide(struct basis *b)
{
    for (size_t i = 0, k; i < b->ntrials; i = k) {
        const struct basis_want *w = &b->wants[b->trials[i].want];
        const struct trial *best = &b->trials[i];
        for (k = i + 1; k < b->ntrials && b->trials[k].want == b->trials[i].want; k++)
            if (b->trials[k].cost < best->cost)
                best = &b->trials[k];
        if (best->cost > 0 && best->cost > GAIN * delta_cost_alone(w->tensor->dtype, w->p, w->n)) {
            b->streak = 0;
            continue;
        }
        b->choice[w->index] = best->candidate;
        uint32_t version = b->candidates[best->candidate - 1].t.version;
        b->streak = version == b->favourite ? b->streak + 1 : 0;
        b->favourite = version;
    }
}

static void give_hint(struct basis *b, struct basis_want *w, enum cast cast, size_t fetch)
{
    const struct fetched *f = (const struct fetched *)b->fetches.p + fetch;
    if (!f->data)
        return;
    w->hint = (struct chunk_hint){.base = {f->chunk.id, f->chunk.n, f->chunk.xxh3, f->depth},
                                  .cast = cast,
                                  .data = f->data,
                                  .fast = b->p->profile == PREPARE_FAST};
    w->base_digest = f->chunk.digest;
}

int basis_find(struct basis *b, struct pool *pool, struct codec_state *const *codec, struct basis_want *w,
               size_t n)
{
    int r = 0;
    b->codec = codec;
    b->wants = w;
    b->ntrials = 0;
    out_reset(&b->fetches);
    out_reset(&b->wire);
    if (n && (r = ask(b)) < 0)
        return r;
    if (b->ncandidates == 0)
        return 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        if (b->choice[w[i].index] == UNDECIDED)
            r = consider(b, &w[i], i);
    if (r == 0)
        r = fetch(b, 0, &b->bytes[0]);
    if (r == 0)
        r = pool_run(pool, b->ntrials, try_one, b);
    if (r < 0)
        return r;
    decide(b);

    size_t first = b->fetches.n / sizeof(struct fetched), *at = malloc((n ? n : 1) * sizeof *at), t = 0;
    enum cast *cast = calloc(n ? n : 1, sizeof *cast);
    if (!at || !cast)
        r = oom();
    for (size_t i = 0; r == 0 && i < n; i++) {
        int64_t c = b->choice[w[i].index];
        struct run_chunk chunk;
        if (c == NONE || !corresponds(&b->candidates[c - 1], &w[i], &cast[i], &chunk)) {
            cast[i] = CAST_NONE;
            continue;
        }
        while (t < b->ntrials && b->trials[t].want < i)
            t++;
        size_t tried = t;
        while (tried < b->ntrials && b->trials[tried].want == i && b->trials[tried].candidate != c)
            tried++;
        at[i] = tried < b->ntrials && b->trials[tried].want == i ? b->trials[tried].fetch
                                                                 : fetch_later(b, &chunk);
    }
    if (r == 0)
        r = fetch(b, first, &b->bytes[1]);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (cast[i] != CAST_NONE)
            give_hint(b, &w[i], cast[i], at[i]);
    free(at);
    free(cast);
    return r;
}
