/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle's content into a repo. A version is committed again out of its files, and counts only when that
 * gives the digest it came under. What the repo has already stays as it is. */
#include "store/base/fail.h"
#include "store/record.h"
#include "store/sweep.h"
#include "tools/args.h"
#include "tools/bundle.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/say.h"
#include "tools/table.h"
#include "tools/unpack.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct unbundle {
    struct client *c;
    /* the version at work; NULL: none */
    struct version *version;
    int there; /* it is in the repo: its files are passed over */
    struct unpack *unpack;
    char dir[4096]; /* "": none */
};

static void drop(struct unbundle *u)
{
    unpack_close(u->unpack);
    u->unpack = NULL;
    if (*u->dir)
        sweep_tree(u->dir);
    *u->dir = 0;
    version_unref(u->version);
    u->version = NULL;
}

/* Both halves of a commit; the digest is looked at between them. */
static int commit(struct unbundle *u)
{
    const char *paths[] = {u->dir};
    struct out doc = {0}, result = {0};
    struct digest d;
    struct commit_result r;
    struct prepare_owner owner = client_prepare_owner(u->c);
    struct prepare p = {.repo = client_path(u->c),
                        .paths = paths,
                        .npaths = 1,
                        .message = u->version->message,
                        .author = u->version->author,
                        .time_ns = u->version->time_ns,
                        .lineage = u->version->lineage,
                        .parents = u->version->parents,
                        .nparents = u->version->nparents,
                        .foreign = 1};
    int err = prepare_run(&p, &owner, &doc);
    if (err == 0 && (err = prepare_digest(doc.p, doc.n, &d)) == 0 && !hash_equal(&d, &u->version->digest))
        err = fail(-EBADMSG, "its files do not give the version that they came under");
    struct request q = {.op = REQUEST_COMMIT, .body = doc.p, .nbody = doc.n};
    if (err == 0 && (err = client_call(u->c, &q, NULL, &result)) == 0 &&
        (err = request_parse_commit(wire_read(result.p, result.n), &r)) == 0) {
        char hex[HASH_HEX];
        hash_hex(&r.digest, hex);
        printf("v%u  %.12s\n", r.number, hex);
    }
    if (err < 0 && doc.n)
        prepare_discard(p.repo, doc.p, doc.n);
    out_fini(&doc);
    out_fini(&result);
    return err;
}

static int finish(struct unbundle *u)
{
    int err = 0;
    if (u->version && !u->there && (err = unpack_finish(u->unpack)) == 0)
        err = commit(u);
    drop(u);
    return err;
}

static int begin(struct unbundle *u, const void *p, size_t n)
{
    struct digest d;
    struct wire w = wire_read(p, n);
    char hex[HASH_HEX];
    json_t *known = NULL;
    const char *tmp = getenv("TMPDIR");
    int err = finish(u);
    wire_digest(&w, &d);
    if (err == 0)
        err = record_version_parse(&d, w.p, wire_left(&w), &u->version, NULL);
    if (err < 0)
        return err;
    hash_hex(&d, hex);
    u->there = client_versions(u->c, hex, 0, &known) == 0;
    if (u->there)
        printf("%s  %.12s  was there\n",
               json_string_value(json_object_get(json_array_get(known, 0), "version")), hex);
    json_decref(known);
    if (u->there)
        return 0;
    snprintf(u->dir, sizeof u->dir, "%s/modelfs-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(u->dir)) {
        err = fail(-errno, "%s: %s", u->dir, strerror(errno));
        *u->dir = 0;
        return err;
    }
    return unpack_open(u->dir, &u->unpack);
}

static int take_file(struct unbundle *u, const void *p, size_t n)
{
    struct arena a = {0};
    struct reply_file f;
    int err =
        u->version ? request_parse_file(wire_read(p, n), &a, &f) : fail(-EBADMSG, "a file of no version");
    if (err == 0 && !u->there)
        err = unpack_file(u->unpack, &f);
    arena_fini(&a);
    return err;
}

static int take_data(struct unbundle *u, const void *p, size_t n)
{
    if (!u->version)
        return fail(-EBADMSG, "data of no file");
    return u->there ? 0 : unpack_data(u->unpack, p, n);
}

