/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ONNX Runtime's C API, version 21 (releases 1.21 and later), from its shared library; CPU, one thread.
 */
#include "fs/eval/runner_onnx.h"
#include "fs/eval/weights.h"
#include "store/base/fail.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#if __has_include(<onnxruntime_c_api.h>)
#include <dlfcn.h>
#include <onnxruntime_c_api.h>

#define ort       runner_onnx_lib
#define said      runner_onnx_said
#define API       21
#define MAX_FIXED 1024 /* rows of a graph with a fixed batch */

struct runner_onnx_lib runner_onnx_lib;
static pthread_once_t once = PTHREAD_ONCE_INIT;

int runner_onnx_said(const char *name, int err, OrtStatus *s)
{
    if (!s)
        return 0;
    char text[400];
    snprintf(text, sizeof text, "%s", ort.api->GetErrorMessage(s));
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20)
            *c = ' ';
    ort.api->ReleaseStatus(s);
    return fail(err, "%s: ONNX Runtime: %s", name, text);
}

/* Debian 13's ONNX Runtime registers its operators twice and tells stderr so, in a thousand lines, when the
 * first session is made. Hence one is made at once, of y = Identity(x), while stderr is nowhere; what goes
 * wrong comes back as a status. */
static OrtStatus *first_session(void)
{
    static const char model[] =
        "\10\7:7\n\20\n\1x\22\1y\"\10Identity\22\1gZ\17\n\1x\22\n\n\10\10\1\22\4\n\2\10\1"
        "b\17\n\1y\22\n\n\10\10\1\22\4\n\2\10\1B\4\n\0\20\r";
    OrtSessionOptions *o = NULL;
    OrtSession *session = NULL;
    OrtStatus *status = ort.api->CreateSessionOptions(&o);
    if (!status)
        status = ort.api->SetIntraOpNumThreads(o, 1);
    if (!status)
        status = ort.api->CreateSessionFromArray(ort.env, model, sizeof model - 1, o, &session);
    if (session)
        ort.api->ReleaseSession(session);
    if (o)
        ort.api->ReleaseSessionOptions(o);
    return status;
}

/* Returns what stderr_back takes. */
static int stderr_away(void)
{
    int saved = fcntl(2, F_DUPFD_CLOEXEC, 3), null = saved < 0 ? -1 : open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, 2);
        close(null);
    }
    return saved;
}

static void stderr_back(int saved)
{
    if (saved < 0)
        return;
    dup2(saved, 2);
    close(saved);
}

static void load_quietly(void)
{
    setenv("ORT_DISABLE_TELEMETRY", "1", 1); /* read by CreateEnv from 1.29 on */
    void *h = runner_dlopen("MODELFS_ONNXRUNTIME", "onnxruntime", "libonnxruntime.so.1");
    if (!h) {
        snprintf(ort.problem, sizeof ort.problem, "ONNX Runtime (libonnxruntime.so.1) is not installed here");
        return;
    }
    const OrtApiBase *(*get)(void) = NULL;
    *(void **)&get = dlsym(h, "OrtGetApiBase");
    const OrtApiBase *base = get ? get() : NULL;
    if (!base || !(ort.api = base->GetApi(API))) {
        snprintf(ort.problem, sizeof ort.problem, "ONNX Runtime %s is too old (1.21 is needed)",
                 base ? base->GetVersionString() : "here");
        return;
    }
    if (said("ONNX Runtime", -EIO, ort.api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "modelfs", &ort.env)) ||
        said("ONNX Runtime", -EIO, first_session()) ||
        said("ONNX Runtime", -EIO, ort.api->GetAllocatorWithDefaultOptions(&ort.allocator)) ||
        said("ONNX Runtime", -EIO,
             ort.api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &ort.memory))) {
        snprintf(ort.problem, sizeof ort.problem, "%.250s", fail_text());
        return;
    }
    snprintf(ort.fingerprint, sizeof ort.fingerprint,
             "onnxruntime %s cpu opt=all threads=1 isa=%s batch=2..%d", base->GetVersionString(),
             runner_isa(), RUNNER_BATCH);
}

