# SPDX-License-Identifier: Apache-2.0
# tensors prints any checkpoint as sorted text, so that git diff shows what moved; it needs no repo.
. "$(dirname "$0")/cli.sh"

expect 0 tensors "$digits/v1-baseline/model.safetensors" && prints 'safetensors, 15 tensors'
tail -n +2 out | LC_ALL=C sort -c
for f in "$digits/pt/model.pt" "$digits/selfcontained/model.onnx" "$root/tests/data/breast_cancer/v1-10-rounds/model.ubj"; do expect 0 tensors "$f"; done
printf '\100\0\0\0\0\0\0\0{"a' >broken.safetensors
expect 0 tensors broken.safetensors && prints 'header length 64 exceeds' && prints "$(sha256sum <broken.safetensors | cut -c-64)"
expect 1 tensors nowhere
expect 5 tensors .

git init -q g && cd g
git config diff.modelfs.textconv "\"$modelfs\" tensors"
echo '*.safetensors diff=modelfs' >.gitattributes
cp "$digits/v3-finetune/model.safetensors" . && git add . && git -c user.name=a -c user.email=a@b commit -qm one
cp "$digits/v2-longer/model.safetensors" .
git diff model.safetensors >../diff
grep -q '^-head' ../diff && grep -q '^+head' ../diff || die "git shows no tensor: $(cat ../diff)"
