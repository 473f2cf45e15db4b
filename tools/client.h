/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client half's way to the owner of a repo: over the socket of a daemon that has it mounted, or, when
 * nobody has it open, by opening it in this process. The answers are the same.
 */
#pragma once
#include "store/base/canon.h"
#include "store/gc.h"
#include "tools/request.h"

struct client;
enum client_flag {
    CLIENT_NO_WAIT = 1,   /* -EBUSY at once when another command has the repo open */
    CLIENT_READ_ONLY = 2, /* if it is to be opened here, then without writing to it */
};

/*
 * Without CLIENT_NO_WAIT another command that has the repo open is waited for, after a second with a word on
 * stderr. Errors as store_open's (say_fail_open knows them), and -EINTR.
 */
int client_open(const char *repo, unsigned flags, struct client **ret);
void client_close(struct client *c); /* NULL is fine */
/* Another way to the same owner, for another thread; to be closed before c. */
int client_again(const struct client *c, const char *repo, struct client **ret);
const char *client_path(const struct client *c);       /* the repo, absolute */
const char *client_mountpoint(const struct client *c); /* "": not mounted */

/* The repo itself, for whoever wants to be its daemon: as client_open, and -EBUSY with the mountpoint in the
 * text when there is one already. */
struct repo;
int client_own(const char *repo, unsigned flags, struct repo **ret);
/* The pid of the daemon that has it mounted, 0 when there is none, or -errno. */
int client_daemon(const char *repo);

/* Asks, and hands what comes to `to`; the op's result is appended to ret (NULL: not wanted). A stop (Ctrl-C)
 * is looked for on the way: -EINTR. */
int client_call(struct client *c, const struct request *q, const struct reply *to, struct out *ret);

/* The usual answers: all data to stdout, or into ret. */
int client_print(struct client *c, const struct request *q, struct out *ret);
int client_collect(struct client *c, const struct request *q, struct out *ret_data);

/* One JSON object per version, newest first: the answer to REQUEST_VERSIONS, parsed. name "" is all. The
 * caller decrefs the array. */

int client_versions(struct client *c, const char *name, unsigned flags, json_t **ret);

/* gc_run at the owner; version "", or with dry the one that is as good as removed. progress may be NULL. */
int client_gc(struct client *c, const char *version, int dry,
              void (*progress)(void *ctx, uint64_t done, uint64_t all, const char *what), void *ctx,
              struct gc_result *ret);

/* What prepare_run asks of the owner. */
struct prepare_owner client_prepare_owner(struct client *c);
