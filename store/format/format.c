/* SPDX-License-Identifier: Apache-2.0 */
#include "store/format/format.h"
#include "store/base/fail.h"
#include "store/base/out.h"
#include "store/format/layout.h"
#include <errno.h>
#include <string.h>

static int (*const parsers[])(const struct input *, struct arena *, struct layout *) = {
    safetensors_parse, pt_parse, onnx_parse, xgboost_parse, numpy_parse, gguf_parse,
};

const char *format_name(enum format f)
{
    static const char *const names[FORMAT_MAX] = {
        [FORMAT_OPAQUE] = "opaque",   [FORMAT_SAFETENSORS] = "safetensors",
        [FORMAT_PT] = "pt",           [FORMAT_ONNX] = "onnx",
        [FORMAT_XGBOOST] = "xgboost", [FORMAT_NPY] = "npy",
        [FORMAT_NPZ] = "npz",         [FORMAT_GGUF] = "gguf",
    };
    return (unsigned)f < FORMAT_MAX ? names[f] : "opaque";
}

/* The failure's text as one printable line, without the file's name before it. */
static const char *problem_of(const struct input *in, struct arena *a)
{
    const char *s = fail_text();
    size_t n = strlen(in->name);
    if (strncmp(s, in->name, n) == 0 && strncmp(s + n, ": ", 2) == 0)
        s += n + 2;
    struct out o = {0};
    out_text(&o, s, strlen(s), 0);
    char *p = out_error(&o) ? NULL : arena_strndup(a, o.p ? o.p : "", o.n);
    out_fini(&o);
    return p;
}

int format_parse(const struct input *in, struct arena *a, struct layout *ret)
{
    size_t limit = a->limit, most = a->used + FORMAT_MAX_MEMORY;
    if (limit == 0 || limit > most)
        a->limit = most;
    int r = 0;
    for (size_t i = 0; i < sizeof parsers / sizeof *parsers && r == 0; i++) {
        memset(ret, 0, sizeof *ret);
        r = parsers[i](in, a, ret);
    }
    /* No parser asks for more than a header at once: only then can it have been the limit, not the machine */
    int full = r == -ENOMEM && a->used + FORMAT_MAX_HEADER + 16 > a->limit;
    a->limit = limit;
    if (full)
        r = fail(-EBADMSG, "needs more than %u MiB to be looked into", FORMAT_MAX_MEMORY >> 20);
    if (r == 1)
        return 0;
    if (r < 0 && r != -EBADMSG)
        return r;
    memset(ret, 0, sizeof *ret);
    if (r < 0 && !(ret->problem = problem_of(in, a)))
        return layout_nomem(in);
    return layout_opaque(in, a, ret);
}
