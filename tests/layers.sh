#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# layers.sh [ROOT]: who may include whom.
#   tools -> fs -> fs/report -> {fs/diff, fs/eval} -> store -> store/format -> store/base
# An arrow may be followed any number of times, never backwards; fs/diff and fs/eval don't know each other. A foreign library's header
# is included by the files that stand for it alone. tests/ may include anything.
cd "${1:-$(dirname "$0")/..}" || exit 1
find tools fs store -name '*.[ch]' -print0 2>/dev/null | xargs -0 -r grep -HnE '^[ 	]*#[ 	]*include' | awk '
    BEGIN {
        split("store/base store/format store fs/diff fs/eval fs/report fs tools", order, " ")
        for (i in order) rank[order[i]] = i + 0
        only["fuse_lowlevel.h"] = "^fs/fuse[^/]*[.][ch]$"
        only["rocksdb/c.h"] = "^store/db[^/]*[.]c$"
        only["zstd.h"] = only["zdict.h"] = only["zstd_errors.h"] = "^store/codec[^/]*[.]c$"
        only["cblas.h"] = only["lapacke.h"] = "^fs/diff/spectrum[.]c$"
        only["onnxruntime_c_api.h"] = only["xgboost/c_api.h"] = "^fs/eval/runner_[^/]*[.]c$"
    }
    function folder(path) { sub("/[^/]*$", "", path); return path }
    function wrong(why) { print place ": " why; bad = 1 }
    {
        split($0, part, ":"); file = part[1]; place = file ":" part[2]
        header = $0; sub(/^[^<"]*[<"]/, "", header); sub(/[>"].*/, "", header)
        if ($0 ~ /include[ \t]*"/) {
            from = folder(file); to = folder(header)
            if (!(to in rank)) wrong("include \"" header "\" from the root of the project")
            else if (rank[to] > rank[from] || (from == "fs/eval" && to == "fs/diff")) wrong(from " must not know " to)
        } else if (header in only && file !~ only[header]) wrong("<" header "> belongs to " only[header])
    }
    END { exit bad }'
