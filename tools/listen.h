/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a daemon that has a repo open answers other processes: a Unix socket at REPO/sock (0600; the peer must
 * be root, this process's user or the owner of REPO), one thread a connection.
 */
#pragma once
#include "tools/owner.h"

struct listen;
/* Starts to listen; what a dead daemon left at REPO/sock is replaced (whoever has the store open owns it). */
int listen_open(struct repo *r, struct listen **ret);
/* No new requests, running ones are stopped; returns when all are gone. NULL is fine. */
void listen_close(struct listen *l);

/* Answers everything that comes over one connected socket, until its end or a breach of the protocol. Returns
 * 1 when the peer may have left something in staging/, else 0. */
int listen_serve(struct repo *r, int fd, const struct who *w);

/* REPO/sock by its directory's descriptor: paths of any length. */
struct sockaddr_un;
void listen_address(int dirfd, struct sockaddr_un *ret);
