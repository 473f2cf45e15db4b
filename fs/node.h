/* SPDX-License-Identifier: Apache-2.0 */
/* A row of the map (fs/tree.c) and what a row can be. For the files that walk the map. */
#pragma once
#include "fs/eval/eval.h"
#include "fs/tree.h"

struct node {
    const char
        *path;       /* "/diff/<pair>/summary.txt": the last component is the name, or <what it stands for> */
    const char *doc; /* one line; NULL: the report's */
    const struct report *report; /* a generated file */
    const char *config; /* a file that is kept under this name as it was written; absent until then. With
                           names: what comes before the name ("inputs/") */
    const struct names *names; /* finds and lists what a <…> stands for */
    const char *link;          /* a symlink to the bound version or pair, after this prefix */
    int deep;                  /* the row stands for what is below it as well, at any depth */
    enum place_write write;
    enum eval_lines lines; /* of a file that is appended to: what its lines are */
};

struct names {
    /* Binds ret, a place of the row in `dir` with the directory's bindings, to the name; -ENOENT. */
    int (*find)(const struct place *dir, const char *name, struct place *ret);
    /* Calls each with every name that is listed; what find also knows may be more. Non-zero stops. */
    int (*each)(const struct place *dir, int (*each)(void *ctx, const char *name), void *ctx);
};
extern const struct names names_version, names_latest, names_tag, names_pair, names_alias;
extern const struct names names_file, names_tensor, names_tensor_dir, names_example;
extern const struct names names_revision;

extern const struct names names_input;

enum { NODE_MAX = 128 };
const struct node *tree_table(size_t *ret_n);         /* its rows, in order; at most NODE_MAX */
const struct node *node_parent(const struct node *n); /* the folder it is in; NULL: the root */
const char *node_component(const struct node *n);     /* its own name */
const char *node_doc(const struct node *n);
/* The name under which the file is kept, for good; NULL. */
const char *node_config(const struct node *n, const char *name);
enum place_kind node_kind(const struct place *p);
int node_frozen(const struct place *p);

/* Why the generated or written file of this row was not made; -ENOENT: it was. */
int node_failure(const struct place *p, const struct text **ret);
