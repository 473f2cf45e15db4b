/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/repo.h"
#include "fs/ahead.h"
#include "fs/eval/eval.h"
#include "fs/eval/policy.h"
#include "fs/texts.h"
#include "store/base/fail.h"
#include "store/base/wire.h"
#include <pthread.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct repo {
    struct store *store;
    struct eval *eval;
    struct texts *texts;
    struct ahead *ahead; /* NULL: nothing is computed before it is asked for; set before anybody else looks */
    pthread_rwlock_t lock;                     /* (l) */
    char *mountpoint;                          /* (l) NULL: not mounted; set once, kept until the end */
    void (*changed)(void *ctx, unsigned what); /* (l) */
    void *changed_ctx;                         /* (l) */
};

/* REPO/cache/reports, made when it is not there. NULL when it cannot be used: texts are kept in memory. */
static char *texts_dir(struct store *s)
{
    char *cache, *dir = NULL;
    if (asprintf(&cache, "%s/cache", store_path(s)) < 0)
        return NULL;
    mkdir(cache, 0700);
    if (asprintf(&dir, "%s/reports", cache) >= 0) {
        mkdir(dir, 0700);
        if (access(dir, W_OK) < 0) {
            free(dir);
            dir = NULL;
        }
    } else {
        dir = NULL;
    }
    free(cache);
    return dir;
}

int repo_open(const char *path, unsigned flags, struct repo **ret)
{
    struct repo *r = calloc(1, sizeof *r);
    if (!r)
        return fail(-ENOMEM, "out of memory");
    pthread_rwlock_init(&r->lock, NULL);
    int err = store_open(path, flags, &r->store);
    if (err == 0)
        err = eval_open(r->store, &r->eval);
    if (err == 0) {
        char *dir = flags & STORE_READ_ONLY ? NULL : texts_dir(r->store);
        err = texts_open(dir, &r->texts);
        free(dir);
    }
    if (err < 0) {
        repo_close(r);
        return err;
    }
    *ret = r;
    return 0;
}

void repo_close(struct repo *r)
{
    if (!r)
        return;
    ahead_close(r->ahead);
    texts_close(r->texts);
    eval_close(r->eval);
    store_close(r->store);
    pthread_rwlock_destroy(&r->lock);
    free(r->mountpoint);
    free(r);
}

struct store *repo_store(struct repo *r)
{
    return r->store;
}

struct eval *repo_eval(struct repo *r)
{
    return r->eval;
}

const char *repo_mountpoint(struct repo *r)
{
    pthread_rwlock_rdlock(&r->lock);
    const char *p = r->mountpoint;
    pthread_rwlock_unlock(&r->lock);
    return p;
}

void repo_set_mountpoint(struct repo *r, const char *path)
{
    pthread_rwlock_wrlock(&r->lock);
    if (!r->mountpoint && path)
        r->mountpoint = strdup(path);
    pthread_rwlock_unlock(&r->lock);
}

void repo_listen(struct repo *r, void (*changed)(void *ctx, unsigned what), void *ctx)
{
    pthread_rwlock_wrlock(&r->lock);
    r->changed = changed;
    r->changed_ctx = ctx;
    pthread_rwlock_unlock(&r->lock);
}

/* Under the lock: repo_listen(NULL) returns only when nobody is telling any more. */
static void tell(struct repo *r, unsigned what)
{
    if (r->ahead && what & (REPO_VERSIONS | REPO_ROWS | REPO_CONFIG))
        ahead_wake(r->ahead);
    pthread_rwlock_rdlock(&r->lock);
    if (r->changed)
        r->changed(r->changed_ctx, what);
    pthread_rwlock_unlock(&r->lock);
}

int repo_evaluate(struct repo *r, enum eval_mode mode)
{
    eval_set_mode(r->eval, mode);
    return mode == EVAL_AUTO && !r->ahead ? ahead_open(r, &r->ahead) : 0;
}

int repo_fill(struct repo *r, const struct version *v, int (*stop)(void *ctx), void *ctx)
{
    uint64_t computed;
    int err = eval_fill(r->eval, v, stop, ctx, &computed);
    if (computed)
        tell(r, REPO_RESULTS);
    if (!err) {
        struct who who;
        who_self(&who);
        err = repo_ratchet(r, &who, v);
    }
    return err;
}

/* ---- who ---- */

