/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running an ONNX model. A row becomes one tensor an input; rows of equal shapes share a batch. A batch that
 * fails is run again row by row, so that the error is the row's that caused it.
 */
#include "fs/eval/graph.h"
#include "fs/eval/runner_onnx.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdlib.h>

#if __has_include(<onnxruntime_c_api.h>)
#include <onnxruntime_c_api.h>

#define ort  runner_onnx_lib
#define said runner_onnx_said

#define WINDOW 256 /* rows converted at a time */

/* One row of the window: its values, in the order of the inputs. */
struct fed {
    size_t row;
    struct feed_value *v; /* (ninputs); NULL: failed or answered */
};

static void fed_fini(struct fed *f, size_t ninputs)
{
    for (size_t i = 0; f->v && i < ninputs; i++)
        free(f->v[i].data);
    free(f->v);
    f->v = NULL;
}

static int feed(const struct runner_onnx_model *m, const json_t *input, struct fed *f)
{
    const struct runner_signature *s = &m->r.sig;
    if (!(f->v = calloc(s->ninputs, sizeof *f->v)))
        return -ENOMEM;
    int err = 0;
    for (size_t i = 0; !err && i < s->ninputs; i++)
        err = feed_convert(input, m->spec, &s->inputs[i], s->ninputs == 1, m->batched[i], 0, &f->v[i]);
    if (err)
        fed_fini(f, s->ninputs);
    return err;
}

static int same_shapes(const struct fed *a, const struct fed *b, size_t ninputs)
{
    for (size_t i = 0; i < ninputs; i++)
        if (a->v[i].rank != b->v[i].rank ||
            memcmp(a->v[i].shape, b->v[i].shape, a->v[i].rank * sizeof *a->v[i].shape))
            return 0;
    return 1;
}

/* Input i of the rows as one tensor; *ret_data (freed by the caller after the run) backs it. */
static int stack(const struct runner_onnx_model *m, struct fed *const *rows, size_t k, size_t i,
                 void **ret_data, OrtValue **ret)
{
    const struct feed_port *port = &m->r.sig.inputs[i];
    const struct feed_value *first = &rows[0]->v[i];
    size_t each = port->dtype == DTYPE_NONE ? sizeof(char *) : dtype_size(port->dtype), len, all, rank = 0;
    int64_t shape[FEED_MAX_RANK + 1];
    if (m->batched[i])
        shape[rank++] = (int64_t)k;
    for (uint32_t d = 0; d < first->rank; d++)
        shape[rank++] = (int64_t)first->shape[d];
    if (__builtin_mul_overflow(first->count, each, &len) || __builtin_mul_overflow(len, k, &all))
        return -ENOMEM;
    char *data = malloc(all ? all : 1);
    if (!data)
        return -ENOMEM;
    for (size_t j = 0; j < k; j++)
        memcpy(data + j * len, rows[j]->v[i].data, len);
    *ret_data = data;
    if (port->dtype != DTYPE_NONE)
        return said(m->name, -EIO,
                    ort.api->CreateTensorWithDataAsOrtValue(
                        ort.memory, data, all, shape, rank,
                        (ONNXTensorElementDataType)graph_onnx_type(port->dtype), ret));
    int err = said(m->name, -EIO,
                   ort.api->CreateTensorAsOrtValue(ort.allocator, shape, rank,
                                                   ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, ret));
    return err ? err
               : said(m->name, -EIO,
                      ort.api->FillStringTensor(*ret, (const char *const *)(void *)data, first->count * k));
}

static int take_text(const struct runner_onnx_model *m, const OrtValue *v, size_t i, struct runner_answer *a)
{
    size_t n = 0;
    int err = said(m->name, -EIO, ort.api->GetStringTensorElementLength(v, i, &n));
    if (err)
        return err;
    if (!(a->text = calloc(n + 1, 1)))
        return -ENOMEM;
    a->width = 1;
    return said(m->name, -EIO, ort.api->GetStringTensorElement(v, n, i, a->text));
}

/* The output's k parts to the answers of the first `rows` rows. */
static int take(const struct runner_onnx_model *m, OrtValue *v, struct fed *const *fed, size_t rows, size_t k,
                struct runner_answer *ret)
{
    OrtTensorTypeAndShapeInfo *info = NULL;
    size_t rank = 0, count = 0;
    int64_t shape[64] = {0};
    ONNXTensorElementDataType e = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    void *data = NULL;
    int err = said(m->name, -EIO, ort.api->GetTensorTypeAndShape(v, &info));
    if (err)
        return err;
    if (!(err = said(m->name, -EIO, ort.api->GetDimensionsCount(info, &rank))) &&
        !(err = said(m->name, -EIO, ort.api->GetDimensions(info, shape, rank < 64 ? rank : 64))) &&
        !(err = said(m->name, -EIO, ort.api->GetTensorShapeElementCount(info, &count))))
        err = said(m->name, -EIO, ort.api->GetTensorElementType(info, &e));
    ort.api->ReleaseTensorTypeAndShapeInfo(info);
    if (err)
        return err;
    if (k > 1 && (rank == 0 || shape[0] != (int64_t)k))
        return fail(-EINVAL, "%s: output \"%s\" does not hold one answer a row", m->name,
                    m->r.sig.output.name);
    size_t width = count / k;
    enum dtype t = graph_dtype((int32_t)e);
    if (e == ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING) {
        if (width != 1)
            return fail(-EINVAL, "%s: output \"%s\" holds %zu texts a row", m->name, m->r.sig.output.name,
                        width);
        for (size_t i = 0; !err && i < rows; i++)
            err = take_text(m, v, i, &ret[fed[i]->row]);
        return err;
    }
    if ((err = said(m->name, -EIO, ort.api->GetTensorMutableData(v, &data))))
        return err;
    for (size_t i = 0; i < rows; i++) {
        struct runner_answer *a = &ret[fed[i]->row];
        a->width = width;
        if (!(a->values = calloc(width ? width : 1, sizeof *a->values)))
            return -ENOMEM;
        dtype_decode(t, (const char *)data + i * width * dtype_size(t), width, a->values);
    }
    return 0;
}

