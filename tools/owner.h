/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner half of a command: answers one request about a repo that this process has open, whether it came
 * over the socket or from a command in the same process. Any thread may call; no lock of the repo is held
 * while something is given to `to`, except progress, which must not block.
 */
#pragma once
#include "fs/repo.h"
#include "tools/request.h"

/* 0 and the op's result in ret, or -errno with a fail() text (ret may then hold part of a result: not to be
 * used). */
int owner_answer(struct repo *r, const struct who *w, const struct request *q, const struct reply *to,
                 struct out *ret);
