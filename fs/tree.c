/* SPDX-License-Identifier: Apache-2.0 */
/* The map of the mount. <x> stands for every name that its row's `names` knows. */
#include "fs/node.h"
#include "store/base/fail.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

static const struct node table[] = {
    {"/", .doc = "one model: its versions, what changed between them, and how well they do"},
    {"/README.txt", .report = &report_readme},
    {"/<version>", .names = &names_version, .doc = "the files of a version, byte for byte as committed"},
    {"/<version>/<file>", .names = &names_file, .deep = 1, .doc = "a file or folder as committed"},
    {"/latest", .names = &names_latest, .link = "", .doc = "the newest version"},
    {"/tags", .write = WRITE_TAGS,
     .doc = "names for versions; ln -sfn ../v4 tags/prod moves one, rm removes it"},
    {"/tags/<tag>", .names = &names_tag, .link = "../", .doc = "the version that the tag names"},
    {"/log.txt", .report = &report_log},
    {"/store.txt", .report = &report_store},

    {"/info", .doc = "what is known of each version"},
    {"/info/<version>", .names = &names_version, .doc = "what is known of a version"},
    {"/info/<version>/summary.txt", .report = &report_info_summary},
    {"/info/<version>/tensors.csv", .report = &report_info_tensors},
    {"/info/<version>/lineage.json", .report = &report_info_lineage},
    {"/info/<version>/card.txt", .report = &report_info_card},
    {"/info/<version>/manifest.json", .report = &report_info_manifest},

    {"/tensors", .doc = "every tensor as a NumPy array"},
    {"/tensors/<version>", .names = &names_version, .doc = "the tensors of a version"},
    {"/tensors/<version>/<tensor>.npy", .names = &names_tensor, .doc = "one tensor, for numpy.load"},
    {"/tensors/<version>/<file>", .names = &names_tensor_dir,
     .doc = "the tensors of one file whose names other files have too"},
    {"/tensors/<version>/<file>/<tensor>.npy", .names = &names_tensor, .doc = "one tensor, for numpy.load"},

    {"/diff", .doc = "one version against another: each against its parents; other pairs when asked for"},
    {"/diff/<pair>", .names = &names_pair, .doc = "what changed from the first to the second"},
    {"/diff/<pair>/summary.txt", .report = &report_diff_summary},
    {"/diff/<pair>/review.md", .report = &report_diff_review},
    {"/diff/<pair>/report.html", .report = &report_diff_page},
    {"/diff/<pair>/verdict", .report = &report_diff_verdict},
    {"/diff/<pair>/gate.csv", .report = &report_diff_gate},
    {"/diff/<pair>/blocks.csv", .report = &report_diff_blocks},
    {"/diff/<pair>/tensors.csv", .report = &report_diff_tensors},
    {"/diff/<pair>/files.csv", .report = &report_diff_files},
    {"/diff/<pair>/config.diff", .report = &report_diff_config},
    {"/diff/<pair>/eval.csv", .report = &report_diff_eval},
    {"/diff/<pair>/flips.csv", .report = &report_diff_flips},
    {"/diff/<pair>/lineage.txt", .report = &report_diff_lineage},
    {"/diff/<name>..<name>", .names = &names_alias, .link = "",
     .doc = "the pair that tags, latest or digests mean now"},

    {"/eval", .write = WRITE_WHOLE, .doc = "the evaluation set and the results of every version on it"},
    {"/eval/summary.txt", .report = &report_eval_summary},
    {"/eval/results.csv", .report = &report_eval_results},
    {"/eval/status.txt", .report = &report_eval_status},
    {"/eval/examples.jsonl", .report = &report_eval_examples, .write = WRITE_APPEND},
    {"/eval/retire", .report = &report_eval_retire, .write = WRITE_APPEND, .lines = EVAL_RETIRE},
    {"/eval/relabel", .report = &report_eval_relabel, .write = WRITE_APPEND, .lines = EVAL_RELABEL},
    {"/eval/rejected.jsonl", .report = &report_eval_rejected},
    {"/eval/unlabelled.jsonl", .report = &report_eval_unlabelled},
    {"/eval/log.jsonl", .report = &report_eval_log},
    {"/eval/spec.json", .config = "spec.json", .write = WRITE_WHOLE,
     .doc = "what evaluating means here; write it as a whole"},
    {"/eval/predict.py", .config = "predict.py", .write = WRITE_WHOLE,
     .doc = "load(dir) and predict(model, inputs), for models no engine here runs; write it as a whole"},
    {"/eval/gates", .config = "gates", .write = WRITE_WHOLE,
     .doc = "what a new version must not do, one rule a line; write it as a whole"},
    {"/eval/graph.onnx", .config = "graph.onnx", .write = WRITE_WHOLE,
     .doc = "the graph for weights that come without one; write it as a whole"},
    {"/eval/cost.csv", .config = "cost.csv", .write = WRITE_WHOLE,
     .doc = "what each answer costs; write it as a whole"},
    {"/eval/traffic.csv", .config = "traffic.csv", .write = WRITE_WHOLE,
     .doc = "how often each slice comes in traffic; write it as a whole"},
    {"/eval/outcomes.csv", .report = &report_eval_outcomes, .write = WRITE_APPEND, .lines = EVAL_OUTCOMES},
    {"/eval/releases.csv", .report = &report_eval_releases},
    {"/eval/business.txt", .report = &report_eval_business},
    {"/eval/trend.svg", .report = &report_eval_trend},
    {"/eval/examples", .doc = "each example over all versions"},
    {"/eval/examples/<id>.csv", .names = &names_example, .report = &report_eval_example},
    {"/eval/versions", .doc = "what each version answers"},
    {"/eval/versions/<version>", .names = &names_version, .doc = "what a version answers"},
    {"/eval/versions/<version>/predictions.csv", .report = &report_eval_predictions},
    {"/eval/inputs", .write = WRITE_INPUTS,
     .doc = "large inputs as NumPy files; rows refer to them by {\"ref\":\"sha256:…\"}"},
    {"/eval/inputs/<input>", .names = &names_input, .config = "inputs/", .write = WRITE_INPUTS,
     .doc = "one array; it stays as it is once a row refers to it"},
    {"/eval/revs", .doc = "the set and the results at every revision it had"},
    {"/eval/revs/<revision>", .names = &names_revision, .doc = "the set and the results at one revision"},
    {"/eval/revs/<revision>/examples.jsonl", .report = &report_eval_examples},
    {"/eval/revs/<revision>/results.csv", .report = &report_eval_results},
};

