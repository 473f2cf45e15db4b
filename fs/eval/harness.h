/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of lm-evaluation-harness' samples_*.jsonl (its --log_samples; the layout of releases 0.4) as an
 * imported prediction. Of its keys two are read:
 *   doc_id          the row's id, as it is or in decimal
 *   filtered_resps  generate_until: ["text"] or [["text"]], the prediction without the blanks around it;
 *                   multiple_choice: [[log likelihood, is greedy], …] for each choice, numbers or texts: the
 *                   choice of the highest likelihood by its number from 0, and a softmax as p_0, p_1, …
 * What the harness scored itself (acc, exact_match, target) is not taken over: rows have their labels.
 */
#pragma once
#include "store/base/canon.h"

int harness_is_sample(const json_t *line);
/* ret: {"id":…,"prediction":…,"p_0":…}; the caller decrefs. -EINVAL with the reason. */
int harness_convert(const json_t *line, json_t **ret);
