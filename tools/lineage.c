/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/lineage.h"
#include "store/base/canon.h"
#include "store/base/fail.h"
#include "tools/code.h"
#include "tools/describe.h"
#include "tools/fact.h"
#include "tools/input_file.h"
#include "tools/say.h"
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL (4u << 20) /* bytes of a file that is looked into */

/* The leaves that every record has. */
static const struct {
    const char *part, *leaves;
} form[] = {
    {"data",
     "train_manifest_digest n_rows rows_added rows_removed time_from time_to label_counts source_uris "
     "filters split_seed preprocessing_digest tokenizer_digest licence pii_flag eval_overlap_rows"},
    {"code", "repo commit dirty patch_digest entrypoint argv config_digest lockfile_digest container_digest "
             "builder"},
    {"model", "parents relation format opset inputs outputs params dtypes bytes digest hyperparameters seed "
              "epochs framework decision_threshold label_names"},
    {"hardware.train", "accelerator memory driver cuda interconnect host_cpu nodes precision deterministic "
                       "wall_h energy_kwh"},
    {"hardware.eval", "cpu isa accelerator runtime provider optimisation threads modelfs complete"},
    {"who", "committed_by host author reviewed_by ticket committed_at"},
};

static json_t *empty_record(void)
{
    json_t *r = json_object();
    for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
        json_t *part = fact_part(r, form[i].part);
        char name[64];
        for (const char *p = form[i].leaves; *p;) {
            size_t n = strcspn(p, " ");
            snprintf(name, sizeof name, "%.*s", (int)n, p);
            json_object_set_new(part, name, json_null());
            p += n + (p[n] == ' ');
        }
    }
    return r;
}

/* ---- files beside the model ---- */

static int read_small(const char *dir, const char *name, struct out *ret)
{
    struct out path = {0};
    struct stat st;
    out_printf(&path, "%s/%s", dir, name);
    int err = out_error(&path);
    if (err == 0 && (stat(out_cstr(&path), &st) != 0 || !S_ISREG(st.st_mode)))
        err = -ENOENT;
    if (err == 0)
        err = input_file_read(path.p, SMALL, ret);
    out_fini(&path);
    return err;
}

/* NULL: not there, or not JSON (its own reader will say so) */
static json_t *read_json(const char *dir, const char *name)
{
    struct out text = {0};
    json_t *j = NULL;
    if (read_small(dir, name, &text) == 0)
        j = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    out_fini(&text);
    if (j && !json_is_object(j)) {
        json_decref(j);
        j = NULL;
    }
    return j;
}

static int is_scalar(const json_t *v)
{
    return json_is_string(v) || json_is_number(v) || json_is_boolean(v);
}

/* id2label: {"0": "cat", …}, in the order of the numbers */
static json_t *label_names(const json_t *id2label)
{
    json_t *names = json_array();
    char key[24];
    for (size_t i = 0; i < json_object_size(id2label); i++) {
        snprintf(key, sizeof key, "%zu", i);
        json_t *name = json_object_get(id2label, key);
        if (!json_is_string(name)) {
            json_decref(names);
            return NULL;
        }
        json_array_append(names, name);
    }
    return names;
}

static void from_config(json_t *record, const char *dir)
{
    json_t *c = read_json(dir, "config.json"), *v, *hyper = json_object();
    const char *key;
    static const char *const others[] = {
        "model_type", "torch_dtype", "transformers_version", "_name_or_path", "seed", "epochs", "parent"};
    json_object_foreach(c, key, v)
    {
        int other = !is_scalar(v);
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            other |= strcmp(key, others[i]) == 0;
        if (!other)
            json_object_set(hyper, key, v);
    }
    json_t *labels = json_object_get(c, "id2label");
    if (json_is_object(labels))
        fact_put(record, "model", "label_names", label_names(labels), FACT_DECLARED);
    fact_put_from(record, "model", "type", c, "model_type");
    fact_put_from(record, "model", "architectures", c, "architectures");
    fact_put_from(record, "model", "seed", c, "seed");
    fact_put_from(record, "model", "epochs", c, "epochs");
    if (json_is_string(json_object_get(c, "transformers_version")))
        fact_put(
            record, "model", "framework",
            json_sprintf("transformers %s", json_string_value(json_object_get(c, "transformers_version"))),
            FACT_DECLARED);
    if (json_object_size(hyper))
        fact_put(record, "model", "hyperparameters", json_incref(hyper), FACT_DECLARED);
    json_decref(hyper);
    json_decref(c);
}

static void from_others(json_t *record, const char *dir)
{
    static const char *const adapter_keys[] = {"peft_type", "base_model_name_or_path", "r", "lora_alpha",
                                               "target_modules"};
    json_t *state = read_json(dir, "trainer_state.json");
    fact_put_from(record, "model", "epochs", state, "epoch");
    fact_put_from(record, "model", "steps", state, "global_step");
    json_decref(state);

    json_t *peft = read_json(dir, "adapter_config.json"), *adapter = json_object();
    for (size_t i = 0; i < sizeof adapter_keys / sizeof *adapter_keys; i++)
        if (json_object_get(peft, adapter_keys[i]))
            json_object_set(adapter, adapter_keys[i], json_object_get(peft, adapter_keys[i]));
    if (json_object_size(adapter))
        fact_put(record, "model", "adapter", json_incref(adapter), FACT_DECLARED);
    json_decref(adapter);
    json_decref(peft);

    json_t *metrics = read_json(dir, "metrics.json");
    if (metrics)
        fact_put(record, "model", "metrics", metrics, FACT_DECLARED);
}