void who_from_ids(uint32_t uid, uint32_t gid, int32_t pid, struct who *ret)
{
    struct passwd pw, *found = NULL;
    char buf[4096];
    *ret = (struct who){.uid = uid, .gid = gid, .pid = pid};
    if (getpwuid_r(uid, &pw, buf, sizeof buf, &found) == 0 && found)
        snprintf(ret->name, sizeof ret->name, "%s", found->pw_name);
    else
        snprintf(ret->name, sizeof ret->name, "%u", uid);
}

void who_self(struct who *ret)
{
    who_from_ids(geteuid(), getegid(), getpid(), ret);
}

static struct eval_writer eval_writer_of(const struct who *w)
{
    return (struct eval_writer){.name = w->name, .uid = w->uid, .pid = w->pid};
}

/* ---- changes ---- */

int repo_commit(struct repo *r, const struct who *w, const void *doc, size_t n, struct commit_result *ret)
{
    (void)w; /* the document says who: it was made with the rights of the same user */
    int err = commit_apply(r->store, doc, n, ret);
    if (err >= 0)
        tell(r, REPO_VERSIONS | REPO_TAGS);
    return err;
}

int repo_tag(struct repo *r, const struct who *w, const char *tag, const char *version)
{
    const struct version *v = NULL;
    int movable, err = 0;
    if (version)
        err = version_resolve(r->store, version, &v, &movable);
    if (err >= 0)
        err = tag_set(r->store, tag, v ? &v->digest : NULL, NULL, w->name);
    if (err >= 0)
        tell(r, REPO_TAGS);
    if (err >= 0 && v)
        repo_ratchet(r, w, v); /* the tag has moved all the same: modelfs eval looks again */
    version_unref(v);
    return err;
}

int repo_remove(struct repo *r, const struct who *w, const char *version, int force)
{
    const struct version *v;
    int movable, err = version_resolve(r->store, version, &v, &movable);
    if (err < 0)
        return err;
    err = version_remove(r->store, &v->digest, force, w->name);
    version_unref(v);
    if (err >= 0)
        tell(r, REPO_VERSIONS | REPO_TAGS);
    return err;
}

static void append_result(const struct eval_added *from, struct append_result *ret)
{
    *ret = (struct append_result){.kept = from->kept,
                                  .merged = from->merged,
                                  .rejected = from->rejected,
                                  .unlabelled = from->unlabelled};
    snprintf(ret->first_error, sizeof ret->first_error, "%s", from->first_error);
}

/* Whose text: no two reports of the map share a name and which versions they are about.
 *   subject = SHA-256( str "report 1" | str of report | u8 has a, has b | digest a, b | str name ) */
static void text_subject(const struct report *rep, const struct version *a, const struct version *b,
                         const char *name, struct digest *ret)
{
    static const struct digest none;
    struct out o = {0};
    wire_put_str(&o, "report 1");
    wire_put_str(&o, rep->name);
    wire_put_u8(&o, (uint8_t)((a != NULL) | (b != NULL) << 1));
    wire_put_digest(&o, a ? &a->digest : &none);
    wire_put_digest(&o, b ? &b->digest : &none);
    wire_put_str(&o, name ? name : "");
    hash_sha256(o.p, o.n, ret);
    out_fini(&o);
}

int repo_append_rows(struct repo *r, const struct who *w, enum eval_lines what, const char *p, size_t n,
                     struct append_result *ret)
{
    struct eval_writer ew = eval_writer_of(w);
    struct eval_added added = {0};
    int err = eval_amend(r->eval, &ew, what, p, n, &added);
    if (err < 0)
        return err;
    if (what == EVAL_OUTCOMES) { /* no list of refused ones: <file>.error says why */
        struct digest subject;
        text_subject(&report_eval_outcomes, NULL, NULL, NULL, &subject);
        texts_set_failure(r->texts, &subject, added.rejected ? added.first_error : NULL);
    }
    tell(r, REPO_ROWS);
    append_result(&added, ret);
    return 0;
}

int repo_erase(struct repo *r, const struct who *w, const char *id, const char *reason,
               struct eval_erased *ret)
{
    struct eval_writer ew = eval_writer_of(w);
    int err = eval_erase(r->eval, &ew, id, reason, ret);
    if (err < 0)
        return err;
    texts_clear(r->texts);
    tell(r, REPO_ROWS | REPO_RESULTS);
    return 0;
}

int repo_ratchet(struct repo *r, const struct who *w, const struct version *v)
{
    struct eval_writer ew = eval_writer_of(w);
    uint64_t rows;
    int err = eval_ratchet(r->eval, &ew, v, &rows);
    if (rows)
        tell(r, REPO_ROWS);
    return err;
}

