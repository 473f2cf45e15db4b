# SPDX-License-Identifier: Apache-2.0
# The example of modelfs(5): predictions made elsewhere, for models that nothing here can run: CSV, JSON lines, and what
# lm-evaluation-harness writes.
. "$(dirname "$0")/cli.sh"

expect 0 init r
echo "weights on some GPU" >weights.bin
for v in one two three; do expect 0 commit r weights.bin -m $v; done
cat >rows.jsonl <<'END'
{"id":"0","input":{"text":"The film was great."},"label":"1"}
{"id":"1","input":{"text":"The food was awful."},"label":"0"}
{"id":"2","input":{"text":"Not bad at all."},"label":"1"}
{"id":"3","input":{"text":"Never again."},"label":"0"}
END
expect 0 add r rows.jsonl

cat >v1.csv <<'END'
id,prediction,p_0,p_1
0,1,0.1,0.9
1,0,0.8,0.2
2,0,0.7,0.3
3,0,0.9,0.1
END
expect 0 predictions r v1 v1.csv && prints '4 kept'

cat >v2.jsonl <<'END'
{"id":"0","prediction":"1","probability":0.9}
{"id":"1","prediction":"1","probability":0.6}
{"id":"2","prediction":"1","probability":0.7}
{"id":"3","prediction":"1","probability":0.8}
END
expect 0 predictions r v2 v2.jsonl && prints '4 kept'

# a multiple choice task's file, two lines of which are of older releases, and then a generating one's
cat >samples_reviews_2025-01-01T00-00-00.jsonl <<'END'
{"doc_id":0,"doc":{"text":"…"},"target":"1","arguments":[["…"," no"],["…"," yes"]],"resps":[[[-3.0,false]],[[-1.0,true]]],"filtered_resps":[[-3.0,false],[-1.0,true]],"filter":"none","metrics":["acc"],"doc_hash":"a","acc":1.0}
{"doc_id":1,"doc":{"text":"…"},"target":"0","filtered_resps":[["-0.5","True"],["-2.5","False"]],"filter":"none","acc":1.0}
{"doc_id":2,"target":1,"filtered_resps":[[-1.0,false],[-1.5,true]],"acc":0.0}
{"doc_id":3,"target":0,"filtered_resps":[[-1.0,true],[-2.0,false]],"acc":1.0}
END
expect 0 predictions r v3 samples_*.jsonl && prints '4 kept'
expect 0 eval r
# accuracy VERSION VALUE: of core, as results.csv has it
accuracy() {
    found=$("$modelfs" cat r eval/results.csv | awk -F, -v v="$1" '$1 == v && $4 == "core" && $5 == "" && $6 == "accuracy" { print $9 }')
    [ "$found" = "$2" ] || die "$1 is at $found, not at $2"
}
accuracy v1 0.75 && accuracy v2 0.5 && accuracy v3 0.75
"$modelfs" cat r diff/v1..v2/flips.csv >flips && grep -q '^1,broken' flips && grep -q '^2,fixed' flips || die "the flips are wrong: $(cat flips)"
"$modelfs" cat r diff/v1..v3/flips.csv >flips && ! grep '^[0-3],' flips || die "v1 and v3 answer alike"

cat >samples_generated.jsonl <<'END'
{"doc_id":0,"target":"1","resps":[["so it is 1"]],"filtered_resps":[" 1\n"],"filter":"strict-match","exact_match":1.0}
{"doc_id":1,"target":"0","resps":[["0"]],"filtered_resps":[["0"]],"filter":"strict-match","exact_match":1.0}
{"doc_id":2,"target":"1","filtered_resps":[["1"]],"exact_match":1.0}
{"doc_id":3,"target":"0","filtered_resps":["0"],"exact_match":1.0}
END
expect 0 predictions r v3 samples_generated.jsonl && accuracy v3 1
printf '{"doc_id":9,"filtered_resps":["1"]}\n{"doc_id":0,"filtered_resps":[[false]]}\n' >bad.jsonl
expect 5 predictions r v3 bad.jsonl && says 'no row of the set is "9"'
