/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two halves of a command say to each other. A daemon that has a repo open listens on REPO/sock, a
 * Unix socket of type SOCK_SEQPACKET: one packet is one frame, of at most REQUEST_FRAME bytes, and never
 * arrives in part. Integers are little-endian, strings as in wire.h.
 *
 *   connection = hello hello exchange*       the client's first, then the owner's; a version that the owner
 *                                            does not speak is answered by ERROR
 *   exchange   = ASK BODY* reply* (END | ERROR)
 *   reply      = DATA | FILE | PROGRESS
 *
 *   HELLO     "modelfs" u32 protocol, u32 pid, str mountpoint ("" from a client)
 *   ASK       u8 op, u64 flags, str name, str other, u64 length of the body
 *   BODY      bytes; as many frames as the length takes
 *   DATA      bytes of the answer
 *   FILE      u32 mode, i64 mtime_ns, u64 size, digest sha256, str path: its bytes follow as DATA
 *   PROGRESS  u64 done, u64 all, str what; may be dropped
 *   ERROR     u32 errno, str text, str hint
 *   END       bytes of the result (see each op)
 *
 * A client that wants to stop closes the connection. Lengths are checked where they are read; whoever breaks
 * these rules loses the connection and nothing else.
 */
#pragma once
#include "store/base/arena.h"
#include "store/base/out.h"
#include "store/base/wire.h"
#include "store/prepare.h"

#define REQUEST_PROTOCOL 1
#define REQUEST_FRAME    65536u       /* bytes of a frame, its type included */
#define REQUEST_BODY     (256u << 20) /* bytes of a body */
#define REQUEST_STRING   16384u       /* bytes of a name */

enum request_frame {
    FRAME_HELLO = 'H',
    FRAME_ASK = 'Q',
    FRAME_BODY = 'B',
    FRAME_DATA = 'D',
    FRAME_FILE = 'F',
    FRAME_PROGRESS = 'P',
    FRAME_ERROR = 'E',
    FRAME_END = 'Z',
};

enum request_op {
    REQUEST_HAS = 1,  /* body: digests. data: a u64 id for each, 0 = not there */
    REQUEST_RESERVE,  /* flags: how many. result: u64 first id */
    REQUEST_COMMIT,   /* body: the prepared document. result: request_format_commit */
    REQUEST_TAG,      /* name: tag, other: version, "" removes it. result: "v3" or "" */
    REQUEST_APPEND,   /* name: "", "retire" or "relabel", body: lines. result: request_format_append */
    REQUEST_IMPORT,   /* name: version, body: JSON lines. result: as APPEND */
    REQUEST_CONFIG,   /* name: "spec.json" …, body: its text */
    REQUEST_REMOVE,   /* name: version, flags & REQUEST_FORCE. result: "v3" */
    REQUEST_CHECK,    /* flags: millionths of the chunks to read. data: lines. result: u64 damages */
    REQUEST_VERSIONS, /* name: a version, or "" for all, newest first. data: a line of JSON each */
    REQUEST_LIST,     /* name: path, flags & REQUEST_LONG. data: request_format_entry each */
    REQUEST_CAT,      /* name: path. data: the file */
    REQUEST_SHOW,     /* name: version. data: its info/<v>/summary.txt */
    REQUEST_DIFF,     /* name: A..B. data: summary.txt. result: u8, 0 the same files, 1 others */
    REQUEST_EVALUATE, /* name: version. result: one line of JSON */
    REQUEST_EXPORT,   /* name: version. files, and data after each. result: "v3" */
    REQUEST_USAGE,    /* result: one line of JSON */
    REQUEST_CAPTURE,  /* name: version, body: a row as JSON. result: one line of JSON */
    REQUEST_ERASE,    /* name: a row's id, other: the reason. result: u64 rows, u64 refused lines */
    REQUEST_BASES,    /* body: digests of versions. data: bases_list */
    REQUEST_CHUNKS,   /* body: a list for bases_read. data: what it gives */
    REQUEST_CARD,     /* name: version. data: its info/<v>/card.txt */
    REQUEST_GC,     /* flags & REQUEST_DRY: only count, and as if the version `name` ("": none) were removed.
                       result: 5 x u64, as struct gc_result */
    REQUEST_RECORD, /* name: version. data: its digest, then its record */
    REQUEST_OP_MAX,
};
enum request_flag {
    REQUEST_FORCE = 1,
    REQUEST_LONG = 2,
    REQUEST_LINEAGE = 4,
    REQUEST_PYTHON = 8,
    REQUEST_DRY = 16
};

