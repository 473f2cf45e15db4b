/* SPDX-License-Identifier: Apache-2.0 */
/* Removing what processes that are gone left behind. Never follows a symlink. */
#pragma once

int sweep_tree(const char *path); /* removes it and all in it; 0 or -errno */
/* Removes entries of dir whose name is prefix, the pid of a process that is gone, and maybe "-" and more. */
int sweep_dead(const char *dir, const char *prefix);
int sweep_hold(const char *path); /* a descriptor that keeps the directory from being swept, or -errno */
