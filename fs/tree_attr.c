/* SPDX-License-Identifier: Apache-2.0 */
/* What stat and readlink say of a place, and what may be written there. */
#include "fs/node.h"
#include "fs/npy.h"
#include "store/base/wire.h"
#include <errno.h>
#include <string.h>

enum { GUESS = 1 << 20 }; /* the size shown for a text that has not been made */

enum place_write tree_write(const struct place *p)
{
    return p->error ? WRITE_NONE : p->node->write;
}

const char *tree_config(const struct place *p)
{
    return p->error || !p->node->config ? NULL : node_config(p->node, p->name);
}

enum eval_lines tree_lines(const struct place *p)
{
    return p->node->lines;
}

const char *tree_config_name(const struct place *dir, const char *name)
{
    size_t n;
    const struct node *rows = tree_table(&n);
    for (size_t i = 0; i < n; i++)
        if (rows[i].config && node_parent(&rows[i]) == dir->node &&
            (rows[i].names || strcmp(node_component(&rows[i]), name) == 0))
            return node_config(&rows[i], name);
    return NULL;
}

static uint64_t inode_number(const struct place *p)
{
    static const struct digest none;
    struct out o = {0};
    wire_put_str(&o, p->node->path);
    wire_put_digest(&o, p->a ? &p->a->digest : &none);
    wire_put_digest(&o, p->b ? &p->b->digest : &none);
    wire_put_str(&o, p->file ? p->file->path : "");
    wire_put_str(&o, p->name ? p->name : "");
    wire_put_u32(&o, p->tensor);
    wire_put_u8(&o, (uint8_t)p->error);
    wire_put_digest(&o, &p->content);
    uint64_t ino = hash_xxh3(o.p, o.n);
    out_fini(&o);
    return ino > 1 ? ino : ino + 2; /* 1 is the root */
}

enum place_kind tree_kind(const struct place *p, uint64_t *ret_ino)
{
    *ret_ino = p->node->path[1] ? inode_number(p) : 1;
    return node_kind(p);
}

static int64_t time_of(const struct place *p)
{
    const struct report *rep = p->error ? NULL : p->node->report;
    const struct version *v = p->b ? p->b : p->a;
    if (p->file)
        return p->file->mtime_ns;
    if (v && !(rep && rep->inputs) && !p->error)
        return v->time_ns;
    return repo_changed_ns(p->repo);
}

/* A generated, a kept or an .error file: the size of its text, when that is at hand or cheap to make. */
static int text_size(const struct place *p, struct place_attr *ret)
{
    const struct text *t;
    struct content *c;
    const struct report *rep = p->node->report;
    if (!p->error && rep && rep->slow && repo_text_find(p->repo, &p->content, &t) == 0) {
        ret->size = t->n;
        text_unref(t);
        return 0;
    }
    int r = !p->error && rep && rep->slow ? -EAGAIN : content_open(p->repo, p, NULL, NULL, &c);
    if (r == 0) {
        ret->size = content_size(c);
        content_close(c);
    } else if (r != -ESTALE) { /* a file that cannot be made is there: opening it says why */
        ret->size = GUESS;
        ret->size_is_guess = 1;
        r = 0;
    }
    return r;
}

int tree_attr(struct repo *r, const struct place *p, struct place_attr *ret)
{
    enum place_write write = tree_write(p);
    struct place_attr a = {.mtime_ns = time_of(p), .content = p->content};
    struct out o = {0};
    int err = 0;
    a.kind = tree_kind(p, &a.ino);
    if (a.kind == PLACE_DIR) {
        a.mode = write == WRITE_NONE ? 0555 : 0755;
        a.immutable = p->a != NULL;
        a.frozen = node_frozen(p);
    } else if (a.kind == PLACE_LINK) {
        a.mode = 0777;
        if ((err = tree_link(r, p, &o)) == 0)
            a.size = o.n;
    } else {
        a.mode = write == WRITE_NONE ? 0444 : 0644;
        if (p->error || p->node->report || p->node->config) {
            err = text_size(p, &a);
        } else if (p->node->names == &names_tensor) {
            npy_header(&p->file->tensors[p->tensor], &o);
            err = out_error(&o);
            a.size = o.n + p->file->tensors[p->tensor].len;
            a.immutable = 1;
        } else {
            a.size = p->file->size;
            a.content = p->file->sha256;
            a.immutable = 1;
        }
    }
    out_fini(&o);
    if (err == 0)
        *ret = a;
    return err;
}

int tree_link(struct repo *r, const struct place *p, struct out *ret)
{
    (void)r;
    if (node_kind(p) != PLACE_LINK)
        return -EINVAL;
    out_printf(ret, "%sv%u", p->node->link, p->a->number);
    if (p->b)
        out_printf(ret, "..v%u", p->b->number);
    return out_error(ret);
}
