/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/node.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *node_component(const struct node *n)
{
    return strrchr(n->path, '/') + 1;
}

const char *node_doc(const struct node *n)
{
    return n->doc ? n->doc : n->report ? n->report->doc : "";
}

/* Names are kept for good: few are ever made, and whoever has one keeps pointing at it. */
static void *configs;
static pthread_mutex_t configs_lock = PTHREAD_MUTEX_INITIALIZER;

static int cmp_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

const char *node_config(const struct node *n, const char *name)
{
    char full[NAME_MAX + 16];
    if (!n->config || !n->names)
        return n->config;
    if (!name || snprintf(full, sizeof full, "%s%s", n->config, name) >= (int)sizeof full ||
        !eval_is_input(full))
        return NULL;
    pthread_mutex_lock(&configs_lock);
    char **found = tfind(full, &configs, cmp_names), *copy;
    if (!found && (copy = strdup(full)) && !(found = tsearch(copy, &configs, cmp_names)))
        free(copy);
    const char *ret = found ? *found : NULL;
    pthread_mutex_unlock(&configs_lock);
    return ret;
}

static const struct node *parents[NODE_MAX];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void find_parents(void)
{
    size_t rows;
    const struct node *table = tree_table(&rows);
    for (size_t i = 1; i < rows; i++) {
        size_t len = (size_t)(node_component(&table[i]) - table[i].path);
        len -= len > 1; /* without the slash, but for the root's */
        for (size_t k = 0; k < rows && !parents[i]; k++)
            if (strlen(table[k].path) == len && strncmp(table[k].path, table[i].path, len) == 0)
                parents[i] = &table[k];
    }
}

const struct node *node_parent(const struct node *n)
{
    size_t rows;
    pthread_once(&once, find_parents);
    return parents[n - tree_table(&rows)];
}

/* Nothing in it is generated or written: what is there is there for good. */
static int is_frozen(const struct node *dir)
{
    size_t rows;
    const struct node *table = tree_table(&rows);
    for (size_t i = 0; i < rows; i++)
        if (node_parent(&table[i]) == dir && (table[i].report || table[i].config))
            return 0;
    return 1;
}

int node_frozen(const struct place *p)
{
    return p->a && node_kind(p) == PLACE_DIR && is_frozen(p->node);
}

enum place_kind node_kind(const struct place *p)
{
    const struct node *n = p->node;
    if (p->error || n->report || n->config || n->names == &names_tensor)
        return PLACE_FILE;
    if (n->names == &names_file && p->file && S_ISREG(p->file->mode))
        return PLACE_FILE;
    return n->link ? PLACE_LINK : PLACE_DIR;
}

int node_failure(const struct place *p, const struct text **ret)
{
    const struct node *n = p->node;
    return n->report   ? repo_text_failure(p->repo, n->report, p->a, p->b, p->name, ret)
           : n->config ? repo_config_failure(p->repo, node_config(n, p->name), ret)
                       : -ENOENT;
}
