/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ctrl-C. The first SIGINT, SIGTERM or SIGHUP asks the command to stop where nothing is half-written; the
 * second one kills it (what is staged is then swept at the next open).
 */
#pragma once

void stop_install(void);
int stop_asked(void *unused); /* non-zero: stop. Has the form of every stop callback */
