/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether the end of RocksDB's MANIFEST is what was written, or torn by a crash, which RocksDB may drop since
 * the data it was about are still in the log. RocksDB also takes a flipped length for a torn end, forgets the
 * tables named behind it, and deletes them once it is opened for writing: -EBADMSG. So this is asked first.
 * Whatever else may be wrong with the file RocksDB finds itself.
 */
int tail_check(const char *db);
