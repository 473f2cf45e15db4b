/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XGBoost's C API (1.7 and later), from its shared library.
 *
 * A booster takes one f32 row of num_feature numbers; a missing value is NaN. All trees are used, as
 * Booster.predict does. In-place prediction is made under the runner's lock: one booster, one thread at a
 * time.
 */
#include "fs/eval/runner.h"
#include "store/base/arena.h"
#include "store/base/fail.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#if __has_include(<xgboost/c_api.h>)
#include <dlfcn.h>
#include <xgboost/c_api.h>

#define FUNCTIONS(F)                \
    F(XGBGetLastError)              \
    F(XGBoostVersion)               \
    F(XGBSetGlobalConfig)           \
    F(XGBoosterCreate)              \
    F(XGBoosterFree)                \
    F(XGBoosterSetParam)            \
    F(XGBoosterLoadModelFromBuffer) \
    F(XGBoosterGetNumFeature)       \
    F(XGBoosterGetStrFeatureInfo)   \
    F(XGBoosterSaveJsonConfig)      \
    F(XGBoosterPredictFromDense)

#define POINTER(name) __typeof__(name) *name;
static struct {
    FUNCTIONS(POINTER)
    const char *problem;
    char fingerprint[128];
} xgb;
#undef POINTER
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
    setenv("OMP_NUM_THREADS", "1", 0); /* read when the library comes in; 15 ms a call otherwise */
    void *h = runner_dlopen("MODELFS_XGBOOST", "xgboost", "libxgboost.so.0");
    if (!h)
        h = runner_dlopen("MODELFS_XGBOOST", "xgboost", "libxgboost.so");
    if (!h) {
        xgb.problem = "XGBoost (libxgboost.so) is not installed here";
        return;
    }