static void digest_of(json_t *record, const char *dir, const char *name, const char *part, const char *leaf)
{
    struct out text = {0};
    struct digest d;
    char hex[HASH_HEX];
    if (!fact_known(record, part, leaf) && read_small(dir, name, &text) == 0) {
        hash_sha256(text.p ? text.p : "", text.n, &d);
        hash_hex(&d, hex);
        fact_put(record, part, leaf, json_sprintf("%s sha256:%s", name, hex), FACT_OBSERVED);
    }
    out_fini(&text);
}

/* The first of each kind that is there counts. */
static void digests(json_t *record, const char *dir)
{
    static const struct {
        const char *name, *part, *leaf;
    } files[] = {
        {"params.yaml", "code", "config_digest"},      {".hydra/config.yaml", "code", "config_digest"},
        {"dvc.lock", "data", "train_manifest_digest"}, {"uv.lock", "code", "lockfile_digest"},
        {"poetry.lock", "code", "lockfile_digest"},    {"Pipfile.lock", "code", "lockfile_digest"},
        {"conda-lock.yml", "code", "lockfile_digest"}, {"requirements.txt", "code", "lockfile_digest"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        digest_of(record, dir, files[i].name, files[i].part, files[i].leaf);
}

/* ---- what is declared ---- */

/* Plain values, or {"v": …}; parts and leaves beyond the form are kept. */
static int declare(json_t *record, const char *name, const json_t *given)
{
    const char *part, *leaf;
    json_t *leaves, *v;
    json_object_foreach((json_t *)(uintptr_t)given, part, leaves)
    {
        if (!json_is_object(leaves))
            return fail(-EINVAL, "%s: \"%s\" is not an object", name, part);
        json_object_foreach(leaves, leaf, v)
        {
            int nested = strcmp(part, "hardware") == 0;
            if (nested && !json_is_object(v))
                return fail(-EINVAL, "%s: \"hardware\" has the parts \"train\" and \"eval\"", name);
            if (nested)
                fact_declare_all(record, strcmp(leaf, "eval") == 0 ? "hardware.eval" : "hardware.train", v);
            else
                fact_declare(record, part, leaf, v);
        }
    }
    return 0;
}

static int declare_file(json_t *record, const char *path)
{
    struct out text = {0};
    json_t *given = NULL;
    int err = input_file_read(path, SMALL, &text);
    if (err == 0 && canon_parse(path, text.p, text.n, 16, &given) < 0)
        err = fail(-EINVAL, "%s", fail_text());
    if (err == 0 && !json_is_object(given))
        err = fail(-EINVAL, "%s: not a JSON object", path);
    if (err == 0)
        err = declare(record, path, given);
    json_decref(given);
    out_fini(&text);
    return err;
}

/* A wrong modelfs.json is a file like any other: it is kept, and a word is said. */
static void declare_beside(json_t *record, const char *dir)
{
    struct out path = {0};
    struct stat st;
    out_printf(&path, "%s/modelfs.json", dir);
    if (!out_error(&path) && stat(out_cstr(&path), &st) == 0 && S_ISREG(st.st_mode) &&
        declare_file(record, path.p) < 0)
        say_note(path.p, "not used as lineage: %s", fail_text());
    out_fini(&path);
}

const char *lineage_user(void)
{
    static char name[64];
    const struct passwd *p = getpwuid(getuid());
    if (p)
        snprintf(name, sizeof name, "%s", p->pw_name);
    else
        snprintf(name, sizeof name, "%u", (unsigned)getuid());
    return name;
}

static void from_machine(json_t *record, const struct lineage *l)
{
    char host[256] = "", when[DESCRIBE_TIME];
    fact_put(record, "who", "committed_by", json_string(lineage_user()), FACT_OBSERVED);
    if (gethostname(host, sizeof host - 1) == 0)
        fact_put(record, "who", "host", json_string(host), FACT_OBSERVED);
    if (l->author)
        fact_put(record, "who", "author", json_string(l->author), FACT_DECLARED);
    fact_put(record, "who", "committed_at", json_string(describe_time(l->time_ns, when)), FACT_OBSERVED);
}

/* Where a path's neighbours are: itself when it is a directory. The caller frees it. */
static char *directory_of(const char *path)
{
    struct stat st;
    char *p = strdup(path), *slash = p ? strrchr(p, '/') : NULL;
    if (!p || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
        return p;
    if (slash && slash != p)
        *slash = 0;
    else
        strcpy(p, slash ? "/" : ".");
    return p;
}

int lineage_gather(const struct lineage *l, struct out *ret)
{
    json_t *record = empty_record();
    char *dir = directory_of(l->npaths ? l->paths[0] : ".");
    struct out top = {0};
    int err = record && dir ? 0 : -ENOMEM;
    if (err == 0) {
        from_machine(record, l);
        err = code_observe(record, dir, l->parent_commit, &top);
    }
    if (err == 0) {
        from_config(record, dir);
        from_others(record, dir);
        digests(record, dir);
        if (top.n)
            digests(record, out_cstr(&top));
        declare_beside(record, dir);
        err = l->file ? declare_file(record, l->file) : 0;
    }
    if (err == 0)
        canon_format(record, ret);
    json_decref(record);
    free(dir);
    out_fini(&top);
    return err < 0 ? err : out_error(ret);
}