/* Rows of equal shapes, `rows` of them, as one run of k >= rows: the last is repeated. */
static int run(const struct runner_onnx_model *m, struct fed **fed, size_t rows, size_t k,
               struct runner_answer *ret)
{
    const struct runner_signature *s = &m->r.sig;
    OrtValue **in = calloc(s->ninputs, sizeof *in), *out = NULL;
    void **data = calloc(s->ninputs, sizeof *data);
    const char **names = calloc(s->ninputs, sizeof *names);
    struct fed **padded = calloc(k, sizeof(struct fed *));
    int err = in && data && names && padded ? 0 : -ENOMEM;
    for (size_t i = 0; !err && i < k; i++)
        padded[i] = fed[i < rows ? i : rows - 1];
    for (size_t i = 0; !err && i < s->ninputs; i++) {
        names[i] = s->inputs[i].name;
        err = stack(m, padded, k, i, &data[i], &in[i]);
    }
    if (!err)
        err = said(m->name, -EINVAL,
                   ort.api->Run(m->session, NULL, names, (const OrtValue *const *)in, s->ninputs,
                                &s->output.name, 1, &out));
    if (!err)
        err = take(m, out, padded, rows, k, ret);
    if (out)
        ort.api->ReleaseValue(out);
    for (size_t i = 0; in && data && i < s->ninputs; i++) {
        if (in[i])
            ort.api->ReleaseValue(in[i]);
        free(data[i]);
    }
    free(in);
    free(data);
    free(names);
    free(padded);
    return err;
}

static int run_or_blame(const struct runner_onnx_model *m, struct fed **fed, size_t rows,
                        struct runner_answer *ret)
{
    size_t k = m->fixed ? m->fixed : rows > 1 ? rows : 2;
    int err = run(m, fed, rows, k, ret);
    if (!err || err == -ENOMEM)
        return err;
    for (size_t i = 0; i < rows; i++)
        runner_answer_fini(&ret[fed[i]->row]);
    if (rows == 1)
        return (ret[fed[0]->row].error = strdup(fail_describe(err))) ? 0 : -ENOMEM;
    for (size_t i = 0; i < rows; i++)
        if ((err = run_or_blame(m, fed + i, 1, ret)) == -ENOMEM)
            return err;
    return 0;
}

/* Converts a window of rows and runs them in batches of equal shapes. */
static int window(const struct runner_onnx_model *m, const json_t *const *inputs, size_t n,
                  struct runner_answer *ret)
{
    struct fed fed[WINDOW] = {{0}}, *batch[RUNNER_BATCH];
    size_t ninputs = m->r.sig.ninputs, most = m->fixed && m->fixed < RUNNER_BATCH ? m->fixed : RUNNER_BATCH;
    int err = 0;
    for (size_t i = 0; !err && i < n; i++) {
        fed[i].row = i;
        int bad = feed(m, inputs[i], &fed[i]);
        if (bad && (bad == -ENOMEM || !(ret[i].error = strdup(fail_describe(bad)))))
            err = -ENOMEM;
    }
    for (size_t i = 0; !err && i < n; i++) {
        size_t k = 0;
        for (size_t j = i; fed[i].v && j < n && k < most; j++)
            if (fed[j].v && same_shapes(&fed[i], &fed[j], ninputs))
                batch[k++] = &fed[j];
        if (k)
            err = run_or_blame(m, batch, k, ret);
        while (k > 0) /* fed[i] is batch[0]: last */
            fed_fini(batch[--k], ninputs);
    }
    for (size_t i = 0; i < n; i++)
        fed_fini(&fed[i], ninputs);
    return err;
}

int runner_onnx_predict(struct runner *r, const json_t *const *inputs, size_t n, struct runner_answer *ret)
{
    int err = 0;
    for (size_t i = 0; !err && i < n; i += WINDOW)
        err =
            window((const struct runner_onnx_model *)r, inputs + i, n - i < WINDOW ? n - i : WINDOW, ret + i);
    return err;
}

int runner_onnx_check(struct runner *r, const json_t *input)
{
    struct fed f = {0};
    int err = feed((const struct runner_onnx_model *)r, input, &f);
    fed_fini(&f, r->sig.ninputs);
    return err;
}

#endif
