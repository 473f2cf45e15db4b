/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/runner.h"
#include "store/base/fail.h"
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static const struct runner_engine *const engines[] = {&runner_onnx, &runner_xgboost, &runner_python};

static atomic_int lacking;

void runner_lack(void)
{
    atomic_store(&lacking, 1);
}

int runner_lacking(void)
{
    return atomic_load(&lacking);
}

static const struct runner_engine *find(enum spec_engine e)
{
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (engines[i]->engine == e)
            return engines[i];
    fail(-ENOTSUP, "no engine \"%s\" runs in this process", spec_engine_name(e));
    return NULL;
}

int runner_open(enum spec_engine e, const struct runner_source *src, struct runner **ret)
{
    const struct runner_engine *engine = find(e);
    int err = engine ? engine->open(src, ret) : -ENOTSUP;
    const char *fingerprint;
    if (engine && err == -ENOTSUP) /* a feature, or all of it? */
        runner_fingerprint(e, &fingerprint);
    return err;
}

void runner_close(struct runner *r)
{
    if (r)
        r->engine->close(r);
}

const struct runner_signature *runner_signature(const struct runner *r)
{
    return &r->sig;
}

int runner_predict(struct runner *r, const json_t *const *inputs, size_t n, struct runner_answer *ret)
{
    memset(ret, 0, n * sizeof *ret);
    int err = r->engine->predict(r, inputs, n, ret);
    for (size_t i = 0; err && i < n; i++)
        runner_answer_fini(&ret[i]);
    return err;
}

void runner_answer_fini(struct runner_answer *a)
{
    free(a->error);
    free(a->values);
    free(a->text);
    *a = (struct runner_answer){0};
}

int runner_check(struct runner *r, const json_t *input)
{
    return r->engine->check(r, input);
}

int runner_fingerprint(enum spec_engine e, const char **ret)
{
    const struct runner_engine *engine = find(e);
    int err = engine ? engine->fingerprint(ret) : -ENOTSUP;
    if (err == -ENOTSUP)
        runner_lack();
    return err;
}

static _Thread_local struct {
    int (*stop)(void *ctx);
    void *ctx;
} asked;

void runner_set_stop(int (*stop)(void *ctx), void *ctx)
{
    asked.stop = stop;
    asked.ctx = ctx;
}

int runner_stop_asked(void *unused)
{
    (void)unused;
    return asked.stop && asked.stop(asked.ctx);
}

const char *runner_isa(void)
{
#if defined __x86_64__
    if (__builtin_cpu_supports("avx512vnni"))
        return "avx512vnni";
    if (__builtin_cpu_supports("avx512f"))
        return "avx512";
    return __builtin_cpu_supports("avx2") ? "avx2" : "x86-64";
#elif defined __aarch64__
    return "aarch64";
#else
    return "other";
#endif
}

void *runner_dlopen(const char *env, const char *dir, const char *so)
{
    char path[PATH_MAX + 512], self[PATH_MAX];
    const char *given = getenv(env);
    if (given && *given)
        return dlopen(given, RTLD_NOW | RTLD_LOCAL);
    /* PREFIX/bin/modelfs finds PREFIX/lib/modelfs; build/release/modelfs and the tests below it find
     * build/deps */
    void *h = NULL;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    for (int up = 0; !h && up < 5; up++) {
        char *slash = strrchr(self, '/');
        if (!slash)
            break;
        *slash = 0;
        snprintf(path, sizeof path, "%s/lib/modelfs/%s", self, so);
        if ((h = dlopen(path, RTLD_NOW | RTLD_LOCAL)))
            break;
        snprintf(path, sizeof path, "%s/deps/%s/lib/%s", self, dir, so);
        h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    return h ? h : dlopen(so, RTLD_NOW | RTLD_LOCAL);
}
