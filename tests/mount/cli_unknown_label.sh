# SPDX-License-Identifier: Apache-2.0
# A label that no version knows costs the row, and the reports say which row and why.
. "$(dirname "$0")/cli.sh"
boosters=$root/tests/data/breast_cancer

expect 0 init r
expect 0 commit r "$boosters/v1-10-rounds" -m one
"$modelfs" cat r eval/status.txt | grep -q '^xgboost *xgboost ' || { echo "no XGBoost" && exit 77; }
expect 0 commit r "$boosters/v2-60-rounds" -m two
head -n 40 "$boosters/examples.jsonl" | sed '3s/"label":"[a-z]*"/"label":"weird"/' >rows.jsonl
grep -q weird rows.jsonl || die "no such row"
expect 0 add r rows.jsonl && prints '40 kept'
expect 0 eval r && prints 'v2 fails on 1 of 40 rows: bc-003: the version does not know the label "weird"'
expect 1 diff r v1..v2
prints 'v1 fails on 1 row, v2 on 1; a failed row counts as wrong'
prints 'such as bc-003: the version does not know the label "weird"'
! grep -E '^.{81}' out || die "wider than 80 columns"
