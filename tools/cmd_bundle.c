/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/fail.h"
#include "store/record.h"
#include "tools/args.h"
#include "tools/bundle.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/say.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char *const configs[] = {"spec.json", "gates", "graph.onnx", "cost.csv", "traffic.csv"};

static int file(void *ctx, const struct reply_file *f)
{
    struct bundle *b = ctx;
    struct out head = {0};
    request_format_file(&head, f);
    bundle_put(b, BUNDLE_FILE, head.p, head.n);
    out_fini(&head);
    return b->err;
}

static int data(void *ctx, const void *p, size_t n)
{
    struct bundle *b = ctx;
    for (size_t k; n && !b->err; p = (const char *)p + k, n -= k) {
        k = n < BUNDLE_PIECE ? n : BUNDLE_PIECE;
        bundle_put(b, BUNDLE_DATA, p, k);
    }
    return b->err;
}

static int cat(struct client *c, const char *path, struct out *ret)
{
    struct request q = {.op = REQUEST_CAT, .name = path};
    return client_collect(c, &q, ret);
}

/* Its record and files; ret: its number and digest. */
static int put_version(struct client *c, const char *name, struct bundle *b, uint32_t *ret_number,
                       struct digest *ret_digest)
{
    struct out record = {0};
    struct version *v = NULL;
    struct request q = {.op = REQUEST_RECORD, .name = name};
    int err = client_collect(c, &q, &record);
    if (err == 0 && record.n < sizeof *ret_digest)
        err = fail(-EPROTO, "a version without a record");
    if (err == 0) {
        memcpy(ret_digest, record.p, sizeof *ret_digest);
        err = record_version_parse(ret_digest, record.p + sizeof *ret_digest, record.n - sizeof *ret_digest,
                                   &v, NULL);
    }
    if (err == 0) {
        *ret_number = v->number;
        bundle_put(b, BUNDLE_VERSION, record.p, record.n);
        struct reply to = {.data = data, .file = file, .ctx = b};
        struct request files = {.op = REQUEST_EXPORT, .name = name};
        err = client_call(c, &files, &to, NULL);
        version_unref(v);
    }
    out_fini(&record);
    return err;
}

/* The end of the CSV field at p: its comma, its newline, or the end. */
static const char *field_end(const char *p, const char *end)
{
    for (int quoted = 0; p < end && (quoted || (*p != ',' && *p != '\n')); p++)
        quoted ^= *p == '"';
    return p;
}

/* Of predictions.csv what can be imported: its first columns, up to the row's cohort. */
static void first_columns(const char *p, size_t n, struct out *o)
{
    const char *end = p + n;
    size_t keep = SIZE_MAX;
    while (p < end)
        for (size_t k = 0;; k++) {
            const char *stop = field_end(p, end);
            if (keep == SIZE_MAX && (size_t)(stop - p) == 6 && memcmp(p, "cohort", 6) == 0)
                keep = k;
            if (k && k < keep)
                out_char(o, ',');
            if (k < keep)
                out_write(o, p, (size_t)(stop - p));
            p = stop < end ? stop + 1 : end;
            if (stop == end || *stop == '\n') {
                out_char(o, '\n');
                break;
            }
        }
}

/* What it answers, where it can be evaluated; whether it can is not the bundle's to judge. */
static int put_predictions(struct client *c, uint32_t number, const struct digest *digest, struct bundle *b)
{
    struct out path = {0}, text = {0}, section = {0};
    out_printf(&path, "eval/versions/v%u/predictions.csv", number);
    int err = cat(c, out_cstr(&path), &text);
    const char *nl = err == 0 && text.n ? memchr(text.p, '\n', text.n) : NULL;
    if (nl && nl + 1 < text.p + text.n) {
        wire_put_digest(&section, digest);
        first_columns(text.p, text.n, &section);
        bundle_put(b, BUNDLE_PREDICTIONS, section.p, section.n);
    }
    out_fini(&path);
    out_fini(&text);
    out_fini(&section);
    return err;
}

static int put_eval(struct client *c, struct bundle *b)
{
    struct out text = {0};
    int err = 0;
    for (size_t i = 0; err == 0 && i < sizeof configs / sizeof *configs; i++) {
        struct out path = {0};
        out_reset(&text);
        out_printf(&path, "eval/%s", configs[i]);
        wire_put_str(&text, configs[i]);
        if ((err = cat(c, out_cstr(&path), &text)) == 0)
            bundle_put(b, BUNDLE_CONFIG, text.p, text.n);
        else if (err == -ENOENT)
            err = 0;
        out_fini(&path);
    }
    out_fini(&text);
    return err;
}

static int put_rows(struct client *c, struct bundle *b)
{
    struct out text = {0};
    int err = cat(c, "eval/examples.jsonl", &text);
    if (err == 0 && text.n > BUNDLE_MOST)
        err = fail(-EFBIG, "eval/examples.jsonl: %zu bytes, at most %u", text.n, BUNDLE_MOST);
    if (err == 0 && text.n)
        bundle_put(b, BUNDLE_ROWS, text.p, text.n);
    out_fini(&text);
    return err;
}

static int put_all(struct client *c, const char *pair)
{
    const char *dots = strstr(pair, "..");
    struct out from = {0};
    struct bundle b;
    uint32_t number[2];
    struct digest digest[2];
    if (!dots || dots == pair || !dots[2])
        return fail(-EINVAL, "not a pair A..B of versions");
    out_write(&from, pair, (size_t)(dots - pair));
    const char *names[] = {out_cstr(&from), dots + 2};
    int err = bundle_begin(&b, stdout);
    if (err == 0) {
        err = put_eval(c, &b); /* the rules before the versions that they are to judge */
        for (int i = 0; err == 0 && i < 2; i++)
            err = put_version(c, names[i], &b, &number[i], &digest[i]);
        if (err == 0)
            err = put_rows(c, &b);
        for (int i = 0; err == 0 && i < 2; i++)
            err = put_predictions(c, number[i], &digest[i], &b);
        b.err = b.err ? b.err : err; /* then it has no end, and nobody takes it */
        err = bundle_end(&b);
    }
    out_fini(&from);
    return err;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {ARGS_COMMON, ARGS_END};
    struct args a = {argc, argv, ":", longs, 0, 0};
    while (args_next(&a) != -1)
        ;
    struct client *c;
    if (isatty(STDOUT_FILENO))
        return say_usage("a bundle is not for a terminal: modelfs bundle REPO A..B > FILE");
    char **op = args_open(&a, 2, 2, NULL, &c);
    if (!op)
        return a.bad;
    int err = put_all(c, op[1]);
    client_close(c);
    return err < 0 ? say_fail(op[1], err) : SAY_DONE;
}

const struct command cmd_bundle = {
    "bundle", "REPO A..B > FILE",
    "two versions, the evaluation set, its configuration and predictions in one file", ARGS_NO_WAIT, run};
