/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The evaluation beside the engine alone, in one process:
 *   eval engine REPO ROWS.jsonl MODEL.onnx   every row of the set by ONNX Runtime's C API, then by modelfs
 *   eval growth REPO ROWS.jsonl              results.csv from nothing; again; after one more row
 * REPO has its versions committed and no rows yet. "The engine alone" is what a program would do that has the
 * rows as arrays in memory already: the same session, one thread, the same batches of 32.
 */
#include "fs/eval/eval.h"
#include "fs/eval/runner.h"
#include "fs/eval/runner_onnx.h"
#include "fs/repo.h"
#include "store/base/fail.h"
#include "tools/input_file.h"
#include <errno.h>
#include <onnxruntime_c_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define ort runner_onnx_lib.api

/* Processor time: what others do on the machine does not count. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void need(int err, const char *what)
{
    if (err >= 0)
        return;
    fprintf(stderr, "eval: %s: %s\n", what, fail_describe(err));
    exit(1);
}

static void need_ort(OrtStatus *s)
{
    need(runner_onnx_said("ONNX Runtime", -EIO, s), "engine");
}

static long peak_mb(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss / 1024;
}

static void append(struct repo *r, const char *p, size_t n)
{
    struct who who;
    struct append_result got;
    who_self(&who);
    need(repo_append_rows(r, &who, EVAL_ROWS, p, n, &got), "rows");
    if (got.rejected)
        need(-EINVAL, got.first_error);
}

/* ---- the engine alone ---- */

struct arrays {           /* rows by equal shapes, one after the other */
    struct feed_value *v; /* (n) */
    size_t n;
};

static size_t bytes_of(const struct feed_port *port, const struct feed_value *v)
{
    return v->count * dtype_size(port->dtype);
}

/* Batches of up to 32 rows in order: the series given to this bench have rows of one shape. */
static double engine_alone(const void *model, size_t len, const struct runner_signature *sig,
                           const struct arrays *a)
{
    const struct feed_port *port = &sig->inputs[0];
    size_t each = bytes_of(port, &a->v[0]);
    char *data = malloc(each * a->n);
    for (size_t i = 0; i < a->n; i++)
        memcpy(data + i * each, a->v[i].data, each);
    double begin = now(), sum = 0;
    OrtSessionOptions *o;
    OrtSession *s;
    need_ort(ort->CreateSessionOptions(&o));
    need_ort(ort->SetIntraOpNumThreads(o, 1));
    need_ort(ort->SetInterOpNumThreads(o, 1));
    need_ort(ort->CreateSessionFromArray(runner_onnx_lib.env, model, len, o, &s));
    for (size_t i = 0; i < a->n; i += RUNNER_BATCH) {
        size_t k = a->n - i < RUNNER_BATCH ? a->n - i : RUNNER_BATCH;
        int64_t shape[FEED_MAX_RANK + 1] = {(int64_t)k};
        OrtValue *in = NULL, *out = NULL;
        float *p;
        for (uint32_t d = 0; d < a->v[0].rank; d++)
            shape[d + 1] = (int64_t)a->v[0].shape[d];
        need_ort(ort->CreateTensorWithDataAsOrtValue(
            runner_onnx_lib.memory, data + i * each, k * each, shape, a->v[0].rank + 1,
            (ONNXTensorElementDataType)(port->dtype == DTYPE_I64 ? 7 : 1), &in));
        need_ort(ort->Run(s, NULL, &port->name, (const OrtValue *const *)&in, 1, &sig->output.name, 1, &out));
        need_ort(ort->GetTensorMutableData(out, (void **)&p));
        sum += (double)p[0];
        ort->ReleaseValue(in);
        ort->ReleaseValue(out);
    }
    double took = now() - begin;
    ort->ReleaseSession(s);
    ort->ReleaseSessionOptions(o);
    free(data);
    return sum != sum ? -1 : took;
}

