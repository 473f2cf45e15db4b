/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/fail.h"
#include "tools/args.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/progress.h"
#include "tools/say.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* What the threads share. */
struct pool {
    pthread_mutex_t lock; /* guards all below, and the terminal */
    const char **names;   /* (n) versions, in the order in which they are begun */
    size_t n, next;
    int json, python;
    int done, skipped;
    int code; /* of the last failure */
    struct progress bar;
    uint64_t computed, left; /* rows, of versions that were begun; what is left of those */
    uint64_t rows;           /* of one version */
};

struct worker {
    struct pool *pool;
    struct client *client;
    pthread_t thread;
    int begun; /* of its version: */
    uint64_t seen, all;
};

/* One bar for all versions: those that are not begun count as if all their rows were missing. */
static void progressed(void *ctx, uint64_t done, uint64_t all, const char *what)
{
    struct worker *w = ctx;
    struct pool *p = w->pool;
    (void)what;
    pthread_mutex_lock(&p->lock);
    if (!w->begun++) {
        w->seen = done;
        p->left += all - done;
        p->rows = all;
    }
    p->computed += done - w->seen;
    p->left -= done - w->seen;
    w->seen = done;
    w->all = all;
    progress_show(&p->bar, p->computed, p->computed + p->left + (p->n - p->next) * p->rows);
    pthread_mutex_unlock(&p->lock);
}

/* With the lock held. */
static void tell(struct pool *p, const char *name, int err, const struct out *line)
{
    json_t *result = NULL;
    if (err == 0)
        err = canon_parse("the owner's answer", line->p, line->n, 8, &result);
    const char *problem = json_string_value(json_object_get(result, "problem"));
    progress_end(&p->bar);
    if (err == 0 && p->json)
        fwrite(line->p, 1, line->n, stdout);
    if (err == 0 && problem) {
        const char *hint = json_string_value(json_object_get(result, "hint"));
        err = fail(-EINVAL, "%s", problem);
        if (hint && !p->skipped) /* once: it is the same for all */
            fail_hint("%s", hint);
    }
    if (err < 0 && p->code != SAY_INTERRUPTED) /* of several that were interrupted one says so */
        p->code = say_fail(name, err);
    *(err < 0 ? &p->skipped : &p->done) += 1;
    json_decref(result);
}

static void *work(void *ctx)
{
    struct worker *w = ctx;
    struct pool *p = w->pool;
    pthread_mutex_lock(&p->lock);
    while (p->next < p->n && p->code != SAY_INTERRUPTED) {
        struct out line = {0};
        const char *name = p->names[p->next++];
        struct reply to = {.progress = progressed, .ctx = w};
        struct request q = {.op = REQUEST_EVALUATE, .name = name, .flags = p->python ? REQUEST_PYTHON : 0};
        w->begun = 0;
        pthread_mutex_unlock(&p->lock);
        int err = client_call(w->client, &q, &to, &line);
        pthread_mutex_lock(&p->lock);
        if (w->begun)
            p->left -= w->all - w->seen;
        tell(p, name, err, &line);
        out_fini(&line);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* The first worker is this thread. */
static int work_all(struct pool *p, struct client *c, const char *repo, size_t jobs)
{
    struct worker *w = calloc(jobs, sizeof *w);
    size_t started = 1;
    int err = 0;
    if (!w)
        return fail(-ENOMEM, "out of memory");
    w[0] = (struct worker){.pool = p, .client = c};
    for (; started < jobs && started < p->n; started++) {
        w[started] = (struct worker){.pool = p};
        if ((err = client_again(c, repo, &w[started].client)) < 0)
            break;
        if (pthread_create(&w[started].thread, NULL, work, &w[started]) != 0) {
            client_close(w[started].client);
            break; /* with fewer it takes longer */
        }
    }
    if (!err)
        work(&w[0]);
    for (size_t i = 1; i < started; i++) {
        pthread_join(w[i].thread, NULL);
        client_close(w[i].client);
    }
    free(w);
    return err;
}

/* The versions given, or all, oldest first. */
static int list(struct client *c, char **given, json_t **ret_all, const char ***ret, size_t *ret_n)
{
    size_t n = 0;
    int err = *given ? 0 : client_versions(c, "", 0, ret_all);
    while (given[n])
        n++;
    if (!*given)
        n = json_array_size(*ret_all);
    const char **names = err ? NULL : calloc(n + 1, sizeof *names);
    if (!names)
        return err ? err : fail(-ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        names[i] = *given
                       ? given[i]
                       : json_string_value(json_object_get(json_array_get(*ret_all, n - 1 - i), "version"));
    *ret = names;
    *ret_n = n;
    return 0;
}

static int parse_jobs(const char *s)
{
    char *end;
    long n = strtol(s, &end, 10);
    return end != s && !*end && n >= 1 && n <= 64 ? (int)n : -1;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {{"json", no_argument, NULL, 'J'},
                                          {"jobs", required_argument, NULL, 'j'},
                                          {"allow-python", no_argument, NULL, 'p'},
                                          ARGS_COMMON,
                                          ARGS_END};
    struct args a = {argc, argv, ":j:", longs, 0, 0};
    struct pool p = {.lock = PTHREAD_MUTEX_INITIALIZER};
    int jobs = 1;
    for (int o; (o = args_next(&a)) != -1;) {
        p.json |= o == 'J';
        p.python |= o == 'p';
        if (o == 'j' && (jobs = parse_jobs(optarg)) < 0)
            return say_usage("-j %s: not a number of versions, 1 to 64", optarg);
    }
    struct client *c;
    char **op = args_open(&a, 1, -1, NULL, &c);
    if (!op)
        return a.bad;
    json_t *all = NULL;
    int err = list(c, op + 1, &all, &p.names, &p.n);
    progress_begin(&p.bar, "eval", PROGRESS_ROWS);
    if (err == 0)
        err = work_all(&p, c, op[0], (size_t)jobs);
    progress_end(&p.bar);
    struct request q = {.op = REQUEST_CAT, .name = "eval/summary.txt"};
    if (err == 0 && !p.json && p.code != SAY_INTERRUPTED)
        err = client_print(c, &q, NULL);
    free(p.names);
    json_decref(all);
    client_close(c);
    if (err < 0)
        return say_fail(op[0], err);
    return p.skipped && p.done && p.code != SAY_INTERRUPTED ? SAY_PARTLY : p.code;
}

const struct command cmd_eval = {
    "eval", "REPO [VERSION...]", "compute the predictions that are missing, then print eval/summary.txt",
    "  -j, --jobs N         so many versions at once (1)\n"
    "  --json               a line of JSON for each version instead of the summary\n"
    "  --allow-python       eval/predict.py, which is code, may run\n" ARGS_NO_WAIT,
    run};
