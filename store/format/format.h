/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is inside a checkpoint file: the parsers' one result, the layout.
 *
 * A layout covers every byte of the file once, in order, by segments; a tensor is a name, a dtype, a shape
 * and a range of the file. Whatever cannot be parsed is one opaque segment with the reason in `problem`: a
 * file is always stored, byte for byte. Parsing happens at commit, in the process of whoever commits, never
 * in the owner.
 *
 *   safetensors  header, tensors                          tensors: all
 *   pt           zip with stored members (.pt .pth .bin)  tensors: those the walked pickle names
 *   onnx         protobuf                                 tensors: the graph's initializers
 *   xgboost      JSON or UBJSON booster                   no tensors; trees in the structure
 *   npy, npz     NumPy's array, and a zip of stored ones  tensors: all
 *   gguf         llama.cpp's                              tensors: all; block-quantised ones by name and
 * shape opaque       anything else
 */
#pragma once
#include "store/base/arena.h"
#include "store/base/hash.h"
#include "store/format/dtype.h"
#include "store/format/input.h"

enum format {
    FORMAT_OPAQUE = 0,
    FORMAT_SAFETENSORS = 1,
    FORMAT_PT = 2,
    FORMAT_ONNX = 3,
    FORMAT_XGBOOST = 4,
    FORMAT_NPY = 5,
    FORMAT_NPZ = 6,
    FORMAT_GGUF = 7,
    FORMAT_MAX
}; /* stored: never change a number, only add */

enum tensor_flag {
    TENSOR_SEGMENT = 1, /* it is exactly segment `segment` */
    TENSOR_VIEW = 2,    /* contiguous, but shares bytes with another tensor, or empty; read by range */
    /* not contiguous in its storage (.pt strides): off/len are the storage's, values not read */
    TENSOR_STRIDED = 4,
    /* ONNX: bytes are in another file of the version, `location`; off/len are inside that file */
    TENSOR_EXTERNAL = 8,
    TENSOR_INLINE = 16, /* ONNX: values in typed fields (float_data …): no contiguous bytes, off = len = 0 */
};

struct tensor {
    const char *name; /* true name, UTF-8 or not, no NUL; <= 4096 bytes */
    enum dtype dtype; /* DTYPE_NONE: of a type not known here (int4, fp4, …), values not read */
    uint32_t flags;   /* enum tensor_flag */
    uint32_t rank;
    const uint64_t *shape; /* (rank) */
    uint64_t count;        /* elements: the product of shape */
    uint64_t off, len;     /* bytes in the file */
    uint32_t segment;      /* index into segments; with TENSOR_SEGMENT */
    const char *location;  /* with TENSOR_EXTERNAL, else NULL */
};

struct segment {
    uint64_t off, len; /* off = sum of the lengths before it; len > 0 */
    uint32_t tensor;   /* the tensor that it is, or UINT32_MAX: plain bytes */
};

struct layout {
    enum format format;
    /* NULL, or one line: what is wrong and where; then FORMAT_OPAQUE, one segment and no tensors */
    const char *problem;
    struct segment *segments; /* (nsegments), cover the file; none for an empty file */
    size_t nsegments;
    struct tensor *tensors; /* (ntensors), in file order (by off, then name) */
    size_t ntensors;
    /* What reports and engines need beside tensors, as one JSON document (see below); or NULL */
    const char *structure;
    size_t structure_len;
};

#define FORMAT_MAX_HEADER  100000000u /* bytes of one header, index or JSON document */
#define FORMAT_MAX_TENSORS 1000000u
#define FORMAT_MAX_NAME    4096u
#define FORMAT_MAX_DEPTH   64
#define FORMAT_MAX_MEMORY  (256u << 20) /* of one parse */

/*
 * Looks inside. The format is told by content first (magic, structure) and by the name's ending second.
 * Everything in ret lives in `a`. 0 also for a malformed file (ret->problem says why); -errno only when
 * reading or memory failed.
 */
int format_parse(const struct input *in, struct arena *a, struct layout *ret);
const char *format_name(enum format f); /* "safetensors", … */

/* One parser a file. Each returns 1 (parsed), 0 (not this format) or -EBADMSG with fail() text (malformed),
 * other -errno for trouble that is not the file's. */
int safetensors_parse(const struct input *in, struct arena *a, struct layout *ret);
int pt_parse(const struct input *in, struct arena *a, struct layout *ret);
int onnx_parse(const struct input *in, struct arena *a, struct layout *ret);
int xgboost_parse(const struct input *in, struct arena *a, struct layout *ret);
int numpy_parse(const struct input *in, struct arena *a, struct layout *ret); /* npy and npz */
int gguf_parse(const struct input *in, struct arena *a, struct layout *ret);

/* clang-format off */
/*
 * The structure document, by format (keys absent where unknown):
 *
 * safetensors  {"metadata":{k:v}}
 * pt           {"root":"dict"|"object","values":{path: scalar},"values_left_out":n,"strided":n}
 *              Non-finite numbers are "NaN", "Infinity", "-Infinity"; lists of more than 16 scalars are left out.
 * gguf         {"version":3,"metadata":{key: scalar},"arrays":{key: n},"types":{"Q4_0":n,…}}
 *              Texts of more than 4096 bytes, and numbers that are not finite, are null.
 * onnx         {"ir":8,"opset":{"":17},"producer":"…","metadata":{k:v},
 *               "inputs":[{"name":"x","dtype":"f32"|"string"|…,"shape":["batch"|null|int,…]}],"outputs":[…],
 *               "nodes":[{"op":"Gemm","domain":"","name":"…","in":[…],"out":[…],"attrs":"<16 hex of their SHA-256>"}],
 *               "external":["model.safetensors",…],"graph_nodes":n}
 *              Inputs that are initializers are left out of "inputs". Dtypes by dtype_name, or "string". Nodes are the
 *              graph's own; graph_nodes counts those of subgraphs and functions too. A digest does not depend on the
 *              attributes' order. External locations are those of subgraphs and attributes too.
 * xgboost      {"encoding":"json"|"ubj","version":[1,7,4],"objective":"binary:logistic","num_class":0,
 *               "num_target":1,"num_feature":30,"base_score":0.5,"booster":"gbtree"|"dart"|"gblinear",
 *               "features":["name",…],"feature_types":[…],"num_parallel_tree":1,"best_iteration":null|n,
 *               "trees":[{"digest":"<32 hex of SHA-256 over the tree's content>","nodes":n,"leaves":n,"depth":n,
 *                         "class":tree_info}],
 *               "gain":{"<feature index>":[sum of split gain, sum of cover, splits]}}
 *              Equal from JSON and UBJSON but for the encoding. Every index that predicting follows is checked (children,
 *              features, categories, classes; no cycles); a booster that fails is malformed.
 */
/* clang-format on */

/*
 * Sharded sets: a *.safetensors.index.json (Hugging Face's) that names the shards. Parses the index's bytes
 * into pairs; -EBADMSG with fail() text when malformed. Whether the shards exist is the caller's question.
 */
struct shard_entry {
    const char *tensor, *file;
};
int shards_parse(const char *name, const void *p, size_t n, struct arena *a, struct shard_entry **ret,
                 size_t *ret_n);
