/* SPDX-License-Identifier: Apache-2.0 */
/* From names to places: one component at a time, so that what is no folder has nothing below it. */
#include "fs/node.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tree_root(struct repo *r, struct place *ret)
{
    size_t n;
    *ret = (struct place){.repo = r, .node = tree_table(&n)};
    return 0;
}

static int is_child(const struct node *n, const struct place *dir)
{
    if (dir->node->deep)
        return n == dir->node;
    return node_parent(n) == dir->node;
}

/* What a generated file is now: its text's key. A live one is made, since its bytes are what names it; when
 * that fails the name is there all the same, and opening it says why. */
static int bind_content(struct place *p)
{
    const struct node *n = p->node;
    struct store *s = repo_store(p->repo);
    const struct text *t;
    struct digest d;
    if (n->config)
        return config_get(s, node_config(n, p->name), NULL,
                          &d); /* written at any time: its content is not its name */
    if (!n->report || n->write == WRITE_APPEND)
        return 0;
    if (!(n->report->inputs & INPUT_LIVE))
        return repo_text_key(p->repo, n->report, p->a, p->b, p->name, &p->content);
    if (repo_text_now(p->repo, n->report, p->a, p->b, p->name, &t) == 0) {
        p->content = t->digest;
        text_unref(t);
    }
    return 0;
}

/* The row's place `name` in dir, or -ENOENT. */
static int try_row(const struct place *dir, const struct node *n, const char *name, struct place *ret)
{
    const char *own = node_component(n);
    struct place p;
    if (own[0] != '<' && strcmp(own, name) != 0)
        return -ENOENT;
    int r = place_copy(dir, &p);
    if (r < 0)
        return r;
    p.node = n;
    if (n->names)
        r = n->names->find(dir, name, &p);
    if (r == 0)
        r = bind_content(&p);
    if (r < 0)
        place_fini(&p);
    else
        *ret = p;
    return r;
}

/* <file>.error: there when its file's last making failed. */
static int try_error(const struct place *dir, const struct node *n, const char *name, struct place *ret)
{
    const char *own = node_component(n);
    size_t k = strlen(own);
    const struct text *why;
    struct place p;
    if (!(n->report || (n->config && !n->names)) || strncmp(own, name, k) != 0 ||
        strcmp(name + k, ".error") != 0)
        return -ENOENT;
    int r = place_copy(dir, &p);
    if (r < 0)
        return r;
    p.node = n;
    p.error = 1;
    if ((r = node_failure(&p, &why)) < 0) {
        place_fini(&p);
        return r;
    }
    p.content = why->digest;
    text_unref(why);
    *ret = p;
    return 0;
}

int tree_lookup(struct repo *r, const struct place *dir, const char *name, struct place *ret)
{
    (void)r;
    size_t n;
    const struct node *rows = tree_table(&n);
    if (node_kind(dir) != PLACE_DIR)
        return -ENOTDIR;
    for (int error = 0; error < 2; error++)
        for (size_t i = 0; i < n; i++) {
            if (!is_child(&rows[i], dir))
                continue;
            int err = error ? try_error(dir, &rows[i], name, ret) : try_row(dir, &rows[i], name, ret);
            if (err != -ENOENT)
                return err;
        }
    return -ENOENT;
}

struct listing {
    struct repo *repo;
    const struct place *dir;
    const struct node *node;
    int (*each)(void *ctx, const char *name, const struct place *p);
    void *ctx;
};

/* Names that vanish between being listed and being looked up are left out. */
static int list_name(void *ctx, const char *name)
{
    struct listing *l = ctx;
    struct place p;
    int r = try_row(l->dir, l->node, name, &p);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = l->each(l->ctx, name, &p);
    place_fini(&p);
    return r;
}

static int list_error(struct listing *l)
{
    char name[80];
    struct place p;
    snprintf(name, sizeof name, "%s.error", node_component(l->node));
    int r = try_error(l->dir, l->node, name, &p);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = l->each(l->ctx, name, &p);
    place_fini(&p);
    return r;
}

