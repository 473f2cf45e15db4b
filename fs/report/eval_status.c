/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/eval.h"
#include "fs/eval/runner.h"
#include "fs/report/page.h"
#include "fs/report/report.h"
#include "store/base/fail.h"
#include <errno.h>
#include <string.h>

static void set(struct out *o, const struct eval_set *v)
{
    out_printf(o, "set       %s, %zu rows; %llu wait for a label, %llu refused\n", v->revision, v->nrows,
               (unsigned long long)v->unlabelled, (unsigned long long)v->rejected);
}

/* A name in ten columns, and the text wrapped beside it. */
static void field(struct out *o, const char *name, const char *text)
{
    struct out safe = {0}, lines = {0};
    out_text(&safe, text, strlen(text), 0);
    page_wrap(&lines, 10, out_cstr(&safe));
    out_printf(o, "%-10s", name);
    if (lines.n > 10)
        out_write(o, lines.p + 10, lines.n - 10);
    else
        out_char(o, '\n');
    out_fini(&safe);
    out_fini(&lines);
}

static void engine(struct out *o, enum spec_engine e)
{
    const char *fp;
    if (runner_fingerprint(e, &fp) == 0) {
        field(o, spec_engine_name(e), fp);
        return;
    }
    field(o, spec_engine_name(e), fail_text());
    if (*fail_hint_text())
        field(o, "  hint", fail_hint_text());
}

static void mode(struct out *o, struct eval *e)
{
    static const char *const when[] = {[EVAL_READ] = "when a report is read",
                                       [EVAL_AUTO] = "when a report is read, and ahead of it (eval=auto)",
                                       [EVAL_OFF] = "only by modelfs eval (eval=off)"};
    field(o, "computed", when[eval_mode(e)]);
}

static void running(struct out *o, struct eval *e)
{
    struct eval_status st;
    eval_status(e, &st);
    if (!st.version) {
        out_str(o, "running   nothing\n");
        return;
    }
    out_printf(o, "running   v%u: %llu of %llu rows in %.0f s", st.version->number,
               (unsigned long long)st.done, (unsigned long long)st.all, st.seconds);
    if (st.done)
        out_printf(o, ", about %.0f s left", st.seconds / (double)st.done * (double)(st.all - st.done));
    out_char(o, '\n');
    version_unref(st.version);
}

/* What "evaluate" comes to for the newest version: what the spec says, and what was found out. */
static int effective(const struct subject *s, struct out *o, const struct eval_set *view)
{
    const struct version *v;
    struct eval_result *r;
    struct out text = {0};
    int err = version_latest(s->store, &v);
    if (err)
        return err == -ENOENT ? 0 : err;
    err = eval_version(s->eval, v, EVAL_KNOWN, view, NULL, NULL, &r);
    if (!err) {
        out_printf(o, "\nnewest    v%u\n", v->number);
        if (r->problem) {
            field(o, "problem", r->problem);
            field(o, "", r->hint);
        } else {
            field(o, "engine", r->engine);
            field(o, "task",
                  r->task == SPEC_TASK_INFER ? "told by the first answers" : spec_task_name(r->task));
            for (size_t i = 0; i < r->nlabels; i++)
                out_printf(&text, "%s%s", i ? ", " : "", r->labels[i]);
            if (r->nlabels)
                field(o, "labels", out_cstr(&text));
            out_printf(o, "known     %zu of %zu rows, %zu errors\n", r->known, view->nrows, r->errors);
        }
        eval_result_free(r);
    }
    out_fini(&text);
    version_unref(v);
    return err;
}

static int render(const struct subject *s, struct out *o)
{
    const struct eval_set *view;
    int err = eval_view(s->eval, &view);
    if (err)
        return err;
    struct out spec = {0};
    set(o, view);
    spec_format(view->spec, &spec);
    field(o, "spec", spec.n > 2 ? out_cstr(&spec) : "none: everything is found out from the models");
    out_fini(&spec);
    engine(o, SPEC_ONNX);
    engine(o, SPEC_XGBOOST);
    mode(o, s->eval);
    running(o, s->eval);
    err = effective(s, o, view);
    eval_view_unref(view);
    return err;
}

const struct report report_eval_status = {
    .name = "status.txt",
    .version = 1,
    .inputs = INPUT_HISTORY | INPUT_SET | INPUT_RESULTS | INPUT_LIVE,
    .doc = "what evaluate means here, which engines there are, and what is running",
    .render = render,
};
