/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/fuse_fs.h"
#include <stdlib.h>

struct fuse_handle *fuse_handle_new(struct fuse_fs *fs, struct fuse_inode *i)
{
    struct fuse_handle *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    pthread_mutex_init(&h->mutex, NULL);
    h->inode = fuse_inode_ref(fs, i);
    pthread_mutex_lock(&fs->mutex);
    LIST_INSERT_HEAD(&fs->handles, h, all);
    pthread_mutex_unlock(&fs->mutex);
    return h;
}

void fuse_handle_free(struct fuse_fs *fs, struct fuse_handle *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&fs->mutex);
    LIST_REMOVE(h, all);
    pthread_mutex_unlock(&fs->mutex);
    content_close(h->content);
    fuse_scratch_unref(fs, h->scratch);
    out_fini(&h->tail);
    fuse_inode_put(fs, h->inode);
    pthread_mutex_destroy(&h->mutex);
    free(h);
}

void fuse_handle_free_all(struct fuse_fs *fs)
{
    struct who who;
    who_self(&who);
    for (struct fuse_handle *h; (h = LIST_FIRST(&fs->handles)) != NULL;) {
        fuse_write_last(fs, h, &who);
        fuse_handle_free(fs, h);
    }
}
