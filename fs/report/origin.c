/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/origin.h"
#include "store/base/canon.h"
#include "store/base/fail.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH      32
#define MAX_CONFIG (4u << 20) /* bytes */

static const struct origin_field fields[] = {
    {"data", "train_manifest_digest"},
    {"data", "n_rows"},
    {"data", "rows_added"},
    {"data", "rows_removed"},
    {"data", "time_from"},
    {"data", "time_to"},
    {"data", "label_counts"},
    {"data", "source_uris"},
    {"data", "filters"},
    {"data", "split_seed"},
    {"data", "preprocessing_digest"},
    {"data", "tokenizer_digest"},
    {"data", "licence"},
    {"data", "pii_flag"},
    {"data", "eval_overlap_rows"},
    {"code", "repo"},
    {"code", "commit"},
    {"code", "dirty"},
    {"code", "patch_digest"},
    {"code", "entrypoint"},
    {"code", "argv"},
    {"code", "config_digest"},
    {"code", "lockfile_digest"},
    {"code", "container_digest"},
    {"code", "builder"},
    {"model", "parents"},
    {"model", "relation"},
    {"model", "format"},
    {"model", "opset"},
    {"model", "inputs"},
    {"model", "outputs"},
    {"model", "params"},
    {"model", "dtypes"},
    {"model", "bytes"},
    {"model", "digest"},
    {"model", "hyperparameters"},
    {"model", "seed"},
    {"model", "epochs"},
    {"model", "framework"},
    {"model", "decision_threshold"},
    {"model", "label_names"},
    {"hardware.train", "accelerator"},
    {"hardware.train", "memory"},
    {"hardware.train", "driver"},
    {"hardware.train", "cuda"},
    {"hardware.train", "interconnect"},
    {"hardware.train", "host_cpu"},
    {"hardware.train", "nodes"},
    {"hardware.train", "precision"},
    {"hardware.train", "deterministic"},
    {"hardware.train", "wall_h"},
    {"hardware.train", "energy_kwh"},
    {"hardware.eval", "cpu"},
    {"hardware.eval", "isa"},
    {"hardware.eval", "accelerator"},
    {"hardware.eval", "runtime"},
    {"hardware.eval", "provider"},
    {"hardware.eval", "optimisation"},
    {"hardware.eval", "threads"},
    {"hardware.eval", "modelfs"},
    {"hardware.eval", "complete"},
    {"who", "author"},
    {"who", "committed_by"},
    {"who", "host"},
    {"who", "reviewed_by"},
    {"who", "ticket"},
    {"who", "committed_at"},
    {NULL, NULL},
};

const struct origin_field *origin_fields(void)
{
    return fields;
}

/* "hardware.train" in record; made when absent if make. Borrowed, NULL: not there. */
static json_t *part_of(const json_t *record, const char *part, int make)
{
    const char *dot = strchr(part, '.');
    char head[32] = "";
    json_t *in = (json_t *)(uintptr_t)record;
    memcpy(head, part, dot ? (size_t)(dot - part) : strlen(part));
    const char *const steps[] = {head, dot ? dot + 1 : NULL};
    for (int i = 0; i < 2 && steps[i]; i++) {
        json_t *next = json_object_get(in, steps[i]);
        if (make && !json_is_object(next)) {
            json_object_set_new(in, steps[i], json_object());
            next = json_object_get(in, steps[i]);
        }
        in = next;
    }
    return in;
}

static void computed(json_t *record, const char *field, json_t *v)
{
    json_object_set_new(part_of(record, "model", 1), field,
                        json_pack("{s:o,s:s}", "v", v, "how", "computed"));
}

/* What the bytes tell of the model's files. */
static void compute(const struct manifest *m, json_t *record)
{
    json_t *formats = json_array(), *dtypes = json_object(), *digests = json_object();
    uint64_t bytes = 0;
    char hex[HASH_HEX];
    int seen[FORMAT_MAX] = {0};
    for (size_t i = 0; i < m->nfiles; i++) {
        const struct manifest_file *f = &m->files[i];
        if (S_ISDIR(f->mode) || f->format == FORMAT_OPAQUE || f->format >= FORMAT_MAX)
            continue;
        if (!seen[f->format]++)
            json_array_append_new(formats, json_string(format_name(f->format)));
        bytes += f->size;
        hash_hex(&f->sha256, hex);
        json_object_set_new(digests, f->path,
                            json_sprintf("sha256:%s", hex)); /* not of a name beyond UTF-8 */
        for (size_t k = 0; k < f->ntensors; k++) {
            const char *name = dtype_name(f->tensors[k].dtype);
            json_int_t n = json_integer_value(json_object_get(dtypes, name));
            json_object_set_new(dtypes, name, json_integer(n + 1));
        }
    }
    if (json_array_size(formats)) {
        computed(record, "format", json_incref(formats));
        computed(record, "bytes", json_integer((json_int_t)bytes));
        computed(record, "digest", json_incref(digests));
    }
    if (json_object_size(dtypes)) {
        computed(record, "params", json_integer((json_int_t)m->params));
        computed(record, "dtypes", json_incref(dtypes));
    }
    json_decref(formats);
    json_decref(dtypes);
    json_decref(digests);
}

