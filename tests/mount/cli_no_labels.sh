# SPDX-License-Identifier: Apache-2.0
# A model whose classes have no names, while the rows' labels are names: every report says that it cannot be evaluated, and how it can.
. "$(dirname "$0")/cli.sh"

expect 0 init r
for v in v1-10-rounds v2-60-rounds; do expect 0 commit r "$root/tests/data/breast_cancer/$v/model.ubj" -m $v; done
head -n 20 "$root/tests/data/breast_cancer/examples.jsonl" >rows
expect 0 add r rows
expect 5 eval r v1 && says "labels are texts"
expect 1 diff r v1..v2 && prints 'v1 cannot be evaluated: ' && prints 'ways in: '
expect 0 show r v1
expect 0 cat r eval/status.txt && prints 'ways in: '
