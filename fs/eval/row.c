/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/row.h"
#include "store/base/fail.h"
#include "store/base/utf8.h"
#include <errno.h>
#include <math.h>
#include <time.h>

/* The keys only the owner of the store writes. */
static const char *const stamp_keys[] = {"row", "rev",     "digest", "input_digest", "added_at",   "uid",
                                         "pid", "retired", "was",    "erased",       "pred_at_add"};

static const char *const kinds[] = {"sample", "curated", "failure", "adversarial", "synthetic", "import"};

const char *row_cohort_name(enum row_cohort c)
{
    static const char *const names[] = {"core", "failures", "must-pass", "other"};
    return names[c];
}

const char *row_reason_name(enum row_reason r)
{
    static const char *const names[ROW_REASON_MAX] = {
        "fine",      "bad_json",       "not_utf8", "too_big",        "no_input",  "bad_label",  "non_finite",
        "bad_field", "shape_mismatch", "dup_id",   "label_conflict", "truncated", "no_such_row"};
    return r < ROW_REASON_MAX ? names[r] : "?";
}

void row_label_text(const json_t *label, struct out *o)
{
    if (json_is_string(label))
        out_write(o, json_string_value(label), json_string_length(label));
    else
        canon_format(label, o);
}

/* Integers past 2^53 would change silently in the canonical form (its numbers are doubles). */
static int numbers_exact(const json_t *v)
{
    size_t i;
    const char *key;
    json_t *item;
    switch (json_typeof(v)) {
    case JSON_INTEGER:
        return llabs(json_integer_value(v)) <= 1LL << 53;
    case JSON_ARRAY:
        json_array_foreach(v, i, item) if (!numbers_exact(item)) return 0;
        return 1;
    case JSON_OBJECT:
        json_object_foreach((json_t *)v, key, item) if (!numbers_exact(item)) return 0;
        return 1;
    default:
        return 1;
    }
}

static int refuse(enum row_reason *ret, enum row_reason why)
{
    *ret = why;
    return -EINVAL;
}

/* ids and groups may come as numbers, which exporters like to write; they are kept as strings */
static int as_string(json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    if (!json_is_integer(v))
        return 0;
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v));
    return json_object_set_new(o, key, json_string(text)) ? -ENOMEM : 0;
}

static int bad_id(const char *s)
{
    if (!*s || strlen(s) > ROW_MAX_ID || !strcmp(s, ".") || !strcmp(s, ".."))
        return 1;
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f || *s == '/')
            return 1;
    return 0;
}

static int strings_only(const json_t *v)
{
    size_t i;
    json_t *item;
    if (!json_is_array(v))
        return 0;
    json_array_foreach(v, i, item) if (!json_is_string(item) || !json_string_length(item)) return 0;
    return 1;
}

static int numbers_only(json_t *v)
{
    const char *key;
    json_t *item;
    if (!json_is_object(v))
        return 0;
    json_object_foreach(v, key, item) if (!json_is_number(item)) return 0;
    return 1;
}

/* The known keys' types and values; a null stands for an absent key and is dropped. */
static int check_fields(json_t *o)
{
    static const char *const known[] = {"id",    "label", "slices", "tags",   "weight",
                                        "value", "group", "source", "reason", "added_by"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (json_is_null(json_object_get(o, known[i])))
            json_object_del(o, known[i]);
    if (as_string(o, "id") || as_string(o, "group"))
        return -ENOMEM;
    const json_t *v;
    if ((v = json_object_get(o, "id")) && (!json_is_string(v) || bad_id(json_string_value(v))))
        return fail(-EINVAL, "id: must be 1 to %d bytes of text without '/' and control characters",
                    ROW_MAX_ID);
    if ((v = json_object_get(o, "group")) && !json_is_string(v))
        return fail(-EINVAL, "group: must be text");
    if ((v = json_object_get(o, "slices")) && !strings_only(v))
        return fail(-EINVAL, "slices: must be a list of texts (\"country=ES\")");
    if ((v = json_object_get(o, "tags")) && !strings_only(v))
        return fail(-EINVAL, "tags: must be a list of texts");
    if ((v = json_object_get(o, "weight")) && !(json_is_number(v) && json_number_value(v) >= 0))
        return fail(-EINVAL, "weight: must be a number, 0 or more");
    if ((v = json_object_get(o, "value")) && !numbers_only((json_t *)v))
        return fail(-EINVAL, "value: must be an object of numbers ({\"amount\":980})");
    if ((v = json_object_get(o, "reason")) && !json_is_string(v))
        return fail(-EINVAL, "reason: must be text");
    if ((v = json_object_get(o, "added_by")) && !json_is_string(v))
        return fail(-EINVAL, "added_by: must be text");
    if (!(v = json_object_get(o, "source")))
        return 0;
    if (!json_is_object(v))
        return fail(-EINVAL, "source: must be an object ({\"kind\":\"failure\",\"version\":\"v3\"})");
    const json_t *kind = json_object_get(v, "kind");
    for (size_t i = 0; kind && i < sizeof kinds / sizeof *kinds; i++)
        if (json_is_string(kind) && !strcmp(json_string_value(kind), kinds[i]))
            return 0;
    if (kind)
        return fail(-EINVAL,
                    "source.kind: must be sample, curated, failure, adversarial, synthetic or import");
    return 0;
}

static int has(const json_t *list, const char *s)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) if (!strcmp(json_string_value(item), s)) return 1;
    return 0;
}

