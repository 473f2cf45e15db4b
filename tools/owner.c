/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/owner.h"
#include "fs/eval/eval.h"
#include "fs/eval/runner.h"
#include "fs/tree.h"
#include "store/base/fail.h"
#include "store/bases.h"
#include "store/gc.h"
#include "store/manifest.h"
#include "store/record.h"
#include "tools/describe.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One request at work: what every op gets. */
struct call {
    struct repo *repo;
    struct store *store;
    const struct who *who;
    const struct request *q;
    const struct reply *to;
    struct out *ret;
};

static int stopped(const struct call *c)
{
    return c->to->stop && c->to->stop(c->to->ctx);
}

static int give(const struct call *c, const void *p, size_t n)
{
    if (stopped(c))
        return -EINTR;
    return n && c->to->data ? c->to->data(c->to->ctx, p, n) : 0;
}

/* Hands over what is in o and frees it. */
static int give_out(const struct call *c, struct out *o)
{
    int err = out_error(o);
    if (err == 0)
        err = give(c, o->p, o->n);
    out_fini(o);
    return err;
}

static int progressed(void *ctx, uint64_t done, uint64_t all)
{
    const struct call *c = ctx;
    if (c->to->progress)
        c->to->progress(c->to->ctx, done, all, c->q->name ? c->q->name : "");
    return stopped(c);
}

static int resolve(const struct call *c, const char *name, const struct version **ret)
{
    int movable;
    return version_resolve(c->store, name, ret, &movable);
}

/* ---- a commit in its steps ---- */

static int op_has(const struct call *c)
{
    size_t n = c->q->nbody / sizeof(struct digest);
    if (n == 0 || c->q->nbody % sizeof(struct digest))
        return fail(-EPROTO, "not a list of digests");
    uint64_t *ids = calloc(n, sizeof *ids);
    if (!ids)
        return -ENOMEM;
    struct out o = {0};
    int err = store_has(c->store, c->q->body, n, ids);
    for (size_t i = 0; err == 0 && i < n; i++)
        wire_put_u64(&o, ids[i]);
    free(ids);
    if (err < 0) {
        out_fini(&o);
        return err;
    }
    return give_out(c, &o);
}

static int op_reserve(const struct call *c)
{
    uint64_t first;
    if (c->q->flags == 0 || c->q->flags > UINT32_MAX)
        return fail(-EPROTO, "cannot reserve %llu chunks", (unsigned long long)c->q->flags);
    int err = store_reserve(c->store, c->q->flags, &first);
    if (err == 0)
        wire_put_u64(c->ret, first);
    return err;
}

static int op_bases(const struct call *c)
{
    size_t n = c->q->nbody / sizeof(struct digest);
    struct out o = {0};
    if (c->q->nbody % sizeof(struct digest))
        return fail(-EPROTO, "not a list of digests");
    int err = bases_list(c->store, c->q->body, n, &o);
    if (err < 0) {
        out_fini(&o);
        return err;
    }
    return give_out(c, &o);
}

static int give_piece(void *ctx, const void *p, size_t n)
{
    return give(ctx, p, n);
}

static int op_chunks(const struct call *c)
{
    return bases_read(c->store, c->q->body, c->q->nbody, give_piece, (void *)(uintptr_t)c);
}

static int op_commit(const struct call *c)
{
    struct commit_result r = {0};
    int err = repo_commit(c->repo, c->who, c->q->body, c->q->nbody, &r);
    if (err == 0)
        request_format_commit(c->ret, &r);
    return err;
}

/* ---- changes ---- */

static int op_tag(const struct call *c)
{
    const struct version *v = NULL;
    int err = 0;
    if (*c->q->other)
        err = resolve(c, c->q->other, &v);
    char name[16] = "";
    if (err == 0 && v)
        snprintf(name, sizeof name, "v%u", v->number);
    if (err == 0)
        err = repo_tag(c->repo, c->who, c->q->name, v ? name : NULL);
    if (err == 0)
        out_str(c->ret, name);
    version_unref(v);
    return err;
}

