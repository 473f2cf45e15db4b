/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands that change rows of the evaluation set share. */
#pragma once
#include "tools/client.h"

/* Sends the array's objects as lines of eval/NAME and prints how many were carried out; drops the array. The
 * exit code: 3 when some were refused, 5 when all were. */
int order_send(const char *repo, unsigned flags, const char *name, json_t *orders);
/* A label as a user types it: a JSON number, text in quotes, true or false is that, any other is text. */
json_t *order_label(const char *text);