static void engine(const char *repo, const char *rows, const char *path)
{
    struct out text = {0}, model = {0};
    struct repo *r;
    struct runner *probe;
    const struct eval_set *set;
    const struct version *v;
    struct eval_result *res;
    need(input_file_read(rows, 1u << 30, &text), rows);
    need(input_file_read(path, 1u << 30, &model), path);
    need(repo_open(repo, 0, &r), repo);
    double begin = now();
    append(r, text.p, text.n);
    double added = now() - begin;
    need(eval_view(repo_eval(r), &set), "set");
    need(version_latest(repo_store(r), &v), "version");
    struct runner_source src = {.name = path, .model = model.p, .model_len = model.n};
    need(runner_open(SPEC_ONNX, &src, &probe), path);
    const struct runner_signature *sig = runner_signature(probe);
    struct arrays a = {calloc(set->nrows, sizeof *a.v), set->nrows};
    for (size_t i = 0; i < a.n; i++)
        need(feed_convert(set->rows[i]->input, NULL, &sig->inputs[0], 1, 1, 0, &a.v[i]), "row");
    double alone = engine_alone(model.p, model.n, sig, &a), again;
    begin = now();
    need(eval_version(repo_eval(r), v, EVAL_COMPUTE, set, NULL, NULL, &res), "eval");
    double whole = now() - begin;
    if (res->problem || !res->complete)
        need(-EINVAL, res->problem ? res->problem : "not complete");
    eval_result_free(res);
    again = engine_alone(model.p, model.n, sig, &a);
    alone = again < alone ? again : alone;
    printf("  %zu rows, %.1f MB model: engine alone %.3f s, modelfs %.3f s: overhead %+.1f %%; rows added in "
           "%.2f s; peak %ld MB\n",
           set->nrows, (double)model.n / 1e6, alone, whole, 100 * (whole / alone - 1), added, peak_mb());
}

/* ---- growth ---- */

static double read_results(struct repo *r, size_t *ret_lines)
{
    const struct text *t;
    double begin = now();
    need(repo_text(r, &report_eval_results, NULL, NULL, NULL, NULL, NULL, &t), "results.csv");
    double took = now() - begin;
    *ret_lines = 0;
    for (size_t i = 0; i < t->n; i++)
        *ret_lines += t->p[i] == '\n';
    text_unref(t);
    return took;
}

static void configure(struct repo *r, const char *spec)
{
    struct who who;
    who_self(&who);
    need(repo_config(r, &who, "spec.json", spec, strlen(spec)), "spec");
}

static void growth(const char *repo, const char *rows)
{
    struct out text = {0};
    struct repo *r;
    size_t lines, versions = 0;
    const char *last;
    need(input_file_read(rows, 1u << 30, &text), rows);
    for (last = text.p + text.n - 1; last > text.p && last[-1] != '\n';)
        last--;
    need(repo_open(repo, 0, &r), repo);
    append(r, text.p, (size_t)(last - text.p));
    double nothing = read_results(r, &lines), begin = now();
    append(r, last, text.n - (size_t)(last - text.p));
    double one = now() - begin;
    one += read_results(r, &lines);
    const struct version *v;
    need(version_latest(repo_store(r), &v), "version");
    versions = v->number;
    version_unref(v);
    printf("  %zu versions: results.csv (%zu lines) from nothing %.2f s; after one more row %.3f s: %.0fx; "
           "peak %ld MB\n",
           versions, lines, nothing, one, nothing / one, peak_mb());
    repo_close(r);
    begin = now();
    need(repo_open(repo, 0, &r), repo);
    double opened = now() - begin;
    configure(r, "{\"metrics\":[\"accuracy\",\"log_loss\"]}");
    double first = read_results(r, &lines);
    configure(r, "{\"metrics\":[\"accuracy\"]}");
    double aggregated = read_results(r, &lines);
    printf("  all known: opened in %.2f s, read from the store and aggregated in %.2f s, aggregated again in "
           "%.2f s; peak %ld MB\n",
           opened, first, aggregated, peak_mb());
    repo_close(r);
    out_fini(&text);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "engine") == 0)
        engine(argv[2], argv[3], argv[4]);
    else if (argc == 4 && strcmp(argv[1], "growth") == 0)
        growth(argv[2], argv[3]);
    else
        return fprintf(stderr, "usage: eval engine REPO ROWS MODEL | eval growth REPO ROWS\n"), 2;
    return 0;
}