int repo_capture(struct repo *r, const struct who *w, const struct version *v, const char *p, size_t n,
                 int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx,
                 struct eval_captured *ret)
{
    struct eval_writer ew = eval_writer_of(w);
    int err = eval_capture(r->eval, &ew, v, p, n, progress, ctx, ret);
    if (err >= 0)
        tell(r, REPO_ROWS | REPO_RESULTS);
    return err;
}

int repo_import_predictions(struct repo *r, const struct who *w, const char *version, const char *p, size_t n,
                            struct append_result *ret)
{
    const struct version *v;
    int movable, err = version_resolve(r->store, version, &v, &movable);
    if (err < 0)
        return err;
    struct eval_writer ew = eval_writer_of(w);
    struct eval_added added = {0};
    err = eval_import(r->eval, &ew, v, p, n, &added);
    version_unref(v);
    if (err < 0)
        return err;
    tell(r, REPO_RESULTS);
    append_result(&added, ret);
    return 0;
}

static void config_subject(const char *name, struct digest *ret)
{
    struct out o = {0};
    out_printf(&o, "configuration %s", name);
    hash_sha256(o.p, o.n, ret);
    out_fini(&o);
}

int repo_config(struct repo *r, const struct who *w, const char *name, const void *p, size_t n)
{
    struct eval_writer ew = eval_writer_of(w);
    struct digest subject;
    int err = eval_configure(r->eval, &ew, name, p, n);
    config_subject(name, &subject);
    texts_set_failure(r->texts, &subject, err < 0 ? fail_describe(err) : NULL);
    if (err >= 0)
        tell(r, REPO_CONFIG);
    return err;
}

int repo_config_failure(struct repo *r, const char *name, const struct text **ret)
{
    struct digest subject;
    config_subject(name, &subject);
    return texts_failure(r->texts, &subject, ret);
}

int repo_config_text(struct repo *r, const char *name, const struct text **ret)
{
    struct digest d;
    struct out o = {0};
    int err = config_get(r->store, name, NULL, &d);
    if (err < 0 || texts_find(r->texts, &d, ret) == 0)
        return err;
    if ((err = config_get(r->store, name, &o, &d)) == 0)
        err = texts_put(r->texts, &o, ret);
    out_fini(&o);
    return err;
}

static int event_time(void *ctx, const struct event *e)
{
    *(int64_t *)ctx = e->time_ns;
    return 0;
}

int64_t repo_changed_ns(struct repo *r)
{
    struct digest hash;
    int64_t t = 0;
    uint64_t last = events_last(r->store, &hash);
    if (last)
        events_each(r->store, last, event_time, &t);
    return t;
}

/* ---- texts ---- */

/* What decides its bytes.
 *   key = SHA-256( subject | u32 version of the code | u8 inputs | each input's digest ) */
static void text_key(struct repo *r, const struct report *rep, const struct digest *subject,
                     struct digest *ret)
{
    struct out o = {0};
    struct digest d;
    char revision[32];
    wire_put_digest(&o, subject);
    wire_put_u32(&o, rep->version);
    wire_put_u8(&o, (uint8_t)rep->inputs);
    if (rep->inputs & INPUT_HISTORY) {
        events_last(r->store, &d);
        wire_put_digest(&o, &d);
    }
    if (rep->inputs & INPUT_SET) {
        eval_revision(r->eval, revision, &d);
        wire_put_digest(&o, &d);
    }
    if (rep->inputs & INPUT_RESULTS) {
        eval_known(r->eval, &d);
        wire_put_digest(&o, &d);
    }
    if (rep->inputs & INPUT_IMPORTS) {
        eval_imports(r->eval, &d);
        wire_put_digest(&o, &d);
        if (eval_mode(r->eval) == EVAL_OFF) { /* then it shows no more than what is known */
            eval_known(r->eval, &d);
            wire_put_digest(&o, &d);
        }
    }
    if (rep->inputs & INPUT_GATES) {
        policy_key(r->store, &d);
        wire_put_digest(&o, &d);
    }
    hash_sha256(o.p, o.n, ret);
    out_fini(&o);
}

/* A rendering: what a report is about, held until it is made. */
struct rendering {
    struct repo *repo;
    const struct report *report;
    const struct version *a, *b;
    char *name;
    struct digest subject, key;
};

static int rendering_make(void *ctx, int (*stop)(void *), void *stop_ctx, struct out *o)
{
    struct rendering *x = ctx;
    struct arena arena = {0};
    struct subject s = {
        .store = x->repo->store,
        .eval = x->repo->eval,
        .arena = &arena,
        .a = x->a,
        .b = x->b,
        .name = x->name,
        .mountpoint = repo_mountpoint(x->repo),
        .stop = stop,
        .stop_ctx = stop_ctx,
    };
    int err = x->report->render(&s, o);
    arena_fini(&arena);
    return err;
}

