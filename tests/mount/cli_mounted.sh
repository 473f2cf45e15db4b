# SPDX-License-Identifier: Apache-2.0
# A command answers the same whether the repo is mounted or not, and what it changes shows in the mount at once.
[ -n "${MODELFS_NS:-}" ] || MODELFS_NS=1 exec unshare -m sh "$0"
. "$(dirname "$0")/cli.sh"
needs_fuse

expect 0 init r
expect 0 commit r "$digits/v1-baseline" -m one
expect 0 commit r "$digits/v2-longer" -m two --tag prod
expect 0 add r "$digits/examples.jsonl"

answers() { # into the files of a directory
    mkdir "$1"
    "$modelfs" log r --json >"$1/log"
    "$modelfs" tag r >"$1/tag"
    "$modelfs" ls -l r v1 >"$1/ls"
    "$modelfs" ls r diff >"$1/pairs"
    "$modelfs" cat r log.txt v2/model.safetensors eval/examples.jsonl >"$1/cat"
    "$modelfs" show r v9 >"$1/show" 2>&1 || echo $? >>"$1/show"
    "$modelfs" tag r v1 v2 >"$1/refused" 2>&1 || echo $? >>"$1/refused"
    "$modelfs" check r --read-data >"$1/check"
}
answers before
expect 0 mount r mnt
[ ! -s out ] || die "mount has something to say"
answers during
diff -r before during || die "the answers differ"

for f in README.txt log.txt v1/config.json latest/model.safetensors eval/examples.jsonl; do
    "$modelfs" cat r $f | cmp - mnt/$f || die "$f differs"
done

expect 0 commit r "$digits/v3-finetune" -m three
cmp "$digits/v3-finetune/model.safetensors" mnt/v3/model.safetensors && [ "$(readlink mnt/latest)" = v3 ] || die "no v3"
expect 0 tag r prod v3 && [ "$(readlink mnt/tags/prod)" = ../v3 ] || die "the tag did not move"
cp "$digits/graph.onnx" g && expect 0 put r eval/graph.onnx g && cmp g mnt/eval/graph.onnx
echo '{"id":"new","label":"1"}' >row && expect 5 add r row && says no_input
grep -q no_input mnt/eval/rejected.jsonl || die "the rejected row does not show"
sed 's/"x": *\[[^,]*/"x":[0.5/; 1q' "$digits/examples.jsonl" | sed 's/"id": *"[^"]*"/"id":"new"/' >row
expect 0 add r row && prints '1 kept' && grep -q '"id":"new"' mnt/eval/examples.jsonl || die "the new row does not show"
expect 0 rm r v1 && [ ! -e mnt/v1 ] || die "v1 is still there"
expect 0 export r v2 got && diff -r got mnt/v2
unmounts mnt r
expect 0 log r && [ "$(wc -l <out)" = 2 ] || die "unmounted, it is not the same repo"