static int appended(const struct call *c, int err, const struct append_result *r)
{
    if (err == 0)
        request_format_append(
            c->ret, &(struct request_append){r->kept, r->merged, r->rejected, r->unlabelled, r->first_error});
    return err;
}

static int op_append(const struct call *c)
{
    static const char *const names[] = {[EVAL_ROWS] = "",
                                        [EVAL_RETIRE] = "retire",
                                        [EVAL_RELABEL] = "relabel",
                                        [EVAL_OUTCOMES] = "outcomes.csv"};
    struct append_result r = {0};
    int what = EVAL_ROWS;
    while (strcmp(names[what], c->q->name) != 0)
        if (++what > EVAL_OUTCOMES)
            return fail(-EINVAL, "eval/%s: no lines are appended to it", c->q->name);
    return appended(c, repo_append_rows(c->repo, c->who, (enum eval_lines)what, c->q->body, c->q->nbody, &r),
                    &r);
}

static int op_import(const struct call *c)
{
    struct append_result r = {0};
    return appended(c, repo_import_predictions(c->repo, c->who, c->q->name, c->q->body, c->q->nbody, &r), &r);
}

static int op_config(const struct call *c)
{
    return repo_config(c->repo, c->who, c->q->name, c->q->body, c->q->nbody);
}

static int op_remove(const struct call *c)
{
    const struct version *v;
    int err = resolve(c, c->q->name, &v);
    if (err < 0)
        return err;
    char name[16];
    snprintf(name, sizeof name, "v%u", v->number);
    version_unref(v);
    err = repo_remove(c->repo, c->who, name, (c->q->flags & REQUEST_FORCE) != 0);
    if (err == 0)
        out_str(c->ret, name);
    return err;
}

/* ---- texts ---- */

static int op_versions(const struct call *c)
{
    struct out o = {0};
    int err = describe_versions(c->store, c->q->name, (c->q->flags & REQUEST_LINEAGE) != 0, &o);
    if (err < 0) {
        out_fini(&o);
        return err;
    }
    return give_out(c, &o);
}

static int op_usage(const struct call *c)
{
    return describe_usage(c->store, c->ret);
}

static int op_list(const struct call *c)
{
    struct out o = {0};
    int err = describe_directory(c->repo, c->q->name, (c->q->flags & REQUEST_LONG) != 0, &o);
    if (err < 0) {
        out_fini(&o);
        return err;
    }
    return give_out(c, &o);
}

#define PIECE (1u << 20) /* bytes read at a time: a multiple of a chunk's usual length */

static int cat(const struct call *c, const char *path)
{
    struct place p = {0};
    struct place_attr at;
    struct content *content = NULL;
    char *buf = NULL;
    int err = tree_walk(c->repo, path, 1, &p);
    if (err < 0)
        return err;
    err = tree_attr(c->repo, &p, &at);
    if (err == 0 && at.kind == PLACE_DIR) {
        err = fail(-EISDIR, "is a directory");
        fail_hint("modelfs ls %s '%s'", store_path(c->store), path);
    }
    if (err == 0)
        err = content_open(c->repo, &p, c->to->stop, c->to->ctx, &content);
    if (err == 0 && !(buf = malloc(PIECE)))
        err = -ENOMEM;
    for (uint64_t off = 0; err == 0;) {
        int64_t n = content_read(content, off, buf, PIECE);
        if (n <= 0) {
            err = (int)n;
            break;
        }
        off += (uint64_t)n;
        err = give(c, buf, (size_t)n);
    }
    free(buf);
    content_close(content);
    place_fini(&p);
    return err;
}

static int op_cat(const struct call *c)
{
    return cat(c, c->q->name);
}

static int cat_info(const struct call *c, const char *file)
{
    const struct version *v;
    int err = resolve(c, c->q->name, &v);
    if (err < 0)
        return err;
    char path[64];
    snprintf(path, sizeof path, "info/v%u/%s", v->number, file);
    version_unref(v);
    return cat(c, path);
}

static int op_record(const struct call *c)
{
    const struct version *v;
    struct out body = {0}, o = {0};
    int err = resolve(c, c->q->name, &v);
    if (err < 0)
        return err;
    record_body_format(v, &body);
    wire_put_digest(&o, &v->digest);
    record_version_format(body.p, body.n, v, &(struct record_extra){.since = {{0}}}, &o);
    if (out_error(&body))
        o.err = out_error(&body);
    out_fini(&body);
    version_unref(v);
    return give_out(c, &o);
}

