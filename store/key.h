/* SPDX-License-Identifier: Apache-2.0 */
/* The database's keys, built in place. Their forms are listed at the top of record.c. */
#pragma once
#include "store/base/hash.h"

#define KEY_MODEL 1 /* the one model of a repo, today */

/* Longest: model, kind and a name of 255 bytes. */
struct key {
    size_t n;
    uint8_t b[272];
};
struct key key_id(uint64_t id);  /* chunks, small, events */
struct key key_model(char kind); /* kind 0: the model alone */
struct key key_model_bytes(char kind, const void *p, size_t n);
struct key key_model_be32(char kind, uint32_t x);
struct key key_model_be64(char kind, uint64_t x);
struct key key_prediction(const struct digest *run,
                          const struct digest *input); /* input NULL: the run's info */
uint64_t key_parse_id(const uint8_t *p);               /* the last 8 bytes of a key, big-endian */
