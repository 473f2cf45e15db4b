/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/fail.h"
#include "store/version.h"
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/lineage.h"
#include "tools/progress.h"
#include "tools/say.h"
#include "tools/stop.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct commit_args {
    const char *repo, *message, *author, *tag, *lineage;
    const char *const *paths;
    size_t npaths;
    const char **parents; /* (nparents) as given */
    size_t nparents;
    int64_t time_ns;
    enum prepare_profile profile;
    int json;
    unsigned flags;
};

static int show(void *ctx, const struct prepare_progress *p)
{
    progress_show(ctx, p->done, p->all);
    return stop_asked(NULL);
}

/* "1732438923" or "1732438923.5": seconds since 1970 */
static int parse_time(const char *s, int64_t *ret)
{
    char *end;
    errno = 0;
    long long seconds = strtoll(s, &end, 10);
    double part = *end == '.' ? strtod(end, &end) : 0;
    if (errno || end == s || *end || seconds < -9000000000 || seconds > 9000000000)
        return -EINVAL;
    *ret = seconds * 1000000000 + (int64_t)(part * 1e9);
    return 0;
}

/* --time, else SOURCE_DATE_EPOCH (reproducible-builds.org), else now. */
static int set_time(struct commit_args *c, const char *given)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    if (given)
        return parse_time(given, &c->time_ns) == 0 ? 0
                                                   : say_usage("--time %s: not seconds since 1970", given);
    if (epoch && *epoch)
        return parse_time(epoch, &c->time_ns) == 0
                   ? 0
                   : say_usage("SOURCE_DATE_EPOCH=%s: not seconds since 1970", epoch);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    c->time_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
    return 0;
}

/* The parents' digests, and the code the first of them was made with. */
static int find_parents(struct client *c, const struct commit_args *a, struct digest *ret, char *ret_commit,
                        size_t size)
{
    const char *newest = "latest";
    const char *const *names = a->nparents ? a->parents : &newest;
    size_t n = a->nparents ? a->nparents : 1;
    for (size_t i = 0; i < n; i++) {
        json_t *all;
        int err = client_versions(c, names[i], REQUEST_LINEAGE, &all);
        if (err == -ENOENT && !a->nparents)
            return 0; /* the first version */
        if (err < 0)
            return err;
        const json_t *v = json_array_get(all, 0), *code = NULL;
        const char *hex = json_string_value(json_object_get(v, "digest"));
        code = json_object_get(json_object_get(json_object_get(v, "lineage"), "code"), "commit");
        const char *commit = json_string_value(json_object_get(code, "v"));
        err = hex && hash_parse(hex, &ret[i]) == 0 ? 0 : fail(-EPROTO, "the owner's answer has no digest");
        if (i == 0 && commit)
            snprintf(ret_commit, size, "%s", commit);
        json_decref(all);
        if (err < 0)
            return err;
    }
    return 0;
}

/* A tag that points somewhere is moved by `tag`, on purpose, never by the way. */
static int check_tag(struct client *c, const char *tag)
{
    json_t *all;
    int err = tag_valid(tag);
    if (err == 0)
        err = client_versions(c, tag, 0, &all);
    if (err < 0)
        return err == -ENOENT ? 0 : err;
    err = fail(-EEXIST, "tag %s is taken by %s", tag,
               json_string_value(json_object_get(json_array_get(all, 0), "version")));
    fail_hint("commit without --tag, then: modelfs tag %s %s latest", client_path(c), tag);
    json_decref(all);
    return err;
}

static void tell(const struct commit_args *a, const struct commit_result *r)
{
    char hex[HASH_HEX], bytes[SAY_SIZE], fresh[SAY_SIZE], stored[SAY_SIZE];
    hash_hex(&r->digest, hex);
    if (a->json)
        printf("{\"version\":\"v%u\",\"digest\":\"%s\",\"files\":%llu,\"bytes\":%llu,\"bytes_new\":%llu,"
               "\"stored_new\":%llu,\"unchanged\":%s}\n",
               r->number, hex, (unsigned long long)r->files, (unsigned long long)r->bytes,
               (unsigned long long)r->bytes_new, (unsigned long long)r->stored_new,
               r->unchanged ? "true" : "false");
    else
        printf("v%u  sha256:%.12s  %llu file%s, %s, %s new (%s stored)%s\n", r->number, hex,
               (unsigned long long)r->files, r->files == 1 ? "" : "s", say_size(r->bytes, bytes),
               say_size(r->bytes_new, fresh), say_size(r->stored_new, stored),
               r->unchanged ? ", the same files as its parent" : "");
}

static int apply(struct client *c, const struct out *doc, struct commit_result *ret)
{
    struct out result = {0};
    struct request q = {.op = REQUEST_COMMIT, .body = doc->p, .nbody = doc->n};
    int err = client_call(c, &q, NULL, &result);
    if (err == 0)
        err = request_parse_commit(wire_read(result.p, result.n), ret);
    out_fini(&result);
    return err;
}

