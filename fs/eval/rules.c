/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/rules.h"
#include "store/base/fail.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RULES = 1000, MAX_WORDS = 64 };

static const char standard[] =
    "# What a new version must not do: one rule a line; see THE GATES in modelfs(5).\n"
    "# These are the rules that hold where there is no such file.\n"
    "#\n"
    "# name     metric       where         limit\n"
    "headline   headline     core          margin=auto   # 0.5pp of a share, else 0.5% of the old score\n"
    "must-pass  pass         must-pass     max_broken=0  # rows that were fixed once stay fixed\n"
    "cost       cost_per_k   core          max_rise=0    # where there is an eval/cost.csv\n"
    "health     eval_errors  all           max_new=0     # rows that the old version could answer\n"
    "nan        nonfinite    weights       max_new=0\n"
    "io         signature    model         unchanged\n"
    "\n"
    "# More of the kind:\n"
    "# slices   headline     *             margin=5.0pp adjust=holm\n"
    "# es       accuracy     country=ES    margin=2.0pp\n"
    "# floor    accuracy     core          min=90%\n"
    "# flips    broken_share core          max=1.5%\n"
    "# size     bytes_new    model         max=200MB level=warn\n"
    "\n"
    "# What a set too small to tell means: warn (exit 0) or fail (exit 3).\n"
    "undecided default=warn\n"
    "\n"
    "# A failure that is accepted, for one pair and until a day:\n"
    "# waive es v3..v4 until=2026-12-15 by=amy reason=\"labels under audit, INC-2240\"\n";

const char *rules_default(void)
{
    return standard;
}

struct reading {
    struct rules r;
    char *words[MAX_WORDS];
    size_t n;
    unsigned line;
    struct undecided {
        const char *name; /* NULL: default */
        int strict;
        unsigned line;
    } * undecided;
    size_t nundecided;
};

static int bad(const struct reading *x, const char *what, const char *word)
{
    struct out o = {0};
    out_text(&o, word, strlen(word), 60);
    int err = fail(-EINVAL, "eval/gates line %u: %s%s", x->line, what, out_cstr(&o));
    out_fini(&o);
    return err;
}

/* Cuts a line into words, in place: blanks separate, quotes hold together and vanish. */
static int split(struct reading *x, char *p)
{
    x->n = 0;
    for (;;) {
        p += strspn(p, " \t\r");
        if (!*p || *p == '#')
            return 0;
        if (x->n == MAX_WORDS)
            return bad(x, "too many words", "");
        char *to = x->words[x->n++] = p;
        int quoted = 0;
        for (; *p && (quoted || !strchr(" \t\r", *p)); p++) {
            if (*p == '"')
                quoted = !quoted;
            else
                *to++ = *p;
        }
        if (quoted)
            return bad(x, "a quote without its end: ", x->words[x->n - 1]);
        p += *p != 0;
        *to = 0;
    }
}

static const struct {
    const char *metric;
    enum rules_about about;
    unsigned limits;
    const char *where; /* the only one; NULL: rows */
} kinds[] = {
    {"pass", RULES_PASS, RULES_MAX_BROKEN, NULL},
    {"broken_share", RULES_BROKEN_SHARE, RULES_MAX, NULL},
    {"eval_errors", RULES_ERRORS, RULES_MAX | RULES_MAX_NEW, NULL},
    {"nonfinite", RULES_NONFINITE, RULES_MAX_NEW, "weights"},
    {"signature", RULES_SIGNATURE, RULES_UNCHANGED, "model"},
    {"bytes_new", RULES_BYTES, RULES_MAX, "model"},
};
static const struct {
    const char *name;
    enum rules_limit limit;
} limits[] = {{"margin", RULES_MARGIN},     {"max_rise", RULES_MAX_RISE},
              {"max_drop", RULES_MAX_DROP}, {"min", RULES_MIN},
              {"max", RULES_MAX},           {"max_broken", RULES_MAX_BROKEN},
              {"max_new", RULES_MAX_NEW},   {"unchanged", RULES_UNCHANGED}};

static int about(struct reading *x, struct rules_rule *r, unsigned *ret_limits)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(r->metric, kinds[i].metric) == 0) {
            r->about = kinds[i].about;
            *ret_limits = kinds[i].limits;
            if (kinds[i].where && strcmp(r->where, kinds[i].where) != 0)
                return bad(x, "this metric is of the ", kinds[i].where);
            return strcmp(r->where, "*") ? 0 : bad(x, "* is of scores only: ", r->metric);
        }
    r->about = RULES_SCORE;
    *ret_limits = RULES_MARGIN | RULES_MAX_RISE | RULES_MAX_DROP | RULES_MIN | RULES_MAX;
    if (strcmp(r->metric, "headline") != 0 && !metric_known(r->metric))
        return bad(x, "no such metric: ", r->metric);
    return strncmp(r->where, "tag:", 4) ? 0 : bad(x, "a score is not of rows with a tag: ", r->where);
}

