/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/npy.h"
#include "store/base/wire.h"

void npy_header(const struct manifest_tensor *t, struct out *o)
{
    static const char pad[64] = "                                                                ";
    struct out dict = {0};
    out_printf(&dict, "{'descr': '%s', 'fortran_order': False, 'shape': (", dtype_npy(t->dtype));
    for (uint32_t i = 0; i < t->rank; i++)
        out_printf(&dict, "%s%llu", i ? ", " : "", (unsigned long long)t->shape[i]);
    out_str(&dict, t->rank == 1 ? ",), }" : "), }");

    int big = dict.n > UINT16_MAX - 64;
    size_t before = big ? 12 : 10, spaces = 63 - (before + dict.n) % 64;
    wire_put(o, big ? "\x93NUMPY\2\0" : "\x93NUMPY\1\0", 8);
    wire_put_uint(o, dict.n + spaces + 1, big ? 4 : 2);
    wire_put(o, dict.p, dict.n);
    wire_put(o, pad, spaces);
    out_char(o, '\n');
    if (out_error(&dict))
        o->err = out_error(&dict);
    out_fini(&dict);
}
