/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/report/section.h"
#include <stdio.h>

void verdict_add(struct verdict *v, enum verdict_word word, const char *because, const char *todo)
{
    v->pass += word == VERDICT_PASS;
    v->undecided += word == VERDICT_UNDECIDED;
    v->fail += word == VERDICT_FAIL || word == VERDICT_NOT_COMPARABLE;
    if (word < v->word || (word == v->word && v->because[0]))
        return;
    v->word = word;
    snprintf(v->because, sizeof v->because, "%s", because ? because : "");
    snprintf(v->todo, sizeof v->todo, "%s", todo ? todo : "");
}