static void load(void)
{
    int saved = stderr_away();
    load_quietly();
    stderr_back(saved);
}

static int loaded(void)
{
    pthread_once(&once, load);
    if (!ort.problem[0])
        return 0;
    int err = fail(-ENOTSUP, "%s", ort.problem);
    fail_hint("sh tools/onnxruntime.sh, or MODELFS_ONNXRUNTIME=/path/to/libonnxruntime.so.1");
    return err;
}

static void model_close(struct runner *r)
{
    struct runner_onnx_model *m = (struct runner_onnx_model *)r;
    runner_onnx_end(m);
    arena_fini(&m->arena);
    free(m);
}

/* ---- opening ---- */

/* ORT's element types are ONNX's. Strings are DTYPE_NONE; nothing else may be. */
static int port_type(const struct runner_onnx_model *m, const char *what, const OrtTypeInfo *info,
                     struct feed_port *port)
{
    enum ONNXType kind;
    const OrtTensorTypeAndShapeInfo *t = NULL;
    ONNXTensorElementDataType e;
    size_t rank = 0;
    int err = said(m->name, -EBADMSG, ort.api->GetOnnxTypeFromTypeInfo(info, &kind));
    if (err)
        return err;
    if (kind != ONNX_TYPE_TENSOR)
        return fail(-ENOTSUP, "%s: %s \"%s\" is not a tensor (export without ZipMap, sequences and maps)",
                    m->name, what, port->name);
    if ((err = said(m->name, -EBADMSG, ort.api->CastTypeInfoToTensorInfo(info, &t))) ||
        (err = said(m->name, -EBADMSG, ort.api->GetTensorElementType(t, &e))) ||
        (err = said(m->name, -EBADMSG, ort.api->GetDimensionsCount(t, &rank))))
        return err;
    port->dtype = graph_dtype((int32_t)e);
    if (rank > FEED_MAX_RANK)
        return fail(-ENOTSUP, "%s: %s \"%s\" has %zu dimensions", m->name, what, port->name, rank);
    if (e != ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING &&
        (port->dtype == DTYPE_NONE || port->dtype == DTYPE_C64 || port->dtype == DTYPE_C128))
        return fail(-ENOTSUP, "%s: %s \"%s\" has an element type modelfs does not feed", m->name, what,
                    port->name);
    port->rank = (uint32_t)rank;
    return said(m->name, -EBADMSG, ort.api->GetDimensions(t, port->shape, rank));
}

static int read_port(struct runner_onnx_model *m, int is_input, size_t i, struct feed_port *ret)
{
    const OrtApi *api = ort.api;
    char *name = NULL;
    OrtTypeInfo *info = NULL;
    struct feed_port port = {0};
    int err = said(m->name, -EBADMSG,
                   is_input ? api->SessionGetInputName(m->session, i, ort.allocator, &name)
                            : api->SessionGetOutputName(m->session, i, ort.allocator, &name));
    if (err)
        return err;
    port.name = arena_strdup(&m->arena, name);
    ort.allocator->Free(ort.allocator, name);
    if (!port.name)
        return -ENOMEM;
    err = said(m->name, -EBADMSG,
               is_input ? api->SessionGetInputTypeInfo(m->session, i, &info)
                        : api->SessionGetOutputTypeInfo(m->session, i, &info));
    if (err)
        return err;
    err = port_type(m, is_input ? "input" : "output", info, &port);
    if (!err && is_input &&
        (port.dtype == DTYPE_BF16 || port.dtype == DTYPE_F8_E4M3 || port.dtype == DTYPE_F8_E5M2))
        err = fail(-ENOTSUP, "%s: input \"%s\" is %s; rows feed f64, f32, f16, integers, bool and strings",
                   m->name, port.name, dtype_name(port.dtype));
    api->ReleaseTypeInfo(info);
    if (!err)
        *ret = port;
    return err;
}

