/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.json: how a version is stored.
 *
 *   {"version":"v3","digest":"…","manifest":"…","bytes":…,"files":[
 *    {"path":"model.safetensors","mode":"0644","mtime_ns":…,"bytes":…,"sha256":"…","format":"safetensors",
 *     "tensors":14,"stored":…,"codecs":{"planes":12,"zstd":1},"chunks":[
 *      {"off":0,"bytes":976,"stored":512,"codec":"zstd","sha256":"…"},…]},…]}
 *
 * `stored` counts a chunk each time it is used, also where other files and versions share it. A path that is
 * not UTF-8 is shown with \xNN, and exactly in "path_hex".
 */
#include "fs/report/report.h"
#include "store/base/fail.h"
#include "store/base/utf8.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct chunks {
    json_t *list, *codecs;
    uint64_t stored;
};

static json_t *hex_of(const struct digest *d)
{
    char hex[HASH_HEX];
    hash_hex(d, hex);
    return json_string(hex);
}

static json_t *u64(uint64_t x)
{
    return json_integer((json_int_t)x);
}

static int add_chunk(void *ctx, const struct chunk_info *c)
{
    struct chunks *all = ctx;
    json_t *x = json_pack("{s:o,s:o,s:o,s:s,s:o}", "off", u64(c->off), "bytes", u64(c->raw), "stored",
                          u64(c->stored), "codec", c->codec, "sha256", hex_of(&c->digest));
    json_int_t n = json_integer_value(json_object_get(all->codecs, c->codec));
    all->stored += c->stored;
    if (json_array_append_new(all->list, x) < 0 ||
        json_object_set_new(all->codecs, c->codec, json_integer(n + 1)) < 0)
        return fail(-ENOMEM, "out of memory");
    return 0;
}

static void put_path(json_t *file, const char *path)
{
    struct out text = {0};
    size_t n = strlen(path);
    if (utf8_valid(path, n)) {
        json_object_set_new(file, "path", json_string(path));
        return;
    }
    out_text(&text, path, n, 0);
    json_object_set_new(file, "path", json_string(out_cstr(&text)));
    out_reset(&text);
    for (size_t i = 0; i < n; i++)
        out_printf(&text, "%02x", (unsigned char)path[i]);
    json_object_set_new(file, "path_hex", json_string(out_cstr(&text)));
    out_fini(&text);
}

static int describe(struct store *s, const struct manifest_file *f, json_t *file)
{
    char mode[16];
    struct chunks all = {json_array(), json_object(), 0};
    int r = 0;
    put_path(file, f->path);
    snprintf(mode, sizeof mode, "%04o", f->mode & 07777);
    json_object_set_new(file, "type", json_string(S_ISDIR(f->mode) ? "directory" : "file"));
    json_object_set_new(file, "mode", json_string(mode));
    json_object_set_new(file, "mtime_ns", json_integer(f->mtime_ns));
    if (!S_ISDIR(f->mode)) {
        r = file_chunks(s, f, add_chunk, &all);
        json_object_set_new(file, "bytes", u64(f->size));
        json_object_set_new(file, "sha256", hex_of(&f->sha256));
        json_object_set_new(file, "format", json_string(format_name(f->format)));
        if (f->problem && utf8_valid(f->problem, strlen(f->problem)))
            json_object_set_new(file, "problem", json_string(f->problem));
        json_object_set_new(file, "tensors", u64(f->ntensors));
        json_object_set_new(file, "stored", u64(all.stored));
        json_object_set(file, "codecs", all.codecs);
        json_object_set(file, "chunks", all.list);
    }
    json_decref(all.list);
    json_decref(all.codecs);
    return r;
}

static int append(const char *p, size_t n, void *ctx)
{
    out_write(ctx, p, n);
    return 0;
}

static int render(const struct subject *s, struct out *o)
{
    const struct manifest *m;
    char record[HASH_HEX], root[HASH_HEX];
    int r = manifest_get(s->store, s->a, &m);
    if (r < 0)
        return r;
    hash_hex(&s->a->digest, record);
    hash_hex(&s->a->manifest, root);
    out_printf(o, "{\"version\":\"v%u\",\"digest\":\"%s\",\"manifest\":\"%s\",\"bytes\":%llu,\"files\":[",
               s->a->number, record, root, (unsigned long long)s->a->bytes);
    for (size_t i = 0; i < m->nfiles && r == 0; i++) { /* file by file: a large one has many chunks */
        json_t *file = json_object();
        r = report_stopped(s) ? fail(-EINTR, "stopped") : describe(s->store, &m->files[i], file);
        out_str(o, i ? ",\n" : "\n");
        if (r == 0 && json_dump_callback(file, append, o, JSON_COMPACT) < 0)
            r = fail(-ENOMEM, "out of memory");
        json_decref(file);
    }
    out_str(o, "\n]}\n");
    manifest_unref(s->store, m);
    return r;
}

const struct report report_info_manifest = {
    .name = "manifest.json",
    .version = 1,
    .slow = 1,
    .doc = "how it is stored: files, digests, chunks, codecs, stored bytes",
    .render = render,
};