/* Not under a key that did not hold throughout; and not for long what an engine that is missing here had no
 * part in. */
static int rendering_keep(void *ctx)
{
    struct rendering *x = ctx;
    struct digest now;
    text_key(x->repo, x->report, &x->subject, &now);
    if (!hash_equal(&now, &x->key))
        return TEXTS_PASS;
    int lacks = x->report->inputs & (INPUT_RESULTS | INPUT_IMPORTS) && eval_lacks_engine(x->repo->eval);
    return lacks ? TEXTS_HOLD : TEXTS_FILE;
}

static void rendering_drop(void *ctx)
{
    struct rendering *x = ctx;
    version_unref(x->a);
    version_unref(x->b);
    free(x->name);
    free(x);
}

static int rendering_new(struct repo *r, const struct report *rep, const struct version *a,
                         const struct version *b, const char *name, struct text_maker *ret,
                         struct digest *ret_key)
{
    struct rendering *x = calloc(1, sizeof *x);
    if (!x || (name && !(x->name = strdup(name)))) {
        free(x);
        return fail(-ENOMEM, "out of memory");
    }
    x->repo = r;
    x->report = rep;
    x->a = a ? version_ref(a) : NULL;
    x->b = b ? version_ref(b) : NULL;
    text_subject(rep, a, b, name, &x->subject);
    text_key(r, rep, &x->subject, &x->key);
    *ret = (struct text_maker){rendering_make, rendering_keep, rendering_drop, x, x->subject};
    *ret_key = x->key;
    return 0;
}

/* A live report: a new text each time, under its own digest. */
static int text_live(struct texts *t, struct text_maker m, int (*stop)(void *), void *stop_ctx,
                     const struct text **ret)
{
    struct out o = {0};
    int err = m.make(m.ctx, stop, stop_ctx, &o);
    if (err >= 0)
        err = texts_put(t, &o, ret);
    if (err != -EINTR)
        texts_set_failure(t, &m.subject, err < 0 ? fail_describe(err) : NULL);
    m.drop(m.ctx);
    out_fini(&o);
    return err;
}

int repo_text(struct repo *r, const struct report *rep, const struct version *a, const struct version *b,
              const char *name, int (*stop)(void *ctx), void *stop_ctx, const struct text **ret)
{
    struct text_maker m;
    struct digest key;
    int err = rendering_new(r, rep, a, b, name, &m, &key);
    if (err < 0)
        return err;
    if (rep->inputs & INPUT_LIVE)
        return text_live(r->texts, m, stop, stop_ctx, ret);
    return texts_make(r->texts, &key, m, stop, stop_ctx, ret);
}

int repo_text_key(struct repo *r, const struct report *rep, const struct version *a, const struct version *b,
                  const char *name, struct digest *ret)
{
    struct digest subject;
    text_subject(rep, a, b, name, &subject);
    if (rep->inputs & INPUT_LIVE)
        memset(ret, 0, sizeof *ret);
    else
        text_key(r, rep, &subject, ret);
    return 0;
}

int repo_text_find(struct repo *r, const struct digest *key, const struct text **ret)
{
    return texts_find(r->texts, key, ret);
}

int repo_text_now(struct repo *r, const struct report *rep, const struct version *a, const struct version *b,
                  const char *name, const struct text **ret)
{
    struct digest key;
    if (!rep->slow)
        return repo_text(r, rep, a, b, name, NULL, NULL, ret);
    repo_text_key(r, rep, a, b, name, &key);
    return texts_find(r->texts, &key, ret) == 0 ? 0 : -EAGAIN;
}

int repo_text_ask(struct repo *r, const struct report *rep, const struct version *a, const struct version *b,
                  const char *name, struct text_ask *ask, const struct text **ret)
{
    struct text_maker m;
    struct digest key;
    int err = rendering_new(r, rep, a, b, name, &m, &key);
    return err < 0 ? err : texts_ask(r->texts, &key, m, ask, ret);
}

int repo_text_cancel(struct repo *r, struct text_ask *ask)
{
    return texts_cancel(r->texts, ask);
}

int repo_text_failure(struct repo *r, const struct report *rep, const struct version *a,
                      const struct version *b, const char *name, const struct text **ret)
{
    struct digest subject;
    text_subject(rep, a, b, name, &subject);
    return texts_failure(r->texts, &subject, ret);
}
