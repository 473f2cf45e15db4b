/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tag.h"
#include "store/base/fail.h"
#include "store/version.h"

static int is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '+' || c == '-';
}

int tag_valid(const char *name)
{
    /* names of the mount's own map, and of its future */
    static const char *const taken[] = {"latest",     "best",    "tags",     "runs", "info",
                                        "tensors",    "diff",    "eval",     "new",  "commit",
                                        "README.txt", "log.txt", "store.txt"};
    size_t n = strlen(name), digits;
    if (n == 0 || n > 64)
        return fail(-EINVAL, "a tag has 1 to 64 bytes");
    for (size_t i = 0; i < n; i++) {
        int dot = name[i] == '.' && i > 0 && name[i - 1] != '.' && i + 1 < n;
        if (!is_word(name[i]) && !dot)
            return fail(-EINVAL, "a tag is made of letters, digits, _ + - and single dots inside");
    }
    if (strchr("_+-", name[0]))
        return fail(-EINVAL, "a tag begins with a letter or a digit");
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(name, taken[i]) == 0)
            return fail(-EINVAL, "\"%s\" is a name that the mount uses itself", name);
    digits = strspn(name + 1, "0123456789");
    if (name[0] == 'v' && digits && !name[1 + digits])
        return fail(-EINVAL, "\"%s\" looks like a version", name);
    if (name[0] == 'E' && digits) {
        size_t more = name[1 + digits] == '.' ? strspn(name + 2 + digits, "0123456789") : 0;
        if (!name[1 + digits] || (more && !name[2 + digits + more]))
            return fail(-EINVAL, "\"%s\" looks like a revision of the evaluation set", name);
    }
    if (n >= 6 && strspn(name, "0123456789abcdef") == n)
        return fail(-EINVAL, "\"%s\" looks like a digest", name);
    return 0;
}

int tag_put(struct store *s, struct db_batch *b, uint64_t seq, const char *name, const struct digest *from,
            const struct digest *to, const char *who)
{
    struct key tag = key_model_bytes('t', name, strlen(name)), move = key_model_be64('m', seq);
    struct tag_move m = {.name = name, .from = *from, .who = who, .time_ns = write_now()};
    struct out ref = {0}, rec = {0};
    if (to) {
        m.to = *to;
        record_ref_format(to, &ref);
    }
    memcpy(move.b + move.n, name, strlen(name)); /* one event may move several tags */
    move.n += strlen(name);
    record_move_format(&m, &rec);
    int r = out_error(&ref) | out_error(&rec);
    if (r == 0) {
        if (to)
            db_put(s->db, b, DB_REFS, tag.b, tag.n, ref.p, ref.n);
        else
            db_delete(s->db, b, DB_REFS, tag.b, tag.n);
        db_put(s->db, b, DB_REFS, move.b, move.n, rec.p, rec.n);
    }
    out_fini(&ref);
    out_fini(&rec);
    return r < 0 ? fail(-ENOMEM, "out of memory") : 0;
}

int tag_get(struct store *s, const char *name, struct digest *ret)
{
    if (strlen(name) > 64)
        return fail(-ENOENT, "no tag of that length");
    struct key k = key_model_bytes('t', name, strlen(name));
    struct db_value v;
    int r = db_get(s->db, DB_REFS, k.b, k.n, &v);
    if (r == -ENOENT)
        return fail(r, "no tag %s", name);
    if (r < 0)
        return r;
    r = record_ref_parse(v.p, v.n, ret);
    db_value_free(&v);
    return r;
}

struct change {
    const char *name, *who;
    const struct digest *to, *expect;
};

static int build(struct store *s, void *ctx, uint64_t seq, struct db_batch *b, struct out *event)
{
    struct change *c = ctx;
    struct digest now = {{0}};
    int r = tag_get(s, c->name, &now);
    if (r == -ENOENT && !c->to)
        return r;
    if (r < 0 && r != -ENOENT)
        return r;
    if (c->expect && !hash_equal(c->expect, &now))
        return fail(-EEXIST, "tag %s was moved meanwhile", c->name);
    if (c->to) {
        const struct version *v;
        if ((r = version_get(s, c->to, &v)) < 0)
            return r;
        version_unref(v);
    }
    out_str(event, "{\"tag\":");
    write_json_text(event, c->name);
    out_str(event, ",\"from\":");
    write_json_digest(event, &now);
    out_str(event, ",\"to\":");
    if (c->to)
        write_json_digest(event, c->to);
    else
        out_str(event, "null");
    out_str(event, ",\"who\":");
    write_json_text(event, c->who);
    out_char(event, '}');
    return tag_put(s, b, seq, c->name, &now, c->to, c->who);
}

int tag_set(struct store *s, const char *name, const struct digest *d, const struct digest *expect,
            const char *who)
{
    int r = tag_valid(name);
    if (r < 0)
        return r;
    struct change c = {.name = name, .who = who ? who : "", .to = d, .expect = expect};
    struct write w = {.kind = "tag", .build = build, .ctx = &c, .alone = 1};
    return write_submit(s, &w);
}

int tag_each(struct store *s, int (*each)(void *ctx, const char *name, const struct digest *d), void *ctx)
{
    struct key prefix = key_model('t');
    struct db_iter *it = db_iter_new(s->db, DB_REFS, prefix.b, prefix.n, NULL, 0);
    if (!it)
        return fail(-ENOMEM, "out of memory");
    struct db_record rec;
    int r;
    while ((r = db_next(it, &rec)) == 1) {
        char name[65] = {0};
        struct digest d;
        size_t n = rec.nkey - prefix.n;
        if (n > 64) {
            r = fail(-EBADMSG, "a tag's key is too long");
            break;
        }
        memcpy(name, rec.key + prefix.n, n);
        if ((r = record_ref_parse(rec.p, rec.n, &d)) < 0 || (r = each(ctx, name, &d)) != 0)
            break;
    }
    db_iter_free(it);
    return r;
}

int tag_moves_each(struct store *s, int (*each)(void *ctx, const struct tag_move *m), void *ctx)
{
    struct key prefix = key_model('m');
    struct db_iter *it = db_iter_new(s->db, DB_REFS, prefix.b, prefix.n, NULL, 0);
    if (!it)
        return fail(-ENOMEM, "out of memory");
    struct db_record rec;
    struct tag_move m;
    int r;
    while ((r = db_next(it, &rec)) == 1)
        if ((r = record_move_parse(rec.p, rec.n, &m)) < 0 || (r = each(ctx, &m)) != 0)
            break;
    db_iter_free(it);
    return r;
}