static int number(struct reading *x, struct rules_rule *r, const char *text)
{
    char *end;
    if (r->limit == RULES_MARGIN && strcmp(text, "auto") == 0) {
        r->value = NAN;
        return 0;
    }
    r->value = strtod(text, &end);
    r->unit = end;
    if (end == text || !isfinite(r->value) || r->value < 0 || strchr(text, 'x'))
        return bad(x, "a limit is a number of zero or more: ", r->text);
    if (r->limit & (RULES_MAX_BROKEN | RULES_MAX_NEW) && (*end || r->value != floor(r->value)))
        return bad(x, "not a count: ", r->text);
    return 0;
}

static int option(struct reading *x, struct rules_rule *r, unsigned allowed, const char *word)
{
    size_t n = strcspn(word, "=");
    const char *text = word[n] ? word + n + 1 : word + n;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (strlen(limits[i].name) == n && strncmp(limits[i].name, word, n) == 0) {
            if (!(limits[i].limit & allowed))
                return bad(x, "not a limit of this metric: ", word);
            if (r->limit)
                return bad(x, "a second limit (write a second rule): ", word);
            r->limit = limits[i].limit;
            r->text = word;
            return r->limit != RULES_UNCHANGED ? number(x, r, text)
                   : word[n]                   ? bad(x, "takes no value: ", word)
                                               : 0;
        }
    if (strcmp(word, "level=warn") == 0)
        r->advisory = 1;
    else if (strcmp(word, "level=fail") != 0 && strcmp(word, "conf=0.95") != 0 &&
             strcmp(word, "adjust=holm") != 0)
        return bad(x, "no such option: ", word);
    return 0;
}

static int rule(struct reading *x)
{
    struct rules_rule r = {.unit = ""};
    unsigned allowed;
    if (x->n < 4)
        return bad(x, "a rule is NAME METRIC WHERE LIMIT: ", x->words[0]);
    r.name = x->words[0];
    r.metric = x->words[1];
    r.where = x->words[2];
    for (size_t i = 0; i < x->r.nrules; i++)
        if (strcmp(x->r.rules[i].name, r.name) == 0)
            return bad(x, "a second rule of that name: ", r.name);
    int err = about(x, &r, &allowed);
    for (size_t i = 3; !err && i < x->n; i++)
        err = option(x, &r, allowed, x->words[i]);
    if (!err && !r.limit)
        err = bad(x, "a rule needs its limit: ", r.name);
    if (!err)
        x->r.rules[x->r.nrules++] = r;
    return err;
}

static int undecided(struct reading *x)
{
    for (size_t i = 1; i < x->n; i++) {
        char *is = strrchr(x->words[i], '=');
        if (!is || (strcmp(is, "=warn") != 0 && strcmp(is, "=fail") != 0))
            return bad(x, "undecided takes NAME=warn or NAME=fail: ", x->words[i]);
        if (x->nundecided == MAX_RULES)
            return bad(x, "too many rules", "");
        *is = 0;
        x->undecided[x->nundecided++] = (struct undecided){
            strcmp(x->words[i], "default") ? x->words[i] : NULL, strcmp(is + 1, "fail") == 0, x->line};
    }
    return x->n > 1 ? 0 : bad(x, "undecided takes NAME=warn or NAME=fail", "");
}

