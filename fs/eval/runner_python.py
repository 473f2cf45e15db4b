# SPDX-License-Identifier: Apache-2.0
"""What runs eval/predict.py: python3 -c THIS DIR MEGABYTES. First line in: its text, a JSON string; out: {"ready": true}. Then a
list of inputs a line; out: {"answers": [{"values": [..]} | {"text": ".."} | {"error": ".."}, ..]}. Whatever it raises is
{"error": ".."}, an answer that breaks the rules {"broken": ".."}."""
import sys

sys.path[:] = [p for p in sys.path if p]  # never from the folder it happens to run in
import fcntl, json, math, os, resource, signal, traceback, types

NAME = "eval/predict.py"


def prepare():
    """stdout is the protocol's alone; the end of descriptor 3, which only modelfs holds, ends this process."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    fcntl.fcntl(3, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(3, fcntl.F_SETFL, fcntl.fcntl(3, fcntl.F_GETFL) | os.O_ASYNC)
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    size = int(sys.argv[2]) << 20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return sys.stdin, out


def why(e):
    lines = [f.lineno for f in traceback.extract_tb(e.__traceback__) if f.filename == NAME]
    if isinstance(e, SyntaxError) and e.filename == NAME:
        return "line %s: %s: %s" % (e.lineno, type(e).__name__, e.msg)
    at = "line %s: " % lines[-1] if lines else ""
    return at + type(e).__name__ + (": " + str(e) if str(e) else "")


def load(source, path):
    module = types.ModuleType("predict")
    sys.modules["predict"] = module
    exec(compile(source, NAME, "exec"), module.__dict__)
    for name in "load", "predict":
        if not callable(getattr(module, name, None)):
            raise AttributeError("it defines no function %s" % name)
    return module, module.load(path)


def plain(x):
    """NumPy's and PyTorch's arrays and numbers as Python's own."""
    if hasattr(x, "detach"):
        x = x.detach()
    return x.tolist() if hasattr(x, "tolist") else x


def flat(x, into):
    x = plain(x)
    if isinstance(x, (list, tuple)):
        for y in x:
            flat(y, into)
    elif isinstance(x, (int, float)):
        into.append(float(x))
    else:
        raise TypeError("predict answered %s, where text, a number or numbers are needed" % type(x).__name__)
    return into


def one(x):
    x = plain(x)
    if isinstance(x, bool):
        x = "true" if x else "false"
    if isinstance(x, str):
        return {"text": x}
    values = flat(x, [])
    bad = [v for v in values if not math.isfinite(v)]
    if bad:
        return {"error": "the model answered %s" % ("NaN" if math.isnan(bad[0]) else "an infinite number")}
    return {"values": values} if values else {"error": "the model answered an empty list"}


def answer(module, model, inputs):
    found = plain(module.predict(model, inputs))
    if isinstance(found, (str, bytes, dict)) or not hasattr(found, "__iter__"):
        return {"broken": "predict answered %s, where a list of answers is needed" % type(found).__name__}
    found = list(found)
    if len(found) != len(inputs):
        return {"broken": "predict answered %d times for %d inputs" % (len(found), len(inputs))}
    try:
        return {"answers": [one(x) for x in found]}
    except TypeError as e:
        return {"broken": str(e)}


def main():
    questions, out = prepare()
    module = model = None
    for line in questions:
        try:
            if module is None:
                module, model = load(json.loads(line), sys.argv[1])
                reply = {"ready": True}
            else:
                reply = answer(module, model, json.loads(line))
        except Exception as e:
            reply = {"error": why(e)}
        out.write(json.dumps(reply) + "\n")
        out.flush()


main()
