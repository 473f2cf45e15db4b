/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The difference between a chunk of floats and its prediction, as integers.
 *
 * The bits of a float are mapped so that their order is that of the values; an optimiser moves a weight by a
 * few of these steps. z = zigzag(map(new) - map(predicted)), modulo the width. So -0, NaN and subnormals are
 * bit patterns like any other, and nothing is rounded.
 *
 * How large z is depends on the exponent of what was predicted (steps are finer below), so it is coded in one
 * of DELTA_CONTEXTS streams chosen by that. A class says z's magnitude: z itself below 16, else its highest
 * bit and the three below that; the bits further down follow in a stream of their own.
 */
#pragma once
#include "store/format/dtype.h"
#include <stddef.h>
#include <stdint.h>

#define DELTA_CONTEXTS 16

int delta_of(enum dtype t); /* can it be coded: f32, bf16, f16 */

/* z of each of m elements, of t's width, into z. */
void delta_split(enum dtype t, const void *p, const void *predicted, size_t m, void *z);
/* The elements from z; z may be out. */
void delta_join(enum dtype t, const void *z, const void *predicted, size_t m, void *out);

/* The context of each element, 0 to DELTA_CONTEXTS - 1: how many exponents what is predicted lies below the
 * largest finite one. ret_count: elements of each. */
void delta_contexts(enum dtype t, const void *predicted, size_t m, uint8_t *ret,
                    uint32_t ret_count[DELTA_CONTEXTS]);

/* Classes of all z, grouped by context (m bytes, context 0's first), and the low bits (at most room bytes);
 * the number of their bytes, or SIZE_MAX when they do not fit. */
size_t delta_classes(enum dtype t, const void *z, const uint8_t *context,
                     const uint32_t count[DELTA_CONTEXTS], size_t m, uint8_t *classes, uint8_t *bits,
                     size_t room);
/* Back: z from classes[k], the classes of context k, and nbits bytes of low bits. 0, or -EBADMSG when there
 * are fewer bits than the classes ask for, or more. */
int delta_values(enum dtype t, const uint8_t *context, const uint8_t *const classes[DELTA_CONTEXTS], size_t m,
                 const uint8_t *bits, size_t nbits, void *z);

/* What the n bytes would take, in bits an element, by the entropy of some thousand elements spread over them:
 * as a difference, without the gain of contexts (0: every one looked at is as predicted), and by themselves
 * in byte planes. */
double delta_cost(enum dtype t, const void *p, const void *predicted, size_t n);
double delta_cost_alone(enum dtype t, const void *p, size_t n);