int row_has_tag(const struct row *r, const char *tag)
{
    return has(r->tags, tag);
}
int row_in_slice(const struct row *r, const char *slice)
{
    return has(r->slices, slice);
}

static enum row_cohort cohort(const struct row *r)
{
    const char *kind = json_string_value(json_object_get(json_object_get(r->json, "source"), "kind"));
    if (row_has_tag(r, "must-pass"))
        return ROW_MUST_PASS;
    if (!kind || !strcmp(kind, "sample") || !strcmp(kind, "curated"))
        return row_has_tag(r, "leak") ? ROW_OTHER : ROW_CORE;
    return !strcmp(kind, "failure") || !strcmp(kind, "adversarial") ? ROW_FAILURES : ROW_OTHER;
}

/* {"input":…,"label":…,"scorer":"<hex>"} */
static int digest(const json_t *input, const json_t *label, const struct digest *scorer, struct digest *ret)
{
    char hex[HASH_HEX];
    hash_hex(scorer, hex);
    struct out o = {0};
    out_str(&o, "{\"input\":");
    canon_format(input, &o);
    if (label) {
        out_str(&o, ",\"label\":");
        canon_format(label, &o);
    }
    out_printf(&o, ",\"scorer\":\"%s\"}", hex);
    int err = out_error(&o);
    if (!err)
        hash_sha256(o.p, o.n, ret);
    out_fini(&o);
    return err;
}

/* Fills r from r->json, whose fields have been checked. */
static int bind(struct row *r, const struct digest *scorer)
{
    r->input = json_object_get(r->json, "input");
    r->label = json_object_get(r->json, "label");
    r->value = json_object_get(r->json, "value");
    r->slices = json_object_get(r->json, "slices");
    r->tags = json_object_get(r->json, "tags");
    r->group = json_string_value(json_object_get(r->json, "group"));
    const json_t *w = json_object_get(r->json, "weight");
    r->weight = w ? json_number_value(w) : 1;
    r->cohort = cohort(r);
    if (canon_digest(r->input, &r->input_digest) || digest(r->input, r->label, scorer, &r->digest))
        return -ENOMEM;
    if (!json_object_get(r->json, "id")) {
        char hex[HASH_HEX], id[20];
        hash_hex(&r->digest, hex);
        snprintf(id, sizeof id, "r-%.16s", hex);
        if (json_object_set_new(r->json, "id", json_string(id)))
            return -ENOMEM;
    }
    r->id = json_string_value(json_object_get(r->json, "id"));
    return 0;
}

/* jansson names the token it stopped at; of -Infinity that is the sign alone. */
static enum row_reason why_unparsed(const char *p, size_t n)
{
    const char *t = fail_text();
    int non_finite = strstr(t, "number overflow") || strstr(t, "near 'NaN") || strstr(t, "near 'Infinity") ||
                     (strstr(t, "near '-'") && memmem(p, n, "-Infinity", 9));
    return non_finite ? ROW_NON_FINITE : ROW_BAD_JSON;
}

