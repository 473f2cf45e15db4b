/* SPDX-License-Identifier: Apache-2.0 */
/* The pull or merge request of the branch that is checked out, through gh or glab where they are installed.
 */
#pragma once

/*
 * Puts the Markdown file there as a comment; one that begins with `key` is replaced. Returns 1 when one was
 * replaced, 0 when it is new, or -errno with a text: -ENOENT neither program is installed, or there is no
 * such request; -EIO the forge refused. The key is free of quotes and backslashes.
 */
int forge_post(const char *path, const char *key);