/* The spec's output, or the only one. */
static int choose_output(struct runner_onnx_model *m)
{
    size_t n = 0;
    const char *want = m->spec ? m->spec->output : NULL;
    struct out names = {0};
    int err = said(m->name, -EBADMSG, ort.api->SessionGetOutputCount(m->session, &n)), found = 0;
    for (size_t i = 0; !err && i < n && !found; i++) {
        char *name = NULL;
        if ((err =
                 said(m->name, -EBADMSG, ort.api->SessionGetOutputName(m->session, i, ort.allocator, &name))))
            break;
        found = want ? !strcmp(name, want) : n == 1;
        out_printf(&names, "%s%s", i ? ", " : "", name);
        ort.allocator->Free(ort.allocator, name);
        if (found)
            err = read_port(m, 0, i, &m->r.sig.output);
    }
    if (!err && !found && want)
        err = fail(-EINVAL, "%s: no output \"%s\" (there are: %s)", m->name, want, out_cstr(&names));
    else if (!err && !found)
        err = fail(-EINVAL, "%s: %zu outputs (%s): set models[].output in eval/spec.json", m->name, n,
                   out_cstr(&names));
    out_fini(&names);
    return err;
}

/* Whether rows can share a run, and how many must. */
static int plan_batches(struct runner_onnx_model *m)
{
    const struct runner_signature *s = &m->r.sig;
    int alone = 0, free_dim = 0, vector = 0; /* vector: an input of one dimension */
    int64_t first = -1;
    for (size_t i = 0; i < s->ninputs; i++) {
        const struct feed_port *p = &s->inputs[i];
        vector |= p->rank == 1;
        if (p->rank == 0)
            alone = 1;
        else if (p->shape[0] < 0)
            m->batched[i] = free_dim = 1;
        else
            first = first < 0 || first == p->shape[0] ? p->shape[0] : 0;
    }
    /* fixed first dimensions are a batch when all, the output's too, agree; [1, …] is, [30] is not */
    int agree = !alone && !free_dim && first > 0 &&
                (first == 1 || (!vector && s->output.rank > 0 && s->output.shape[0] == first));
    for (size_t i = 0; i < s->ninputs; i++) {
        if (agree)
            m->batched[i] = 1;
        alone |= !m->batched[i];
    }
    m->fixed = alone ? 1 : agree ? (size_t)first : 0;
    if (m->fixed > MAX_FIXED)
        return fail(-ENOTSUP, "%s: a batch of exactly %zu rows (export it with a free batch dimension)",
                    m->name, m->fixed);
    return 0;
}

static int read_labels(struct runner_onnx_model *m)
{
    static const char *const keys[] = {"labels", "id2label"};
    struct runner_signature *s = &m->r.sig;
    OrtModelMetadata *meta = NULL;
    int err = said(m->name, -EBADMSG, ort.api->SessionGetModelMetadata(m->session, &meta));
    for (size_t k = 0; !err && k < 2 && !s->nlabels; k++) {
        char *text = NULL, number[24];
        json_t *doc = NULL;
        err = said(m->name, -EBADMSG,
                   ort.api->ModelMetadataLookupCustomMetadataMap(meta, ort.allocator, keys[k], &text));
        if (err || !text)
            continue;
        if (!canon_parse(m->name, text, strlen(text), 4, &doc)) { /* what is no list of names is no labels */
            size_t n = json_is_array(doc) ? json_array_size(doc) : json_object_size(doc);
            s->labels = arena_array(&m->arena, n + 1, sizeof *s->labels);
            err = s->labels ? 0 : -ENOMEM;
            for (size_t i = 0; !err && i < n; i++) {
                snprintf(number, sizeof number, "%zu", i);
                const char *l = json_string_value(json_is_array(doc) ? json_array_get(doc, i)
                                                                     : json_object_get(doc, number));
                s->labels[i] = l ? arena_strdup(&m->arena, l) : NULL;
                if (!l) {
                    n = 0;
                    break;
                }
                if (!s->labels[i])
                    err = -ENOMEM;
            }
            s->nlabels = n;
            json_decref(doc);
        }
        ort.allocator->Free(ort.allocator, text);
    }
    if (meta)
        ort.api->ReleaseModelMetadata(meta);
    return err;
}