/* In the order of the fields above; what is not among them after it. */
static json_t *complete(json_t *known)
{
    json_t *record = json_object(), *v;
    const char *key;
    for (const struct origin_field *f = fields; f->field; f++) {
        v = json_object_get(part_of(known, f->part, 0), f->field);
        json_object_set(part_of(record, f->part, 1), f->field, json_is_object(v) ? v : json_null());
    }
    static const char *const parts[] = {"data", "code", "model", "hardware.train", "hardware.eval", "who"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        json_t *to = part_of(record, parts[i], 1);
        json_object_foreach(part_of(known, parts[i], 0), key, v) if (!json_object_get(to, key))
            json_object_set(to, key, v);
    }
    json_object_foreach(known, key, v) if (!json_object_get(record, key)) json_object_set(record, key, v);
    return record;
}

static void declared(json_t *record, const char *field, json_t *v)
{
    json_object_set_new(part_of(record, "model", 1), field,
                        json_pack("{s:o,s:s}", "v", v, "how", "declared"));
}

/* The plain values of config.json, where the record has none of its own. One that is no JSON is no lineage.
 */
static int from_config(struct store *s, const struct manifest *m, json_t *record)
{
    const struct manifest_file *f = manifest_find(m, "config.json");
    static const char *const others[] = {"model_type", "torch_dtype", "transformers_version", "_name_or_path",
                                         "parent"}; /* name things, and turn no knob */
    json_t *config, *plain, *v;
    const char *key;
    if (!f || S_ISDIR(f->mode) || f->size > MAX_CONFIG || origin_leaf(record, "model", "hyperparameters"))
        return 0;
    char *p = malloc(f->size + 1);
    int64_t n = p ? file_read(s, f, 0, p, f->size) : fail(-ENOMEM, "out of memory");
    config = n < 0 ? NULL : json_loadb(p, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
    free(p);
    if (n < 0)
        return (int)n;
    plain = json_object();
    json_object_foreach(config, key, v)
    {
        int other = !json_is_string(v) && !json_is_number(v) && !json_is_boolean(v);
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            other |= strcmp(key, others[i]) == 0;
        if (!other)
            json_object_set(plain, key, v);
    }
    if (json_object_size(plain))
        declared(record, "hyperparameters", json_incref(plain));
    json_decref(plain);
    json_decref(config);
    return 0;
}

int origin_record(struct store *s, const struct version *v, const struct manifest *m, json_t **ret)
{
    json_t *known = NULL, *record;
    char what[32];
    snprintf(what, sizeof what, "lineage of v%u", v->number);
    int r = canon_parse(what, v->lineage, strlen(v->lineage), DEPTH, &known);
    if (r < 0)
        return r;
    record = json_is_object(known) ? complete(known) : NULL;
    json_decref(known);
    if (!record)
        return fail(-EBADMSG, "%s: no JSON object", what);
    compute(m, record);
    if (v->nparents) {
        json_t *parents = json_array();
        for (size_t i = 0; i < v->nparents; i++) {
            char hex[HASH_HEX];
            hash_hex(&v->parents[i], hex);
            json_array_append_new(parents, json_string(hex));
        }
        declared(record, "parents", parents);
    }
    if ((r = from_config(s, m, record)) < 0) {
        json_decref(record);
        return r;
    }
    *ret = record;
    return 0;
}

const json_t *origin_leaf(const json_t *record, const char *part, const char *field)
{
    const json_t *leaf = json_object_get(part_of(record, part, 0), field);
    return origin_value(leaf) ? leaf : NULL;
}

const json_t *origin_value(const json_t *leaf)
{
    const json_t *v = json_object_get(leaf, "v");
    return json_is_null(v) ? NULL : v;
}

char origin_mark(const json_t *leaf)
{
    const char *how = json_string_value(json_object_get(leaf, "how"));
    if (!origin_value(leaf))
        return ' ';
    return how && strcmp(how, "computed") == 0 ? '*' : how && strcmp(how, "observed") == 0 ? '+' : '?';
}

static int is_hex(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isxdigit((unsigned char)s[i]))
            return 0;
    return 1;
}

static void put(struct out *o, const json_t *v)
{
    const char *s = json_string_value(v), *key, *hash;
    size_t i;
    const json_t *x;
    json_t *y;
    if (s) {
        size_t n = strlen(s);
        if ((hash = strstr(s, "sha256:")) && strlen(hash) == 71 && is_hex(hash + 7, 64))
            out_printf(o, "%.*s", (int)(hash - s + 19), s);
        else
            out_printf(o, "%.*s", is_hex(s, n) && n == 40 ? 8 : is_hex(s, n) && n == 64 ? 12 : 4096, s);
    } else if (json_is_integer(v)) {
        out_printf(o, "%lld", (long long)json_integer_value(v));
    } else if (json_is_real(v)) {
        out_printf(o, "%.6g", json_real_value(v));
    } else if (json_is_boolean(v)) {
        out_str(o, json_is_true(v) ? "yes" : "no");
    } else if (json_is_array(v)) {
        out_str(o, json_array_size(v) ? "" : "none");
        json_array_foreach(v, i, x)
        {
            out_str(o, i ? ", " : "");
            put(o, x);
        }
    } else if (json_is_object(v)) {
        i = 0;
        json_object_foreach((json_t *)(uintptr_t)v, key, y)
        {
            out_printf(o, "%s%s ", i++ ? ", " : "", key);
            put(o, y);
        }
    } else {
        out_str(o, "unknown");
    }
}

void origin_text(struct out *o, const json_t *value, size_t max)
{
    struct out text = {0};
    put(&text, value);
    if (out_error(&text))
        o->err = out_error(&text);
    else
        out_text(o, out_cstr(&text), text.n, max);
    out_fini(&text);
}