static int op_show(const struct call *c)
{
    return cat_info(c, "summary.txt");
}

static int op_card(const struct call *c)
{
    return cat_info(c, "card.txt");
}

static int op_diff(const struct call *c)
{
    const struct version *a = NULL, *b = NULL;
    char from[REQUEST_STRING];
    const char *dots = strstr(c->q->name, "..");
    if (!dots || dots == c->q->name || !dots[2])
        return fail(-EINVAL, "not a pair A..B of versions");
    snprintf(from, sizeof from, "%.*s", (int)(dots - c->q->name), c->q->name);
    int err = resolve(c, from, &a);
    if (err == 0)
        err = resolve(c, dots + 2, &b);
    int differ = 0;
    if (err == 0)
        err = differ = describe_differ(c->store, a, b);
    if (err >= 0) {
        char path[64];
        snprintf(path, sizeof path, "diff/v%u..v%u/summary.txt", a->number, b->number);
        err = cat(c, path);
    }
    if (err == 0)
        wire_put_u8(c->ret, (uint8_t)differ);
    version_unref(a);
    version_unref(b);
    return err;
}

/* ---- long work ---- */

/* eval/predict.py runs as whoever runs this process: the others have no say in that. */
static int may_allow(const struct call *c)
{
    if (c->who->uid == geteuid() || c->who->uid == 0)
        return 0;
    return fail(-EPERM, "--allow-python is for the user who has the repo mounted");
}

static int op_evaluate(const struct call *c)
{
    const struct version *v;
    const struct eval_set *set = NULL;
    struct eval_result *result = NULL;
    struct eval *e = repo_eval(c->repo);
    int err = resolve(c, c->q->name, &v);
    if (err < 0)
        return err;
    err = eval_view(e, &set);
    if (err == 0 && c->q->flags & REQUEST_PYTHON && (err = may_allow(c)) == 0)
        runner_allow_python(RUNNER_HERE, 1);
    if (err == 0)
        err = eval_version(e, v, EVAL_COMPUTE, set, progressed, (void *)(uintptr_t)c, &result);
    runner_allow_python(RUNNER_HERE, 0);
    if (err >= 0)
        err = repo_ratchet(c->repo, c->who, v);
    if (err >= 0)
        err = describe_evaluation(result, c->ret);
    eval_result_free(result);
    if (set)
        eval_view_unref(set);
    version_unref(v);
    return err;
}

static int op_capture(const struct call *c)
{
    const struct version *v;
    struct eval_captured got;
    int err = resolve(c, c->q->name, &v);
    if (err < 0)
        return err;
    err = repo_capture(c->repo, c->who, v, c->q->body, c->q->nbody, progressed, (void *)(uintptr_t)c, &got);
    if (err >= 0)
        err = describe_capture(v, &got, c->ret);
    version_unref(v);
    return err;
}

static int op_erase(const struct call *c)
{
    struct eval_erased done;
    int err = repo_erase(c->repo, c->who, c->q->name, c->q->other, &done);
    if (err == 0) {
        wire_put_u64(c->ret, done.rows);
        wire_put_u64(c->ret, done.lines);
    }
    return err;
}

/* Gathers the lines, since the store may hold a lock when it says them. */
struct check {
    struct out lines;
    const struct call *call;
};

static int check_damaged(void *ctx, const char *line)
{
    struct check *k = ctx;
    out_str(&k->lines, line);
    out_char(&k->lines, '\n');
    return 0;
}

static int check_progressed(void *ctx, uint64_t done, uint64_t all)
{
    struct check *k = ctx;
    return progressed((void *)(uintptr_t)k->call, done, all);
}

static int op_check(const struct call *c)
{
    struct check k = {.call = c};
    int found = store_check(c->store, (double)c->q->flags / 1e6, check_damaged, check_progressed, &k);
    if (found < 0) {
        out_fini(&k.lines);
        return found;
    }
    wire_put_u64(c->ret, (uint64_t)found);
    return give_out(c, &k.lines);
}

