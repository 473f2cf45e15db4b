# SPDX-License-Identifier: Apache-2.0
# add and predictions: JSON lines and CSV, what is kept, merged and rejected, and the exit codes.
. "$(dirname "$0")/cli.sh"

expect 0 init r
expect 0 commit r "$digits/v1-baseline" -m one
printf 'id,amount,country,label,slices\na,10,ES,fraud,eu;new\nb,,FR,ok,eu\n' >rows.csv
expect 0 add r rows.csv && prints '2 kept'
expect 0 cat r eval/examples.jsonl
grep '"id":"a"' out | grep -F '"input":{"amount":10,"country":"ES"}' | grep -qF '"slices":["eu","new"]' || die "row a is wrong"
grep '"id":"b"' out | grep -qF '"input":{"amount":null,"country":"FR"}' || die "row b is wrong"

printf '{"id":"c","input":{"amount":1,"country":"DE"},"label":"ok"}\n{bad\n' >mixed.jsonl
expect 3 add r mixed.jsonl && prints '1 kept, 1 rejected' && says 'mixed.jsonl: '
expect 0 add r rows.csv && prints '2 merged'
echo '{"id":"d","input":{"amount":2,"country":"PT"},"label":"ok"}' | "$modelfs" add r - >out || die "no rows from stdin"
prints '1 kept'
expect 5 add r "$root/LICENSE" && expect 0 cat r eval/rejected.jsonl && prints 'bad_json'

printf 'id,prediction,p_fraud,p_ok\na,fraud,0.9,0.1\nb,fraud,0.6,0.4\nc,ok,0.2,0.8\nd,ok,0.3,0.7\n' >answers.csv
expect 0 predictions r v1 answers.csv && prints '4 kept'
expect 5 predictions r v1 rows.csv && says 'column "amount"'
expect 1 predictions r v9 answers.csv
echo '{"id":"nobody","prediction":"ok"}' >answers.jsonl
expect 5 predictions r v1 answers.jsonl && says 'nobody'