struct request {
    enum request_op op;
    uint64_t flags;
    const char *name, *other; /* NULL is "" */
    const void *body;
    size_t nbody;
};

struct reply_file {
    const char *path; /* as in the version: checked again by whoever writes it somewhere */
    uint32_t mode;
    int64_t mtime_ns;
    uint64_t size;
    struct digest sha256;
};

/* Where the answer to one request goes; the same for a socket and for a call within the process. A callback
 * that is NULL is not wanted. A non-zero return stops the request and is what it returns. */
struct reply {
    int (*data)(void *ctx, const void *p, size_t n);
    int (*file)(void *ctx, const struct reply_file *f);
    void (*progress)(void *ctx, uint64_t done, uint64_t all, const char *what);
    int (*stop)(void *ctx); /* non-zero: nobody waits any more */
    void *ctx;
};

/* ---- frames ---- */
/* 0, -EPIPE when the peer is gone, -EINTR, -EAGAIN (only with MSG_DONTWAIT in flags). */
int request_send(int fd, enum request_frame type, const void *p, size_t n, int flags);
/* One frame into buf (REQUEST_FRAME bytes); its payload is *ret. -EPIPE the peer is gone; -EPROTO an empty or
 * oversized frame; -EINTR a signal; -EAGAIN the socket's timeout. */
int request_recv(int fd, uint8_t *buf, enum request_frame *ret_type, struct wire *ret);

/* ---- payloads: format appends, parse checks all of it (-EPROTO) ---- */
void request_format_hello(struct out *o, uint32_t pid, const char *mountpoint);
int request_parse_hello(struct wire w, struct arena *a, uint32_t *ret_protocol, uint32_t *ret_pid,
                        const char **ret_mountpoint);
void request_format_ask(struct out *o, const struct request *q);
int request_parse_ask(struct wire w, struct arena *a, struct request *ret); /* body left NULL */
void request_format_file(struct out *o, const struct reply_file *f);
int request_parse_file(struct wire w, struct arena *a, struct reply_file *ret);
void request_format_error(struct out *o, int err, const char *text, const char *hint);
int request_parse_error(struct wire w, struct arena *a); /* repeats it by fail(); returns the code */
void request_format_progress(struct out *o, uint64_t done, uint64_t all, const char *what);
int request_parse_progress(struct wire w, struct arena *a, uint64_t *ret_done, uint64_t *ret_all,
                           const char **ret_what);

/* ---- results ---- */
void request_format_commit(struct out *o, const struct commit_result *c);
int request_parse_commit(struct wire w, struct commit_result *ret);

struct request_append { /* what became of the lines */
    uint64_t kept, merged, rejected, unlabelled;
    const char *first_error;
};
void request_format_append(struct out *o, const struct request_append *r);
int request_parse_append(struct wire w, struct arena *a, struct request_append *ret);

struct request_entry { /* of a directory */
    uint8_t kind;      /* enum place_kind */
    uint32_t mode;     /* these four only with REQUEST_LONG */
    uint64_t size;
    uint8_t guess;
    int64_t mtime_ns;
    const char *name;
    const char *link; /* "" */
};
void request_format_entry(struct out *o, const struct request_entry *e);
int request_parse_entry(struct wire *w, struct arena *a, struct request_entry *ret);
