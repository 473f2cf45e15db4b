/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/forge.h"
#include "store/base/fail.h"
#include "tools/spawn.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER = 16 << 20 };

/* Runs it; its output is ret. -ENOENT: no such program; -EIO: it failed. */
static int run(struct out *ret, const char *const *argv)
{
    int status = spawn_read(argv, ANSWER, ret);
    if (status < 0)
        return status == -ENOENT ? status : fail(status, "%s", argv[0]);
    return status ? fail(-EIO, "%s %s %s: exit %d", argv[0], argv[1], argv[2], status) : 0;
}

/* The first line, without its newline. */
static const char *line(struct out *o)
{
    char *p = (char *)(uintptr_t)out_cstr(o);
    p[strcspn(p, "\n")] = 0;
    return p;
}

static int github(const char *path, const char *key)
{
    struct out number = {0}, id = {0}, where = {0}, pick = {0}, body = {0};
    const char *view[] = {"gh", "pr", "view", "--json", "number", "-q", ".number", NULL};
    int err = run(&number, view);
    if (err == 0 && !*line(&number))
        err = fail(-ENOENT, "gh: this branch has no pull request");
    if (err == 0) {
        out_printf(&where, "repos/{owner}/{repo}/issues/%s/comments", line(&number));
        out_printf(&pick, ".[] | select(.body | startswith(\"%s\")) | .id", key);
        const char *list[] = {"gh", "api", "--paginate", out_cstr(&where), "-q", out_cstr(&pick), NULL};
        err = run(&id, list);
    }
    int there = err == 0 && *line(&id);
    if (there) {
        out_reset(&where);
        out_printf(&where, "repos/{owner}/{repo}/issues/comments/%s", line(&id));
        out_printf(&body, "body=@%s", path);
        const char *patch[] = {"gh", "api", "-X", "PATCH", out_cstr(&where), "-F", out_cstr(&body), NULL};
        out_reset(&id);
        err = run(&id, patch);
    } else if (err == 0) {
        const char *post[] = {"gh", "pr", "comment", line(&number), "--body-file", path, NULL};
        err = run(&id, post);
    }
    out_fini(&number);
    out_fini(&id);
    out_fini(&where);
    out_fini(&pick);
    out_fini(&body);
    return err < 0 ? err : there;
}

/* The note that begins with the key: its id, 0 for none. */
static json_int_t find_note(const struct out *notes, const char *key)
{
    json_t *list = json_loadb(notes->p ? notes->p : "", notes->n, 0, NULL), *x;
    json_int_t ret = 0;
    size_t i;
    json_array_foreach(list, i, x)
    {
        const char *body = json_string_value(json_object_get(x, "body"));
        if (!ret && body && strncmp(body, key, strlen(key)) == 0)
            ret = json_integer_value(json_object_get(x, "id"));
    }
    json_decref(list);
    return ret;
}

static int gitlab(const char *path, const char *key)
{
    struct out answer = {0}, where = {0}, body = {0};
    const char *view[] = {"glab", "mr", "view", "--output", "json", NULL};
    json_int_t number = 0, id = 0;
    int err = run(&answer, view);
    if (err == 0) {
        json_t *request = json_loadb(answer.p ? answer.p : "", answer.n, 0, NULL);
        number = json_integer_value(json_object_get(request, "iid"));
        json_decref(request);
        if (!number)
            err = fail(-ENOENT, "glab: this branch has no merge request");
    }
    if (err == 0) {
        out_printf(&where, "projects/:id/merge_requests/%lld/notes?per_page=100", (long long)number);
        const char *list[] = {"glab", "api", out_cstr(&where), NULL};
        out_reset(&answer);
        err = run(&answer, list);
    }
    if (err == 0) {
        id = find_note(&answer, key);
        out_reset(&where);
        out_printf(&where, "projects/:id/merge_requests/%lld/notes", (long long)number);
        if (id)
            out_printf(&where, "/%lld", (long long)id);
        out_printf(&body, "body=@%s", path);
        const char *put[] = {"glab", "api",           "-X", id ? "PUT" : "POST", out_cstr(&where),
                             "-F",   out_cstr(&body), NULL};
        out_reset(&answer);
        err = run(&answer, put);
    }
    out_fini(&answer);
    out_fini(&where);
    out_fini(&body);
    return err < 0 ? err : id != 0;
}

int forge_post(const char *path, const char *key)
{
    int err = github(path, key);
    if (err == -ENOENT && !*fail_text())
        err = gitlab(path, key);
    if (err == -ENOENT && !*fail_text())
        err = fail(-ENOENT, "neither gh nor glab is installed");
    return err;
}