int tree_list(struct repo *r, const struct place *dir,
              int (*each)(void *ctx, const char *name, const struct place *p), void *ctx)
{
    struct listing l = {r, dir, NULL, each, ctx};
    size_t n;
    const struct node *rows = tree_table(&n);
    int err = 0;
    if (node_kind(dir) != PLACE_DIR)
        return -ENOTDIR;
    for (size_t i = 0; i < n && err == 0; i++) {
        if (!is_child(&rows[i], dir))
            continue;
        l.node = &rows[i];
        if (node_component(l.node)[0] != '<') {
            if ((err = list_name(&l, node_component(l.node))) == 0)
                err = list_error(&l);
        } else if (l.node->names->each) {
            err = l.node->names->each(dir, list_name, &l);
        }
    }
    return err;
}

/* ---- paths ---- */

/* Walks path from the root as far as a link that has to be followed: then 1 with the path it leads to. "."
 * and ".." are taken out by the words alone, which is right since all before them are folders. */
static int walk(struct repo *r, const char *path, int follow, struct place *ret, struct out *ret_path)
{
    struct place *stack = NULL;
    size_t depth = 0, cap = 0;
    struct out name = {0};
    int err = 0;
    for (const char *s = path; err == 0;) {
        if (depth == cap) {
            struct place *more = reallocarray(stack, cap = cap ? 2 * cap : 8, sizeof *stack);
            if (!more) {
                err = fail(-ENOMEM, "out of memory");
                break;
            }
            stack = more;
        }
        if (depth == 0)
            tree_root(r, &stack[depth++]);
        s += strspn(s, "/");
        size_t n = strcspn(s, "/");
        if (n == 0)
            break;
        out_reset(&name);
        out_write(&name, s, n);
        const char *rest = s + n;
        int last = rest[strspn(rest, "/")] == 0;
        if (strcmp(out_cstr(&name), "..") == 0) {
            if (depth > 1)
                place_fini(&stack[--depth]);
        } else if (strcmp(out_cstr(&name), ".") != 0 &&
                   (err = tree_lookup(r, &stack[depth - 1], out_cstr(&name), &stack[depth])) == 0) {
            depth++;
            if (node_kind(&stack[depth - 1]) == PLACE_LINK && (follow || !last)) {
                out_write(ret_path, path, (size_t)(s - path));
                err = tree_link(r, &stack[depth - 1], ret_path);
                out_str(ret_path, rest);
                err = err < 0 ? err : 1;
            }
        }
        s = rest;
    }
    if (err == 0)
        *ret = stack[--depth];
    while (depth > 0)
        place_fini(&stack[--depth]);
    free(stack);
    out_fini(&name);
    return err;
}

int tree_walk(struct repo *r, const char *path, int follow, struct place *ret)
{
    struct out at = {0};
    out_str(&at, path);
    int err = 1;
    for (int links = 0; err == 1 && links < 8; links++) {
        struct out next = {0};
        err = walk(r, out_cstr(&at), follow, ret, &next);
        if (out_error(&at) || out_error(&next))
            err = -ENOMEM;
        out_fini(&at);
        at = next;
    }
    out_fini(&at);
    return err == 1 ? -ELOOP : err;
}

void tree_component(struct out *o, const char *name)
{
    struct out c = {0};
    for (const unsigned char *s = (const unsigned char *)name; *s; s++)
        if (*s < 0x20 || *s == 0x7f || *s == '/' || *s == '%' || (*s == '.' && (const char *)s == name))
            out_printf(&c, "%%%02X", *s);
        else
            out_char(&c, (char)*s);
    if (c.n > 200) {
        struct digest d;
        char hex[HASH_HEX];
        hash_sha256(name, strlen(name), &d);
        hash_hex(&d, hex);
        c.n = 200;
        while (c.n > 0 && ((unsigned char)c.p[c.n] & 0xc0) == 0x80) /* not inside a character */
            c.n--;
        out_printf(&c, "~%.16s", hex);
    }
    out_write(o, c.p, c.n);
    if (out_error(&c))
        o->err = out_error(&c);
    out_fini(&c);
}