/* A rule or a spec that this repo has already is not changed by what somebody sent. */
static int take_config(struct unbundle *u, const void *p, size_t n)
{
    struct wire w = wire_read(p, n);
    struct out path = {0}, now = {0};
    size_t k;
    const char *s = wire_bytes(&w, &k);
    out_str(&path, "eval/");
    out_write(&path, s, k);
    struct request q = {.op = REQUEST_CAT, .name = out_cstr(&path)};
    int err = w.bad ? fail(-EBADMSG, "a configuration without a name") : client_collect(u->c, &q, &now);
    if (err == 0) {
        if (now.n != wire_left(&w) || memcmp(now.p ? now.p : "", w.p, now.n) != 0)
            printf("%s  is another here, and stays\n", out_cstr(&path));
    } else if (err == -ENOENT) {
        struct request put = {
            .op = REQUEST_CONFIG, .name = out_cstr(&path) + 5, .body = w.p, .nbody = wire_left(&w)};
        if ((err = client_call(u->c, &put, NULL, NULL)) == 0)
            printf("%s\n", out_cstr(&path));
    }
    out_fini(&path);
    out_fini(&now);
    return err;
}

static int append(struct unbundle *u, const struct request *q, const char *what)
{
    struct out result = {0};
    struct arena a = {0};
    struct request_append r;
    int err = client_call(u->c, q, NULL, &result);
    if (err == 0)
        err = request_parse_append(wire_read(result.p, result.n), &a, &r);
    if (err == 0)
        printf("%s  %llu kept, %llu there already, %llu refused\n", what, (unsigned long long)r.kept,
               (unsigned long long)r.merged, (unsigned long long)r.rejected);
    if (err == 0 && r.rejected)
        say_note(what, "%s", r.first_error);
    arena_fini(&a);
    out_fini(&result);
    return err;
}

static int take_predictions(struct unbundle *u, const void *p, size_t n)
{
    struct wire w = wire_read(p, n);
    struct digest d;
    char hex[HASH_HEX];
    struct out lines = {0};
    wire_digest(&w, &d);
    hash_hex(&d, hex);
    int err = table_to_json("predictions", (const char *)w.p, wire_left(&w), TABLE_PREDICTIONS, &lines);
    struct request q = {.op = REQUEST_IMPORT, .name = hex, .body = lines.p, .nbody = lines.n};
    if (err == 0)
        err = append(u, &q, "predictions");
    out_fini(&lines);
    return err;
}

static int take(void *ctx, enum bundle_type type, const void *p, size_t n)
{
    struct unbundle *u = ctx;
    if (type == BUNDLE_VERSION)
        return begin(u, p, n);
    if (type == BUNDLE_FILE)
        return take_file(u, p, n);
    if (type == BUNDLE_DATA)
        return take_data(u, p, n);
    int err = finish(u);
    struct request rows = {.op = REQUEST_APPEND, .body = p, .nbody = n};
    return err                     ? err
           : type == BUNDLE_CONFIG ? take_config(u, p, n)
           : type == BUNDLE_ROWS   ? append(u, &rows, "rows")
                                   : take_predictions(u, p, n);
}

/* A pipe is read twice as well: by way of a file. */
static int spool(FILE *from, FILE **ret)
{
    char buf[BUNDLE_PIECE];
    FILE *f = tmpfile();
    if (!f)
        return fail(-errno, "%s", strerror(errno));
    for (size_t n; (n = fread(buf, 1, sizeof buf, from)) > 0;)
        if (fwrite(buf, 1, n, f) != n)
            break;
    if (ferror(from) || ferror(f) || fseek(f, 0, SEEK_SET) != 0) {
        fclose(f);
        return fail(-EIO, "%s", strerror(errno));
    }
    *ret = f;
    return 0;
}

static int run_with(struct client *c, const char *path)
{
    struct unbundle u = {.c = c};
    FILE *given = strcmp(path, "-") ? fopen(path, "rbe") : stdin, *f = NULL;
    if (!given)
        return fail(-errno, "%s", strerror(errno));
    int err = spool(given, &f);
    if (given != stdin)
        fclose(given);
    if (err == 0 && (err = bundle_each(f, NULL, NULL)) == 0 && fseek(f, 0, SEEK_SET) == 0) {
        err = bundle_each(f, take, &u);
        if (err == 0)
            err = finish(&u);
        drop(&u);
    }
    if (f)
        fclose(f);
    return err;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":", longs, 0, 0};
    while (args_next(&a) != -1)
        ;
    struct client *c;
    char **op = args_open(&a, 2, 2, NULL, &c);
    if (!op)
        return a.bad;
    int err = run_with(c, op[1]);
    client_close(c);
    return err == -EBADMSG ? (say_fail(op[1], err), SAY_REFUSED) : err < 0 ? say_fail(op[1], err) : SAY_DONE;
}

const struct command cmd_unbundle = {"unbundle", "REPO FILE",
                                     "take what a bundle brings; FILE may be -, and is checked before",
                                     ARGS_NO_WAIT, run};
