# SPDX-License-Identifier: Apache-2.0
# eval/spec.json is written as a whole, by whatever way an editor has; a refused text changes nothing and says why.
. "$(dirname "$0")/lib.sh"

expect 0 init r
expect 0 commit r "$digits/v1-baseline" -m one
mounted
s=m/eval/spec.json
is() { [ "$(cat $s)" = "{\"headline\":\"$1\"}" ] && [ ! -e $s.error ] || die "$2: $(cat $s) $(cat $s.error)"; }
new() { printf '{"headline":"%s"}\n' "$1"; }
[ ! -e $s ]
new accuracy >$s && is accuracy '>'
new log_loss >t && cp t $s && is log_loss cp
new accuracy >t && mv t $s && is accuracy 'mv from elsewhere'
sed -i s/accuracy/log_loss/ $s && is log_loss 'sed -i'
(cd m/eval && new accuracy >4913 && rm 4913 && mv spec.json spec.json~ && new accuracy >spec.json && rm spec.json~) && is accuracy vim
(cd m/eval && new log_loss >.spec.json.swp && mv .spec.json.swp spec.json) && is log_loss rename
(printf '{"headline":' && sh -c 'printf "\"accuracy\"}"') >$s && is accuracy 'two writers of one file'
"$modelfs" put r eval/spec.json t 2>/dev/null || { new log_loss >t && expect 0 put r eval/spec.json t; }
new log_loss >t && cp t $s && is log_loss again
[ "$(ls -A m/eval | grep -cE 'swp|~|4913|sed')" = 0 ] || die "something is left: $(ls -A m/eval)"

refuses 'Invalid argument' cp "$digits/v1-baseline/model.safetensors" $s
new log_loss | cmp - $s && grep -q 'spec.json' $s.error || die "no reason"
new accuracy | sed s/headline/nonsense/ >t
! cat t >$s 2>/dev/null || die "a bad text was no error"
cp t m/eval/tmp && refuses 'cannot move' mv m/eval/tmp $s && rm m/eval/tmp
new log_loss | cmp - $s || die "a refused text changed it"
new accuracy >$s && is accuracy 'after an error'
for i in $(seq 16); do echo x >m/eval/scratch$i; done
! echo x 2>/dev/null >m/eval/scratch17 || die "scratch files without end"
unmounted
mounted && is accuracy 'after a remount' && [ "$(ls m/eval | grep -c scratch)" = 0 ]
unmounted
