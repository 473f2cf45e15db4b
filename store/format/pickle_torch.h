/* SPDX-License-Identifier: Apache-2.0 */
/* The globals that a checkpoint may name, and what calling them makes. */
#pragma once
#include "store/format/pickle.h"

/* NULL: not on the list. Names are compared whole, byte for byte. */
const struct pickle_global *pickle_torch_global(const char *module, size_t module_len, const char *name,
                                                size_t name_len);

/* ret becomes what fn(*args) would: a dict, a tensor, …. 0, -EBADMSG without a text (fn cannot be called so)
 * or -ENOMEM. args is a LIST. */
int pickle_torch_call(struct arena *a, const struct pickle_global *fn, const struct pickle *args,
                      const struct pickle **ret);

/* The persistent id ('storage', torch.FloatStorage, '0', 'cpu', 16); errors as above. */
int pickle_torch_storage(struct arena *a, const struct pickle *id, const struct pickle **ret);
