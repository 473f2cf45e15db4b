/* SPDX-License-Identifier: Apache-2.0 */
/* {"metadata": {…}, "weight_map": {TENSOR: FILE, …}}; a FILE stands beside the index. */
#include "store/base/fail.h"
#include "store/format/layout.h"
#include <errno.h>
#include <string.h>

static int is_plain(const char *file)
{
    return *file && !strchr(file, '/') && strcmp(file, ".") != 0 && strcmp(file, "..") != 0;
}

static int read_map(const struct input *in, const json_t *map, struct arena *a, struct shard_entry **ret,
                    size_t *ret_n)
{
    size_t n = json_object_size(map), i = 0;
    const char *tensor;
    json_t *file;
    if (!json_is_object(map))
        return fail(-EBADMSG, "%s: no weight_map", in->name);
    if (n > FORMAT_MAX_TENSORS)
        return fail(-EBADMSG, "%s: more than %u tensors", in->name, FORMAT_MAX_TENSORS);
    struct shard_entry *list = arena_array(a, n, sizeof *list);
    if (!list)
        return layout_nomem(in);
    json_object_foreach((json_t *)map, tensor, file)
    {
        const char *name = json_string_value(file);
        if (!name || !is_plain(name) || strlen(name) > FORMAT_MAX_NAME || strlen(tensor) > FORMAT_MAX_NAME)
            return fail(-EBADMSG, "%s: tensor \"%.100s\": \"%.100s\" is no file beside the index", in->name,
                        tensor, name ? name : "");
        list[i].tensor = arena_strdup(a, tensor);
        list[i].file = arena_strdup(a, name);
        if (!list[i].tensor || !list[i].file)
            return layout_nomem(in);
        i++;
    }
    *ret = list;
    *ret_n = n;
    return 0;
}

int shards_parse(const char *name, const void *p, size_t n, struct arena *a, struct shard_entry **ret,
                 size_t *ret_n)
{
    struct input in = {.size = n, .name = name};
    json_t *index;
    if (n > FORMAT_MAX_HEADER)
        return fail(-EBADMSG, "%s: index of %zu bytes, more than %u", name, n, FORMAT_MAX_HEADER);
    int r = layout_json(&in, p, n, &index);
    if (r < 0)
        return r;
    r = read_map(&in, json_object_get(index, "weight_map"), a, ret, ret_n);
    json_decref(index);
    return r;
}
