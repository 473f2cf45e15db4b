/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a file of the map: a text, or a range of a file of the store with a header before it. */
#include "fs/node.h"
#include "fs/npy.h"
#include "fs/tensors.h"
#include "fs/texts.h"
#include "store/base/fail.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct content {
    struct place place; /* keeps what `file` is in */
    const struct text *text;
    const struct manifest_file *file; /* with text NULL */
    struct out header;
    uint64_t off, size; /* off: in the file, of what follows the header */
};

/* Takes the reference to t. */
static int of_text(const struct text *t, struct content **ret)
{
    struct content *c = calloc(1, sizeof *c);
    if (!c) {
        text_unref(t);
        return fail(-ENOMEM, "out of memory");
    }
    c->text = t;
    c->size = t->n;
    *ret = c;
    return 0;
}

/* The text of this very state of the inputs. */
static int report_text(const struct place *p, int (*stop)(void *ctx), void *stop_ctx, const struct text **ret)
{
    const struct text *t;
    int bound = !hash_is_zero(&p->content);
    if (bound && repo_text_find(p->repo, &p->content, ret) == 0)
        return 0;
    int r = repo_text(p->repo, p->node->report, p->a, p->b, p->name, stop, stop_ctx, &t);
    if (r < 0)
        return r;
    if (bound && !hash_equal(&t->digest, &p->content)) {
        text_unref(t);
        return fail(-ESTALE, "%s changed meanwhile", p->node->report->name);
    }
    *ret = t;
    return 0;
}

static int open_text(const struct place *p, int (*stop)(void *ctx), void *stop_ctx, const struct text **ret)
{
    const struct node *n = p->node;
    if (!p->error && n->config)
        return repo_config_text(p->repo, node_config(n, p->name), ret);
    if (!p->error)
        return report_text(p, stop, stop_ctx, ret);
    return node_failure(p, ret);
}

static int of_file(const struct place *p, struct content **ret)
{
    struct content *c = calloc(1, sizeof *c);
    int r = c ? place_copy(p, &c->place) : fail(-ENOMEM, "out of memory");
    if (r < 0) {
        free(c);
        return r;
    }
    if (p->node->names == &names_tensor) {
        const struct manifest_tensor *t = &c->place.file->tensors[p->tensor];
        c->file = tensors_bytes(c->place.manifest, c->place.file, t);
        npy_header(t, &c->header);
        c->off = t->off;
        c->size = c->header.n + t->len;
        r = c->file ? out_error(&c->header) : fail(-EIO, "%s: not contiguous", t->name);
    } else {
        c->file = c->place.file;
        c->size = c->file->size;
    }
    if (r < 0)
        content_close(c);
    else
        *ret = c;
    return r;
}

int content_open(struct repo *r, const struct place *p, int (*stop)(void *ctx), void *stop_ctx,
                 struct content **ret)
{
    (void)r;
    const struct text *t;
    if (node_kind(p) != PLACE_FILE)
        return node_kind(p) == PLACE_DIR ? -EISDIR : -EINVAL;
    if (!p->error && !p->node->report && !p->node->config)
        return of_file(p, ret);
    int err = open_text(p, stop, stop_ctx, &t);
    return err < 0 ? err : of_text(t, ret);
}

static void asked(struct text_ask *ask, int err, const char *why, const struct text *t)
{
    struct content_wait *w = (struct content_wait *)((char *)ask - offsetof(struct content_wait, ask));
    struct content *c = NULL;
    if (err < 0)
        fail(err, "%s", why);
    else if (!hash_equal(&t->digest, &w->content))
        err = fail(-ESTALE, "it changed meanwhile");
    else
        err = of_text(text_ref(t), &c);
    w->done(w, err, c);
}

int content_ask(struct repo *r, const struct place *p, struct content_wait *w, struct content **ret)
{
    const struct text *t;
    w->ask.done = asked;
    w->content = p->content;
    int err = repo_text_ask(r, p->node->report, p->a, p->b, p->name, &w->ask, &t);
    if (err == 1 && !hash_equal(&t->digest, &p->content)) {
        text_unref(t);
        return fail(-ESTALE, "it changed meanwhile");
    }
    if (err == 1)
        err = of_text(t, ret) < 0 ? -ENOMEM : 1;
    return err;
}

int content_cancel(struct repo *r, struct content_wait *w)
{
    return repo_text_cancel(r, &w->ask);
}

uint64_t content_size(const struct content *c)
{
    return c->size;
}

const struct manifest_file *content_file(const struct content *c, uint64_t off, uint64_t *ret_off)
{
    *ret_off = c->off + (off > c->header.n ? off - c->header.n : 0);
    return c->file;
}

int content_extends(const struct content *c, const struct content *old)
{
    return c->text && old->text && c->text->n >= old->text->n &&
           memcmp(c->text->p, old->text->p, old->text->n) == 0;
}

int64_t content_read(struct content *c, uint64_t off, void *p, size_t n)
{
    size_t got = 0;
    if (off >= c->size)
        return 0;
    if (n > c->size - off)
        n = (size_t)(c->size - off);
    if (c->text) {
        memcpy(p, c->text->p + off, n);
        return (int64_t)n;
    }
    if (off < c->header.n) {
        got = c->header.n - (size_t)off < n ? c->header.n - (size_t)off : n;
        memcpy(p, c->header.p + off, got);
    }
    if (got == n)
        return (int64_t)n;
    int64_t r = file_read(repo_store(c->place.repo), c->file, c->off + (off + got - c->header.n),
                          (char *)p + got, n - got);
    return r < 0 ? r : (int64_t)got + r;
}

void content_close(struct content *c)
{
    if (!c)
        return;
    text_unref(c->text);
    out_fini(&c->header);
    if (c->place.node)
        place_fini(&c->place);
    free(c);
}