enum { ROWS = sizeof table / sizeof *table };
static_assert((int)ROWS <= (int)NODE_MAX, "node.c has no room for so many rows");

const struct node *tree_table(size_t *ret_n)
{
    *ret_n = ROWS;
    return table;
}

void tree_rows(void (*each)(void *ctx, const char *path, const char *doc), void *ctx)
{
    for (size_t i = 0; i < ROWS; i++)
        each(ctx, table[i].path, node_doc(&table[i]));
}

int tree_verify(void)
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct node *n = &table[i];
        int named = node_component(n)[0] == '<';
        if (i > 0 && (!node_parent(n) || node_parent(n) > n))
            return fail(-EINVAL, "%s: its folder is no row above it", n->path);
        for (size_t k = 0; k < i; k++)
            if (strcmp(n->path, table[k].path) == 0)
                return fail(-EINVAL, "%s: twice in the table", n->path);
        if (!*node_doc(n))
            return fail(-EINVAL, "%s: says nothing about itself", n->path);
        if (named && !n->names)
            return fail(-EINVAL, "%s: nothing tells what it stands for", n->path);
        if (n->report && n->report->slow && n->report->inputs & INPUT_LIVE)
            return fail(-EINVAL, "%s: a live report must be quick", n->path);
    }
    return 0;
}
