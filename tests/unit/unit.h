/* SPDX-License-Identifier: Apache-2.0 */
/* What every suite shares. A test file defines unit_suite() and links with unit.c, which holds main(). */
#pragma once
#include <check.h>
#include <stddef.h>

Suite *unit_suite(void);

/* A private directory, removed with all in it when the process ends. */
const char *unit_tmpdir(void);
/* The whole file, malloc'd; fails the test when it cannot be read. Paths are relative to the project's root.
 */
char *unit_read_file(const char *path, size_t *ret_n);
void unit_write_file(const char *path, const void *p, size_t n);
