/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/fact.h"
#include <stdio.h>
#include <string.h>

json_t *fact_part(json_t *record, const char *part)
{
    for (const char *p = part; *p;) {
        char name[64];
        size_t n = strcspn(p, ".");
        snprintf(name, sizeof name, "%.*s", (int)n, p);
        json_t *in = json_object_get(record, name);
        if (!json_is_object(in)) {
            in = json_object();
            json_object_set_new(record, name, in);
        }
        record = in;
        p += n + (p[n] == '.');
    }
    return record;
}

void fact_put(json_t *record, const char *part, const char *leaf, json_t *v, enum fact_how how)
{
    if (v)
        json_object_set_new(
            fact_part(record, part), leaf,
            json_pack("{s:o,s:s}", "v", v, "how", how == FACT_OBSERVED ? "observed" : "declared"));
}

void fact_put_from(json_t *record, const char *part, const char *leaf, const json_t *from, const char *key)
{
    json_t *v = json_object_get(from, key);
    if (v && !json_is_null(v))
        fact_put(record, part, leaf, json_incref(v), FACT_DECLARED);
}

void fact_declare(json_t *record, const char *part, const char *leaf, json_t *v)
{
    json_t *inner = json_object_get(v, "v");
    v = inner ? inner : v;
    if (!json_is_null(v))
        fact_put(record, part, leaf, json_incref(v), FACT_DECLARED);
}

void fact_declare_all(json_t *record, const char *part, json_t *leaves)
{
    const char *leaf;
    json_t *v;
    json_object_foreach(leaves, leaf, v)
    {
        fact_declare(record, part, leaf, v);
    }
}

int fact_known(json_t *record, const char *part, const char *leaf)
{
    return json_is_object(json_object_get(fact_part(record, part), leaf));
}