static int judge(json_t *o, const struct digest *scorer, struct row *r, enum row_reason *why)
{
    if (!json_is_object(o)) {
        fail(-EINVAL, "not an object ({\"input\":…,\"label\":…})");
        return refuse(why, ROW_BAD_JSON);
    }
    for (size_t i = 0; i < sizeof stamp_keys / sizeof *stamp_keys; i++)
        json_object_del(o, stamp_keys[i]);
    if (!numbers_exact(o)) {
        fail(-EINVAL, "an integer past 2^53 is not exact in JSON; write it as text");
        return refuse(why, ROW_BAD_FIELD);
    }
    const json_t *input = json_object_get(o, "input"), *label = json_object_get(o, "label");
    if (!input || json_is_null(input)) {
        fail(-EINVAL, "no \"input\"");
        return refuse(why, ROW_NO_INPUT);
    }
    if (json_is_array(label) || json_is_object(label)) {
        fail(-EINVAL, "label: must be text, a number or true/false");
        return refuse(why, ROW_BAD_LABEL);
    }
    int err = check_fields(o);
    if (err)
        return err == -ENOMEM ? err : refuse(why, ROW_BAD_FIELD);
    r->json = o;
    return bind(r, scorer);
}

int row_parse(const char *p, size_t n, const struct digest *scorer, struct row *ret,
              enum row_reason *ret_reason)
{
    *ret_reason = ROW_FINE;
    if (n > ROW_MAX_BYTES) {
        fail(-EINVAL, "%zu bytes; a row holds at most %u (large inputs go by reference)", n, ROW_MAX_BYTES);
        return refuse(ret_reason, ROW_TOO_BIG);
    }
    if (!utf8_valid(p, n)) {
        fail(-EINVAL, "not UTF-8");
        return refuse(ret_reason, ROW_NOT_UTF8);
    }
    json_t *o = NULL;
    int err = canon_parse("row", p, n, ROW_MAX_DEPTH, &o);
    if (err)
        return refuse(ret_reason, why_unparsed(p, n));
    struct row r = {0};
    err = judge(o, scorer, &r, ret_reason);
    if (err)
        json_decref(o);
    else
        *ret = r;
    return err;
}

void row_fini(struct row *r)
{
    if (!r)
        return;
    json_decref(r->json);
    json_decref(r->was);
    json_decref(r->known);
    *r = (struct row){0};
}

static void set(json_t *o, const char *key, json_t *v, struct out *out)
{
    if (json_object_set_new(o, key, v))
        out->err = -ENOMEM;
}

void row_format(const struct row *r, const struct row_stamp *s, struct out *o)
{
    json_t *j = json_copy(r->json);
    if (!j) {
        o->err = -ENOMEM;
        return;
    }
    char hex[HASH_HEX], when[32];
    struct tm tm;
    time_t t = (time_t)s->added_at;
    if (!gmtime_r(&t, &tm) || !strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm))
        when[0] = 0;
    set(j, "row", json_integer((json_int_t)s->row), o);
    set(j, "rev", json_integer((json_int_t)s->rev), o);
    set(j, "added_at", json_string(when), o);
    set(j, "uid", json_integer(s->uid), o);
    if (s->pid)
        set(j, "pid", json_integer(s->pid), o);
    if (s->retired)
        set(j, "retired", json_integer((json_int_t)s->retired), o);
    if (r->was)
        set(j, "was", json_incref(r->was), o);
    if (r->known)
        set(j, "pred_at_add", json_incref(r->known), o);
    hash_hex(&r->digest, hex);
    set(j, "digest", json_string(hex), o);
    hash_hex(&r->input_digest, hex);
    set(j, "input_digest", json_string(hex), o);
    canon_format(j, o);
    json_decref(j);
}

