/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/append.h"
#include "tools/client.h"
#include "tools/say.h"
#include <stdio.h>

static int tell(const char *path, const char *done, const struct request_append *r)
{
    const char *const what[] = {done, "merged", "rejected", "waiting for a label"};
    const uint64_t n[] = {r->kept, r->merged, r->rejected, r->unlabelled};
    const char *comma = "";
    for (int i = 0; i < 4; i++)
        if (n[i] || i == 0) {
            printf("%s%llu %s", comma, (unsigned long long)n[i], what[i]);
            comma = ", ";
        }
    putchar('\n');
    if (!r->rejected)
        return SAY_DONE;
    say_note(path, "%s", r->first_error);
    return r->kept + r->merged + r->unlabelled ? SAY_PARTLY : SAY_REFUSED;
}

int append_lines(const char *repo, unsigned flags, const char *path, const char *done, struct request q)
{
    struct out result = {0};
    struct arena arena = {0};
    struct client *c = NULL;
    struct request_append r = {0};
    int code, err = client_open(repo, flags, &c);
    if (err < 0) {
        code = say_fail_open(repo, err);
    } else {
        err = client_call(c, &q, NULL, &result);
        if (err == 0)
            err = request_parse_append(wire_read(result.p, result.n), &arena, &r);
        code = err < 0 ? say_fail(path, err) : tell(path, done, &r);
    }
    client_close(c);
    arena_fini(&arena);
    out_fini(&result);
    return code;
}

int append_file(const char *repo, unsigned flags, const char *path, enum table_kind kind, struct request q)
{
    struct out lines = {0};
    int err = table_read(path, kind, &lines);
    q.body = lines.p;
    q.nbody = lines.n;
    int code = err < 0 ? say_fail(path, err) : append_lines(repo, flags, path, "kept", q);
    out_fini(&lines);
    return code;
}
