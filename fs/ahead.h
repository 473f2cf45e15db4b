/* SPDX-License-Identifier: Apache-2.0 */
/* Predictions made before anybody asks: one thread, of the lowest priority for processor and disk, that gives
 * way to every reader. */
#pragma once
#include "fs/repo.h"

struct ahead;
int ahead_open(struct repo *r, struct ahead **ret);
void ahead_wake(struct ahead *a);  /* versions, rows or the configuration changed */
void ahead_close(struct ahead *a); /* stops what runs; NULL is fine */