static int is_day(const char *s)
{
    static const char form[] = "dddd-dd-dd";
    for (size_t i = 0; i < sizeof form; i++)
        if (form[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
            return 0;
    int month = atoi(s + 5), day = atoi(s + 8);
    return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

static int waive(struct reading *x)
{
    struct rules_waiver w = {.by = ""};
    if (x->n < 3)
        return bad(x, "waive takes NAME A..B until=DATE by=WHO reason=\"TEXT\"", "");
    char *dots = strstr(x->words[2], "..");
    if (!dots || dots == x->words[2] || !dots[2])
        return bad(x, "not a pair A..B of versions: ", x->words[2]);
    *dots = 0;
    w.rule = x->words[1];
    w.a = x->words[2];
    w.b = dots + 2;
    w.by = w.reason = "";
    for (size_t i = 3; i < x->n; i++) {
        const char *word = x->words[i];
        if (strncmp(word, "until=", 6) == 0 && is_day(word + 6))
            memcpy(w.until, word + 6, sizeof w.until);
        else if (strncmp(word, "by=", 3) == 0)
            w.by = word + 3;
        else if (strncmp(word, "reason=", 7) == 0)
            w.reason = word + 7;
        else
            return bad(x, "a waiver has until=YYYY-MM-DD, by=WHO, reason=\"TEXT\": ", word);
    }
    if (!*w.until || !*w.by || !*w.reason)
        return bad(x, "a waiver says until when, by whom and why: ", w.rule);
    x->r.waivers[x->r.nwaivers++] = w;
    return 0;
}

static int line(struct reading *x)
{
    char *end;
    if (strcmp(x->words[0], "undecided") == 0)
        return undecided(x);
    if (x->r.nrules == MAX_RULES || x->r.nwaivers == MAX_RULES)
        return bad(x, "too many rules", "");
    if (strcmp(x->words[0], "waive") == 0)
        return waive(x);
    if (strcmp(x->words[0], "alpha") != 0)
        return rule(x);
    if (x->n != 2 || !((x->r.alpha = strtod(x->words[1], &end)) > 0) || x->r.alpha > 0.5 || *end)
        return bad(x, "alpha is one number above 0, at most 0.5", "");
    return 0;
}

static const struct rules_rule *named(const struct rules *r, const char *name)
{
    for (size_t i = 0; i < r->nrules; i++)
        if (strcmp(r->rules[i].name, name) == 0)
            return &r->rules[i];
    return NULL;
}

/* What names a rule names one that there is; those named come after the default. */
static int link_names(struct reading *x)
{
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < x->nundecided; i++) {
            const struct undecided *u = &x->undecided[i];
            x->line = u->line;
            if (u->name && !named(&x->r, u->name))
                return bad(x, "no rule of that name: ", u->name);
            for (size_t k = 0; k < x->r.nrules; k++)
                if (pass ? u->name && strcmp(x->r.rules[k].name, u->name) == 0 : !u->name)
                    x->r.rules[k].strict = u->strict;
        }
    return 0;
}

int rules_parse(const char *p, size_t n, struct rules *ret)
{
    struct reading x = {.r.alpha = 0.05};
    char *text = arena_strndup(&x.r.arena, p, n);
    x.r.rules = arena_array(&x.r.arena, MAX_RULES, sizeof *x.r.rules);
    x.r.waivers = arena_array(&x.r.arena, MAX_RULES, sizeof *x.r.waivers);
    x.undecided = arena_array(&x.r.arena, MAX_RULES, sizeof *x.undecided);
    int err = text && x.r.rules && x.r.waivers && x.undecided ? 0 : fail(-ENOMEM, "out of memory");
    if (!err && memchr(p, 0, n))
        err = fail(-EINVAL, "eval/gates: a NUL byte: this is no text");
    for (char *at = text, *next; !err && at; at = next) {
        if ((next = strchr(at, '\n')))
            *next++ = 0;
        x.line++;
        if (!(err = split(&x, at)) && x.n)
            err = line(&x);
    }
    if (!err)
        err = link_names(&x);
    for (size_t i = 0; !err && i < x.r.nwaivers; i++)
        if (!named(&x.r, x.r.waivers[i].rule))
            err = fail(-EINVAL, "eval/gates: waive %.60s: no rule of that name", x.r.waivers[i].rule);
    if (err)
        rules_fini(&x.r);
    else
        *ret = x.r;
    return err;
}

void rules_fini(struct rules *r)
{
    arena_fini(&r->arena);
    *r = (struct rules){.alpha = 0};
}

int rules_matches(const struct rules_rule *r, const struct eval_change *c, const char *headline)
{
    const char *metric = strcmp(r->metric, "headline") ? r->metric : headline;
    if (r->about != RULES_SCORE || strcmp(metric, c->metric) != 0)
        return 0;
    if (!c->slice[0])
        return strcmp(r->where, c->cohort) == 0;
    return strcmp(c->cohort, "core") == 0 && (!strcmp(r->where, "*") || !strcmp(r->where, c->slice));
}

const struct rules_rule *rules_of(const struct rules *r, const struct eval_change *c, const char *headline)
{
    const struct rules_rule *ret = NULL;
    for (size_t i = 0; i < r->nrules; i++) {
        const struct rules_rule *x = &r->rules[i];
        if (!rules_matches(x, c, headline))
            continue;
        if (strcmp(x->where, "*") != 0)
            return x; /* a slice with its own rule is not judged by that of all */
        ret = ret ? ret : x;
    }
    return ret;
}

double rules_margin(const struct rules_rule *r, const struct eval_change *c)
{
    int share = strcmp(c->unit, "share") == 0;
    if (!(r->limit & (RULES_MARGIN | RULES_MAX_RISE | RULES_MAX_DROP)))
        return NAN;
    if ((r->limit == RULES_MAX_RISE && c->direction > 0) || (r->limit == RULES_MAX_DROP && c->direction < 0))
        return NAN;
    if (isnan(r->value) && strncmp(c->metric, "cost_per_", 9) == 0)
        return 0;
    if (isnan(r->value))
        return (c->slice[0] ? 0.05 : 0.005) * (share ? 1 : fabs(c->a));
    if (strcmp(r->unit, "pp") == 0)
        return share ? r->value / 100 : NAN;
    if (strcmp(r->unit, "%") == 0)
        return r->value / 100 * fabs(c->a);
    return *r->unit && strcmp(r->unit, c->unit) != 0 ? NAN : r->value;
}

double rules_value(const struct rules_rule *r, const char *unit)
{
    static const struct {
        const char *name;
        double bytes;
    } sizes[] = {{"", 1}, {"bytes", 1}, {"B", 1}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}};
    if (strcmp(unit, "bytes") == 0) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            if (strcmp(r->unit, sizes[i].name) == 0)
                return r->value * sizes[i].bytes;
        return NAN;
    }
    if (strcmp(r->unit, "%") == 0)
        return strcmp(unit, "share") == 0 ? r->value / 100 : NAN;
    return *r->unit && strcmp(r->unit, unit) != 0 ? NAN : r->value;
}