static int read_signature(struct runner_onnx_model *m, const struct graph *g)
{
    struct runner_signature *s = &m->r.sig;
    int err = said(m->name, -EBADMSG, ort.api->SessionGetInputCount(m->session, &s->ninputs));
    if (err)
        return err;
    s->inputs = arena_array(&m->arena, s->ninputs + 1, sizeof *s->inputs);
    m->batched = arena_array(&m->arena, s->ninputs + 1, sizeof *m->batched);
    if (!s->inputs || !m->batched)
        return -ENOMEM;
    if (s->ninputs == 0)
        return fail(-EINVAL, "%s: the graph has no inputs", m->name);
    for (size_t i = 0; i < s->ninputs; i++)
        if ((err = read_port(m, 1, i, &s->inputs[i])))
            return err;
    if ((err = choose_output(m)))
        return err;
    if ((err = plan_batches(m)))
        return err;
    s->width = 1;
    for (uint32_t i = m->batched[0] ? 1 : 0; i < s->output.rank; i++)
        if (s->output.shape[i] < 0 || __builtin_mul_overflow(s->width, (size_t)s->output.shape[i], &s->width))
            s->width = 0;
    for (size_t i = 0; m->spec && i < m->spec->ninputs; i++) {
        size_t k = 0;
        while (k < s->ninputs && strcmp(s->inputs[k].name, m->spec->inputs[i].name))
            k++;
        if (k == s->ninputs)
            return fail(-EINVAL,
                        "%s: models[].inputs of eval/spec.json names \"%s\", the graph has no such input",
                        m->name, m->spec->inputs[i].name);
    }
    s->objective = "";
    s->producer = graph_producer(g, s->output.name, &m->arena);
    return read_labels(m);
}

static int model_open(const struct runner_source *src, struct runner **ret)
{
    int err = loaded();
    if (err)
        return err;
    struct runner_onnx_model *m = calloc(1, sizeof *m);
    if (!m)
        return -ENOMEM;
    struct graph g;
    struct arena a = {0}; /* of the graph: dies here */
    struct weights w = {0};
    m->r.engine = &runner_onnx;
    m->spec = src->spec;
    m->name = arena_strdup(&m->arena, src->name);
    err = m->name ? graph_parse(src->name, src->model, src->model_len, &a, &g) : -ENOMEM;
    if (!err && src->ntensors) {
        err = weights_bind(src, &g, &m->arena, &w);
        if (!err)
            err = runner_onnx_begin(m, src->keep, w.model.p, w.model.n, &w);
        m->r.sig.unused = w.unused;
        m->r.sig.nunused = w.nunused;
    } else if (!err) {
        for (size_t i = 0; !err && i < g.ninits; i++)
            if (g.inits[i].external)
                err = fail(-EINVAL, "%s: the data of \"%s\" is in another file, \"%s\"", src->name,
                           g.inits[i].name, g.inits[i].location ? g.inits[i].location : "");
        if (!err)
            err = runner_onnx_begin(m, src->keep, src->model, src->model_len, NULL);
    }
    if (!err)
        err = read_signature(m, &g);
    weights_fini(&w);
    arena_fini(&a);
    if (err)
        model_close(&m->r);
    else
        *ret = &m->r;
    return err;
}

static int model_fingerprint(const char **ret)
{
    int err = loaded();
    if (!err)
        *ret = ort.fingerprint;
    return err;
}

const struct runner_engine runner_onnx = {SPEC_ONNX,         model_open,  runner_onnx_predict,
                                          runner_onnx_check, model_close, model_fingerprint};

#else

static int absent_open(const struct runner_source *src, struct runner **ret)
{
    (void)src, (void)ret;
    return fail(-ENOTSUP, "this modelfs was built without ONNX Runtime's header (sh tools/onnxruntime.sh)");
}
static int absent_fingerprint(const char **ret)
{
    (void)ret;
    return absent_open(NULL, NULL);
}
const struct runner_engine runner_onnx = {SPEC_ONNX, absent_open, NULL, NULL, NULL, absent_fingerprint};

#endif
