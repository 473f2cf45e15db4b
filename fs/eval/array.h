/* SPDX-License-Identifier: Apache-2.0 */
/* A NumPy file (NEP 1) of numbers, from anybody: everything is checked. Little-endian, C order. */
#pragma once
#include "store/format/dtype.h"
#include <jansson.h>

#define ARRAY_MAX_RANK 8

struct array {
    enum dtype dtype;
    uint32_t rank;
    uint64_t shape[ARRAY_MAX_RANK];
    uint64_t count;
    const uint8_t *data; /* (count) not aligned; borrowed */
};
/* 1: it begins as such a file does. No UTF-8 text does. */
int array_is(const void *p, size_t n);
/* -EINVAL with fail() text. */
int array_parse(const void *p, size_t n, struct array *ret);
double array_number(const struct array *a, uint64_t i); /* integers past 2^53 are rounded */
/* Nested lists; NULL: out of memory, or a number that JSON has not (NaN, infinity). */
json_t *array_lists(const struct array *a);
