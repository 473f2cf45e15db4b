/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions, and large models in ONNX Runtime's own form: optimised once, then used from a mapped file.
 *
 * A file is valid for one release of the engine on one kind of processor: its name says which. One that the
 * engine does not take is removed, and the model opened as if there were none.
 */
#include "fs/eval/runner_onnx.h"
#include "fs/eval/weights.h"
#include "store/base/fail.h"
#include "store/base/hash.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if __has_include(<onnxruntime_c_api.h>)
#include <onnxruntime_c_api.h>

#define KEPT_MOST (UINT64_C(4) << 30) /* bytes of kept files, before one is added */
#define ort       runner_onnx_lib
#define said      runner_onnx_said

static int set(const struct runner_onnx_model *m, OrtSessionOptions *o, const char *key, const char *value)
{
    return said(m->name, -EIO, ort.api->AddSessionConfigEntry(o, key, value));
}

static int options(const struct runner_onnx_model *m, const struct weights *w, OrtSessionOptions **ret)
{
    OrtSessionOptions *o = NULL;
    const OrtApi *api = ort.api;
    int err = said(m->name, -ENOMEM, api->CreateSessionOptions(&o));
    if (err)
        return err;
    if (said(m->name, -EIO, api->SetIntraOpNumThreads(o, 1)) ||
        said(m->name, -EIO, api->SetInterOpNumThreads(o, 1)) ||
        said(m->name, -EIO, api->SetSessionGraphOptimizationLevel(o, ORT_ENABLE_ALL)) ||
        set(m, o, "session.intra_op.allow_spinning", "0") ||
        set(m, o, "session.inter_op.allow_spinning", "0"))
        err = -EIO;
    if (!err && w) {
        const char *file = WEIGHTS_LOCATION;
        char *data = (char *)w->data;
        err = said(m->name, -EIO, api->AddExternalInitializersFromFilesInMemory(o, &file, &data, &w->len, 1));
    }
    if (err)
        api->ReleaseSessionOptions(o);
    else
        *ret = o;
    return err;
}

static int create(const struct runner_onnx_model *m, const void *p, size_t n, OrtSessionOptions *o,
                  OrtSession **ret)
{
    return said(m->name, -EBADMSG, ort.api->CreateSessionFromArray(ort.env, p, n, o, ret));
}

/* packed: with weights copied into the order that kernels read them in, which moves the last bits. */
static int open_plain(struct runner_onnx_model *m, const void *p, size_t n, const struct weights *w,
                      int packed)
{
    OrtSessionOptions *o;
    int err = options(m, w, &o);
    if (!err && !packed)
        err = set(m, o, "session.disable_prepacking", "1");
    if (!err) {
        err = create(m, p, n, o, &m->session);
        ort.api->ReleaseSessionOptions(o);
    }
    return err;
}

/* ---- kept ones ---- */

static int map(struct runner_onnx_model *m, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), err = 0;
    if (fd < 0)
        return -errno;
    void *p = MAP_FAILED;
    if (fstat(fd, &st) == 0 && st.st_size > 0)
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        err = -EIO;
    futimens(fd, NULL); /* the order in which they go */
    close(fd);
    if (err)
        return err;
    m->kept = p;
    m->kept_len = (size_t)st.st_size;
    return 0;
}

static int open_kept(struct runner_onnx_model *m, const char *path)
{
    OrtSessionOptions *o = NULL;
    int err = map(m, path);
    if (err)
        return err;
    err = options(m, NULL, &o);
    if (!err && (set(m, o, "session.load_model_format", "ORT") ||
                 set(m, o, "session.use_ort_model_bytes_directly", "1") ||
                 set(m, o, "session.use_ort_model_bytes_for_initializers", "1") ||
                 set(m, o, "session.disable_prepacking", "1")))
        err = -EIO;
    if (!err)
        err = create(m, m->kept, m->kept_len, o, &m->session);
    if (o)
        ort.api->ReleaseSessionOptions(o);
    if (err)
        runner_onnx_end(m);
    return err;
}

/* Bytes of the kept files beside `path`; *ret_oldest: the name of the one that was used the longest ago. */
static uint64_t kept_bytes(int dir, char ret_oldest[NAME_MAX + 1])
{
    uint64_t all = 0;
    struct timespec oldest = {0};
    DIR *d = fdopendir(dup(dir));
    struct stat st;
    ret_oldest[0] = 0;
    if (d)
        rewinddir(d);
    for (struct dirent *e; d && (e = readdir(d));) {
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || strcmp(dot, ".ort") != 0 || fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        all += (uint64_t)st.st_size;
        if (!ret_oldest[0] || st.st_mtim.tv_sec < oldest.tv_sec) {
            oldest = st.st_mtim;
            strcpy(ret_oldest, e->d_name);
        }
    }
    if (d)
        closedir(d);
    return all;
}

/* Makes room for one more file. Whoever has one mapped keeps it. */
static void trim(const char *path)
{
    char oldest[NAME_MAX + 1];
    char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    int dir = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    while (dir >= 0 && kept_bytes(dir, oldest) > KEPT_MOST && oldest[0] && unlinkat(dir, oldest, 0) == 0)
        ;
    if (dir >= 0)
        close(dir);
    free(folder);
}

static int convert(struct runner_onnx_model *m, const char *path, const void *p, size_t n,
                   const struct weights *w)
{
    struct out part = {0};
    OrtSessionOptions *o = NULL;
    OrtSession *s = NULL;
    trim(path);
    out_printf(&part, "%s.%d.part", path, (int)getpid());
    int err = options(m, w, &o);
    if (!err && (said(m->name, -EIO, ort.api->SetOptimizedModelFilePath(o, out_cstr(&part))) ||
                 set(m, o, "session.save_model_format", "ORT")))
        err = -EIO;
    if (!err)
        err = create(m, p, n, o, &s);
    if (s)
        ort.api->ReleaseSession(s);
    if (o)
        ort.api->ReleaseSessionOptions(o);
    if (!err && (chmod(out_cstr(&part), 0600) != 0 || rename(out_cstr(&part), path) != 0))
        err = fail(-errno, "%s: %m", path);
    if (err)
        unlink(out_cstr(&part));
    out_fini(&part);
    return err;
}

int runner_onnx_begin(struct runner_onnx_model *m, const char *keep, const void *p, size_t n,
                      const struct weights *w)
{
    struct out path = {0};
    if (!keep)
        return open_plain(m, p, n, w, 1);
    out_printf(&path, "%s-%016llx.ort", keep,
               (unsigned long long)hash_xxh3(ort.fingerprint, strlen(ort.fingerprint)));
    int err = open_kept(m, out_cstr(&path));
    if (err) {
        unlink(out_cstr(&path));
        err = convert(m, out_cstr(&path), p, n, w);
        if (!err)
            err = open_kept(m, out_cstr(&path));
    }
    if (err) /* a full disk, or a model that has no such form */
        err = open_plain(m, p, n, w, 0);
    out_fini(&path);
    return err;
}

void runner_onnx_end(struct runner_onnx_model *m)
{
    if (m->session)
        ort.api->ReleaseSession(m->session);
    if (m->kept)
        munmap(m->kept, m->kept_len);
    m->session = NULL;
    m->kept = NULL;
}

#endif