#define LOOK_UP(name)                             \
    if (!(*(void **)&xgb.name = dlsym(h, #name))) \
        xgb.problem = "the XGBoost library lacks " #name;
    FUNCTIONS(LOOK_UP)
#undef LOOK_UP
    if (xgb.problem)
        return;
    int major, minor, patch;
    xgb.XGBoostVersion(&major, &minor, &patch);
    xgb.XGBSetGlobalConfig("{\"verbosity\": 0}");
    snprintf(xgb.fingerprint, sizeof xgb.fingerprint, "xgboost %d.%d.%d cpu threads=1 isa=%s batch=2..%d",
             major, minor, patch, runner_isa(), RUNNER_BATCH);
}

static int loaded(void)
{
    pthread_once(&once, load);
    if (!xgb.problem)
        return 0;
    int err = fail(-ENOTSUP, "%s", xgb.problem);
    fail_hint("apt-get install libxgboost-dev, or MODELFS_XGBOOST=/path/to/libxgboost.so");
    return err;
}

struct booster {
    struct runner r;
    struct arena arena; /* of the signature */
    BoosterHandle h;
    pthread_mutex_t lock; /* h */
    const struct spec_model *spec;
    const char *name;
};

static int complain(const char *name)
{
    const char *text = xgb.XGBGetLastError(), *line = strchr(text, '\n');
    /* "[21:35:37] ../src/file.cc:123: Check failed: …": the time would make reports differ */
    if (text[0] == '[' && strstr(text, "] "))
        text = strstr(text, "] ") + 2;
    return fail(-EBADMSG, "%s: XGBoost: %.*s", name, (int)(line && line > text ? line - text : 200), text);
}

/* Objective and width from the learner's configuration. */
static int read_config(struct booster *b)
{
    bst_ulong len = 0;
    const char *text = NULL;
    json_t *doc = NULL;
    if (xgb.XGBoosterSaveJsonConfig(b->h, &len, &text))
        return complain(b->name);
    int err = canon_parse(b->name, text, len, 64, &doc);
    if (err)
        return err;
    const json_t *learner = json_object_get(doc, "learner"),
                 *param = json_object_get(learner, "learner_model_param");
    const char *objective = json_string_value(json_object_get(json_object_get(learner, "objective"), "name"));
    const char *classes = json_string_value(json_object_get(param, "num_class"));
    const char *targets = json_string_value(json_object_get(param, "num_target"));
    b->r.sig.objective = arena_strdup(&b->arena, objective ? objective : "");
    long k = classes ? strtol(classes, NULL, 10) : 0, t = targets ? strtol(targets, NULL, 10) : 1;
    int one = !strcmp(objective ? objective : "", "multi:softmax");
    b->r.sig.width = (size_t)(one ? 1 : k > 1 ? k : t > 1 ? t : 1);
    json_decref(doc);
    return b->r.sig.objective ? 0 : -ENOMEM;
}

static int read_features(struct booster *b)
{
    struct runner_signature *sig = &b->r.sig;
    bst_ulong n = 0, named = 0;
    const char **names = NULL;
    if (xgb.XGBoosterGetNumFeature(b->h, &n) ||
        xgb.XGBoosterGetStrFeatureInfo(b->h, "feature_name", &named, &names))
        return complain(b->name);
    if (n > INT32_MAX || (named && named != n))
        return fail(-EBADMSG, "%s: %llu features, %llu names", b->name, (unsigned long long)n,
                    (unsigned long long)named);
    sig->nfeatures = n;
    sig->inputs = arena_alloc(&b->arena, sizeof *sig->inputs);
    if (!sig->inputs || (named && !(sig->features = arena_array(&b->arena, named, sizeof *sig->features))))
        return -ENOMEM;
    for (size_t i = 0; i < named; i++)
        if (!(sig->features[i] = arena_strdup(&b->arena, names[i])))
            return -ENOMEM;
    sig->inputs[0] =
        (struct feed_port){.name = "x", .dtype = DTYPE_F32, .rank = 2, .shape = {-1, (int64_t)n}};
    sig->ninputs = 1;
    sig->output = (struct feed_port){
        .name = "prediction", .dtype = DTYPE_F32, .rank = 2, .shape = {-1, (int64_t)sig->width}};
    sig->producer = "";
    return 0;
}

static void booster_close(struct runner *r)
{
    struct booster *b = (struct booster *)r;
    if (b->h)
        xgb.XGBoosterFree(b->h);
    pthread_mutex_destroy(&b->lock);
    arena_fini(&b->arena);
    free(b);
}

static int booster_open(const struct runner_source *src, struct runner **ret)
{
    int err = loaded();
    if (err)
        return err;
    if (src->ntensors)
        return fail(-EINVAL, "%s: a booster takes no tensors", src->name);
    struct booster *b = calloc(1, sizeof *b);
    if (!b)
        return -ENOMEM;
    b->r.engine = &runner_xgboost;
    b->spec = src->spec;
    pthread_mutex_init(&b->lock, NULL);
    b->name = arena_strdup(&b->arena, src->name);
    if (!b->name)
        err = -ENOMEM;
    else if (xgb.XGBoosterCreate(NULL, 0, &b->h) ||
             xgb.XGBoosterLoadModelFromBuffer(b->h, src->model, src->model_len) ||
             xgb.XGBoosterSetParam(b->h, "nthread", "1"))
        err = complain(b->name);
    if (!err)
        err = read_config(b);
    if (!err)
        err = read_features(b);
    if (err)
        booster_close(&b->r);
    else
        *ret = &b->r;
    return err;
}

/* Does the row speak of the features one by one? Otherwise it is one array, in order. */
static int by_name(const struct booster *b, const json_t *input)
{
    const struct runner_signature *sig = &b->r.sig;
    for (size_t i = 0; b->spec && i < b->spec->ninputs; i++)
        if (!strcmp(b->spec->inputs[i].name, "x"))
            return 0;
    for (size_t i = 0; sig->features && i < sig->nfeatures; i++)
        if (feed_field(input, sig->features[i]))
            return 1;
    return sig->features && b->spec && b->spec->ninputs;
}

static int features(const struct booster *b, const json_t *input, float *ret)
{
    const struct runner_signature *sig = &b->r.sig;
    struct feed_value v;
    if (!by_name(b, input)) {
        int err = feed_convert(input, b->spec, &sig->inputs[0], 1, 1, 1, &v);
        if (err)
            return err;
        memcpy(ret, v.data, sig->nfeatures * sizeof *ret);
        free(v.data);
        return 0;
    }
    for (size_t i = 0; i < sig->nfeatures; i++) {
        struct feed_port port = {.name = sig->features[i], .dtype = DTYPE_F32};
        int err = feed_convert(input, b->spec, &port, 0, 0, 1, &v);
        if (err)
            return err;
        memcpy(&ret[i], v.data, sizeof *ret);
        free(v.data);
    }
    return 0;
}

/* k rows in x (k, nfeatures), k >= 2; the answer is in the library's memory until the next call. */
static int run(struct booster *b, const float *x, size_t k, const float **ret, size_t *ret_width)
{
    static const char config[] = "{\"type\":0,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,"
                                 "\"strict_shape\":true,\"cache_id\":0,\"missing\":NaN}";
    char array[192];
    snprintf(array, sizeof array,
             "{\"data\":[%llu,true],\"shape\":[%zu,%zu],\"typestr\":\"<f4\",\"version\":3}",
             (unsigned long long)(uintptr_t)x, k, b->r.sig.nfeatures);
    const bst_ulong *shape;
    bst_ulong rank;
    if (xgb.XGBoosterPredictFromDense(b->h, array, config, NULL, &shape, &rank, ret))
        return complain(b->name);
    size_t width = 1;
    for (size_t i = 1; i < rank; i++)
        width *= shape[i];
    if (rank < 1 || shape[0] != k || width == 0)
        return fail(-EBADMSG, "%s: XGBoost answered with an unexpected shape", b->name);
    *ret_width = width;
    return 0;
}

static int answer(struct runner_answer *a, const float *p, size_t width)
{
    a->width = width;
    if (!(a->values = calloc(width, sizeof *a->values)))
        return -ENOMEM;
    for (size_t i = 0; i < width; i++)
        a->values[i] = (double)p[i];
    return 0;
}

static int booster_predict(struct runner *r, const json_t *const *inputs, size_t n, struct runner_answer *ret)
{
    struct booster *b = (struct booster *)r;
    size_t nf = r->sig.nfeatures, at[RUNNER_BATCH];
    float *x = calloc(RUNNER_BATCH * (nf ? nf : 1), sizeof *x);
    int err = x ? 0 : -ENOMEM;
    for (size_t i = 0; !err && i < n;) {
        size_t k = 0;
        for (; i < n && k < RUNNER_BATCH; i++) {
            int bad = features(b, inputs[i], x + k * nf);
            if (!bad)
                at[k++] = i;
            else if (bad == -ENOMEM || !(ret[i].error = strdup(fail_describe(bad))))
                err = -ENOMEM;
        }
        if (err || k == 0)
            continue;
        size_t rows = k, width = 0;
        if (k == 1)
            memcpy(x + nf, x, nf * sizeof *x), rows = 2;
        const float *p = NULL;
        pthread_mutex_lock(&b->lock);
        err = run(b, x, rows, &p, &width);
        for (size_t j = 0; !err && j < k; j++)
            err = answer(&ret[at[j]], p + j * width, width);
        pthread_mutex_unlock(&b->lock);
    }
    free(x);
    return err;
}

static int booster_check(struct runner *r, const json_t *input)
{
    float *x = calloc(r->sig.nfeatures ? r->sig.nfeatures : 1, sizeof *x);
    int err = x ? features((struct booster *)r, input, x) : -ENOMEM;
    free(x);
    return err;
}

static int booster_fingerprint(const char **ret)
{
    int err = loaded();
    if (!err)
        *ret = xgb.fingerprint;
    return err;
}

const struct runner_engine runner_xgboost = {SPEC_XGBOOST,  booster_open,  booster_predict,
                                             booster_check, booster_close, booster_fingerprint};

#else

static int absent_open(const struct runner_source *src, struct runner **ret)
{
    (void)src, (void)ret;
    return fail(-ENOTSUP, "this modelfs was built without XGBoost's header (libxgboost-dev)");
}
static int absent_fingerprint(const char **ret)
{
    (void)ret;
    return absent_open(NULL, NULL);
}
const struct runner_engine runner_xgboost = {SPEC_XGBOOST, absent_open, NULL, NULL, NULL, absent_fingerprint};

#endif