/* Both halves once. -ESTALE: what the first leaned on (the owner, a chunk) was gone when the second came. */
static int attempt(struct client *c, const struct prepare *p, struct out *doc, struct commit_result *ret)
{
    struct prepare_owner owner = client_prepare_owner(c);
    out_reset(doc);
    int err = prepare_run(p, &owner, doc);
    if (err == 0 && (err = apply(c, doc, ret)) < 0)
        prepare_discard(p->repo, doc->p, doc->n);
    return err;
}

static int commit(struct client *c, const struct commit_args *a, struct digest *parents)
{
    struct out lineage = {0}, doc = {0};
    struct progress bar;
    struct commit_result result;
    char parent_commit[80] = "";
    int err = find_parents(c, a, parents, parent_commit, sizeof parent_commit);
    if (err == 0 && a->tag)
        err = check_tag(c, a->tag);
    if (err == 0)
        err = lineage_gather(&(struct lineage){a->paths, a->npaths, a->lineage,
                                               *parent_commit ? parent_commit : NULL, a->author, a->time_ns},
                             &lineage);
    if (err == 0) {
        progress_begin(&bar, "commit", PROGRESS_BYTES);
        struct prepare p = {.repo = client_path(c),
                            .paths = a->paths,
                            .npaths = a->npaths,
                            .message = a->message,
                            .author = a->author ? a->author : lineage_user(),
                            .time_ns = a->time_ns,
                            .lineage = out_cstr(&lineage),
                            .parents = parents,
                            .nparents = a->nparents,
                            .auto_parent = 1,
                            .tag = a->tag,
                            .profile = a->profile,
                            .progress = show,
                            .progress_ctx = &bar};
        err = attempt(c, &p, &doc, &result);
        for (int again = 0; err == -ESTALE && again < 3; again++)
            err = attempt(c, &p, &doc, &result);
        progress_end(&bar);
    }
    if (err == 0)
        tell(a, &result);
    out_fini(&lineage);
    out_fini(&doc);
    return err;
}

static int run_with(struct commit_args *c)
{
    struct client *client;
    struct digest *parents = calloc(c->nparents + 1, sizeof *parents);
    int err = parents ? client_open(c->repo, c->flags, &client) : -ENOMEM;
    int code;
    if (err < 0) {
        code = say_fail_open(c->repo, err);
    } else {
        err = commit(client, c, parents);
        code = err < 0 ? say_fail(c->paths[0], err) : SAY_DONE;
        client_close(client);
    }
    free(parents);
    return code;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {{"message", required_argument, NULL, 'm'},
                                          {"parent", required_argument, NULL, 'p'},
                                          {"tag", required_argument, NULL, 't'},
                                          {"author", required_argument, NULL, 'a'},
                                          {"lineage", required_argument, NULL, 'l'},
                                          {"time", required_argument, NULL, 'T'},
                                          {"profile", required_argument, NULL, 'P'},
                                          {"json", no_argument, NULL, 'j'},
                                          ARGS_COMMON,
                                          ARGS_END};
    struct args a = {argc, argv, ":m:", longs, 0, 0};
    struct commit_args c = {0};
    const char *when = NULL, *profile = "best";
    int n, code;
    c.parents = calloc((size_t)argc, sizeof *c.parents);
    if (!c.parents)
        return say_fail(NULL, -ENOMEM);
    for (int o; (o = args_next(&a)) != -1;)
        switch (o) {
        case 'm':
            c.message = optarg;
            break;
        case 'p':
            c.parents[c.nparents++] = optarg;
            break;
        case 't':
            c.tag = optarg;
            break;
        case 'a':
            c.author = optarg;
            break;
        case 'l':
            c.lineage = optarg;
            break;
        case 'T':
            when = optarg;
            break;
        case 'P':
            profile = optarg;
            break;
        default:
            c.json = 1;
        }
    char **op = args_operands(&a, 2, -1, &n);
    code = a.bad;
    if (!code && !c.message)
        code = say_usage("needs a message: -m MSG");
    if (!code && strcmp(profile, "best") != 0 && strcmp(profile, "fast") != 0)
        code = say_usage("--profile %s: best or fast", profile);
    c.profile = strcmp(profile, "fast") == 0 ? PREPARE_FAST : PREPARE_BEST;
    if (!code)
        code = set_time(&c, when);
    if (!code) {
        c.repo = op[0];
        c.paths = (const char *const *)(op + 1);
        c.npaths = (size_t)n - 1;
        c.flags = a.flags;
        code = run_with(&c);
    }
    free(c.parents);
    return code;
}

const struct command cmd_commit = {
    "commit", "REPO PATH... -m MSG [options]", "keep files and directories as the next version",
    "A directory's content becomes the top of the version; a file keeps its name.\n\n"
    "  -m, --message MSG    what this version is (required)\n"
    "  --parent VERSION     what it was made from; may be repeated (default: the newest)\n"
    "  --tag TAG            tag it, if the tag is free\n"
    "  --author NAME        who made it (default: you)\n"
    "  --lineage FILE       facts about data, code, model, hardware as JSON\n"
    "  --time SECONDS       since 1970 (default: SOURCE_DATE_EPOCH, else now)\n"
    "  --profile PROFILE    best: fewest bytes (default); fast: quicker to read, some 10 % more bytes\n"
    "  --json               the result as JSON\n" ARGS_NO_WAIT,
    run};