static int stamp_read(const json_t *o, struct row_stamp *s)
{
    const json_t *row = json_object_get(o, "row"), *rev = json_object_get(o, "rev");
    const char *when = json_string_value(json_object_get(o, "added_at"));
    struct tm tm = {0};
    if (!json_is_integer(row) || !json_is_integer(rev) || !when || !strptime(when, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return fail(-EBADMSG, "row: its row, rev or added_at is missing");
    s->row = (uint64_t)json_integer_value(row);
    s->rev = (uint64_t)json_integer_value(rev);
    s->added_at = timegm(&tm);
    s->uid = (uint32_t)json_integer_value(json_object_get(o, "uid"));
    s->pid = json_integer_value(json_object_get(o, "pid"));
    s->retired = (uint64_t)json_integer_value(json_object_get(o, "retired"));
    return 0;
}

int row_load(const char *p, size_t n, const struct digest *scorer, struct row *ret,
             struct row_stamp *ret_stamp)
{
    json_t *o = NULL;
    struct row_stamp s;
    /* a stored row is a little longer than the line it came from */
    int err = canon_parse("row", p, n, ROW_MAX_DEPTH, &o);
    if (!err)
        err = stamp_read(o, &s);
    struct row r = {0};
    enum row_reason why = ROW_FINE;
    json_t *was = err ? NULL : json_incref(json_object_get(o, "was"));
    json_t *known = err ? NULL : json_incref(json_object_get(o, "pred_at_add"));
    if (was && !json_is_array(was))
        err = fail(-EBADMSG, "row: its past is no list");
    if (!err && (err = judge(o, scorer, &r, &why)) == -EINVAL)
        err = -EBADMSG;
    if (err) {
        json_decref(was);
        json_decref(known);
        json_decref(o);
        return err;
    }
    *ret = r;
    ret->was = was;
    ret->known = known;
    *ret_stamp = s;
    return 0;
}

/* What of a row changes after it was added. */
static const char *const changing[] = {"label", "slices", "tags"};

int row_remember(struct row *r, const struct row *old, uint64_t until, const char *why)
{
    json_t *x = json_pack("{s:I}", "until", (json_int_t)until);
    int bad = !x || (why && json_object_set_new(x, "why", json_string(why)));
    for (size_t i = 0; !bad && i < sizeof changing / sizeof *changing; i++) {
        const json_t *before = json_object_get(old->json, changing[i]);
        const json_t *now = json_object_get(r->json, changing[i]);
        if (before == now || (before && now && json_equal(before, now)))
            continue;
        bad = json_object_set_new(x, changing[i], before ? json_deep_copy(before) : json_null()) != 0;
    }
    if (!bad && !r->was)
        bad = !(r->was = json_array());
    if (bad || json_array_append(r->was, x))
        bad = 1;
    json_decref(x);
    return bad ? fail(-ENOMEM, "out of memory") : 0;
}

int row_at(struct row *r, uint64_t rev, const struct digest *scorer)
{
    for (size_t i = json_array_size(r->was); i-- > 0; json_array_remove(r->was, i)) {
        const json_t *x = json_array_get(r->was, i);
        if ((uint64_t)json_integer_value(json_object_get(x, "until")) <= rev)
            break;
        for (size_t k = 0; k < sizeof changing / sizeof *changing; k++) {
            json_t *before = json_object_get(x, changing[k]);
            if (json_is_null(before))
                json_object_del(r->json, changing[k]);
            else if (before && json_object_set(r->json, changing[k], before))
                return fail(-ENOMEM, "out of memory");
        }
    }
    if (r->was && !json_array_size(r->was)) {
        json_decref(r->was);
        r->was = NULL;
    }
    return bind(r, scorer);
}

int row_relabel(struct row *r, const json_t *label, const struct digest *scorer)
{
    return json_object_set_new(r->json, "label", json_deep_copy(label)) ? fail(-ENOMEM, "out of memory")
                                                                        : bind(r, scorer);
}

static int unite(struct row *r, const char *key, const json_t *more)
{
    size_t i;
    json_t *item, *list = json_object_get(r->json, key);
    int changed = 0;
    json_array_foreach(more, i, item)
    {
        if (has(list, json_string_value(item)))
            continue;
        if (!list) {
            list = json_array();
            if (json_object_set_new(r->json, key, list))
                return -ENOMEM;
        }
        if (json_array_append(list, item))
            return -ENOMEM;
        changed = 1;
    }
    return changed;
}

int row_merge(struct row *r, const struct row *more)
{
    int a = unite(r, "slices", more->slices), b = a < 0 ? a : unite(r, "tags", more->tags);
    if (b < 0)
        return b;
    r->slices = json_object_get(r->json, "slices");
    r->tags = json_object_get(r->json, "tags");
    r->cohort = cohort(r);
    return a | b;
}