static int op_gc(const struct call *c)
{
    struct gc_result g;
    const struct version *v = NULL;
    int err = *c->q->name ? resolve(c, c->q->name, &v) : 0;
    if (err == 0)
        err = gc_run(c->store, (c->q->flags & REQUEST_DRY) != 0, v ? &v->digest : NULL, v != NULL, progressed,
                     (void *)(uintptr_t)c, &g);
    version_unref(v);
    if (err < 0)
        return err;
    wire_put_u64(c->ret, g.chunks);
    wire_put_u64(c->ret, g.bytes);
    wire_put_u64(c->ret, g.orphans);
    wire_put_u64(c->ret, g.records);
    wire_put_u64(c->ret, g.rewritten);
    return 0;
}

static int export_file(const struct call *c, const struct manifest_file *f, char *buf)
{
    struct reply_file head = {f->path, f->mode, f->mtime_ns, f->size, f->sha256};
    if (strlen(f->path) > REQUEST_STRING)
        return fail(-ENAMETOOLONG, "%.64s…: the path is longer than %u bytes", f->path, REQUEST_STRING);
    int err = c->to->file ? c->to->file(c->to->ctx, &head) : 0;
    for (uint64_t off = 0; err == 0 && off < f->size;) {
        int64_t n = file_read(c->store, f, off, buf, PIECE);
        if (n <= 0)
            return n < 0 ? (int)n : fail(-EBADMSG, "%s ends at byte %llu", f->path, (unsigned long long)off);
        off += (uint64_t)n;
        err = give(c, buf, (size_t)n);
    }
    return err;
}

static int op_export(const struct call *c)
{
    const struct version *v;
    const struct manifest *m = NULL;
    int err = resolve(c, c->q->name, &v);
    if (err < 0)
        return err;
    char *buf = malloc(PIECE);
    err = buf ? manifest_get(c->store, v, &m) : -ENOMEM;
    for (size_t i = 0; err == 0 && i < m->nfiles; i++)
        err = export_file(c, &m->files[i], buf);
    if (err == 0)
        out_printf(c->ret, "v%u", v->number);
    if (m)
        manifest_unref(c->store, m);
    free(buf);
    version_unref(v);
    return err;
}

static int (*const ops[REQUEST_OP_MAX])(const struct call *c) = {
    [REQUEST_HAS] = op_has,           [REQUEST_RESERVE] = op_reserve, [REQUEST_COMMIT] = op_commit,
    [REQUEST_TAG] = op_tag,           [REQUEST_APPEND] = op_append,   [REQUEST_IMPORT] = op_import,
    [REQUEST_CONFIG] = op_config,     [REQUEST_REMOVE] = op_remove,   [REQUEST_CHECK] = op_check,
    [REQUEST_VERSIONS] = op_versions, [REQUEST_LIST] = op_list,       [REQUEST_CAT] = op_cat,
    [REQUEST_CARD] = op_card,         [REQUEST_SHOW] = op_show,       [REQUEST_DIFF] = op_diff,
    [REQUEST_EVALUATE] = op_evaluate, [REQUEST_EXPORT] = op_export,   [REQUEST_USAGE] = op_usage,
    [REQUEST_CAPTURE] = op_capture,   [REQUEST_ERASE] = op_erase,     [REQUEST_BASES] = op_bases,
    [REQUEST_CHUNKS] = op_chunks,     [REQUEST_GC] = op_gc,           [REQUEST_RECORD] = op_record,
};

int owner_answer(struct repo *r, const struct who *w, const struct request *q, const struct reply *to,
                 struct out *ret)
{
    if ((unsigned)q->op >= REQUEST_OP_MAX || !ops[q->op])
        return fail(-EPROTO, "unknown request %u", (unsigned)q->op);
    struct request full = *q;
    full.name = q->name ? q->name : "";
    full.other = q->other ? q->other : "";
    full.body = q->body ? q->body : "";
    struct call c = {r, repo_store(r), w, &full, to, ret};
    int err = ops[q->op](&c);
    return err < 0 ? err : out_error(ret);
}
