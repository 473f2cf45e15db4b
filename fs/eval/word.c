/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/word.h"

enum word word_decide(const struct word_case *c, const char **ret_note)
{
    const char *note = NULL;
    enum word w = WORD_UNDECIDED;
    if (!c->has_ci)
        w = WORD_UNDECIDED;
    else if (c->ci.lo > 0)
        w = WORD_IMPROVED;
    else if (c->ci.hi < 0 && c->point <= -c->margin && (c->p_adj < 0 || c->p_adj <= c->alpha))
        w = WORD_REGRESSED;
    else if (c->ci.lo >= -c->margin)
        w = WORD_OK;
    if (w == WORD_OK && c->ci.hi < 0)
        note = "small but real";
    if (ret_note)
        *ret_note = note;
    return w;
}

const char *word_name(enum word w)
{
    static const char *const names[] = {"IMPROVED", "OK", "REGRESSED", "UNDECIDED"};
    return names[w];
}
