"""Reports from made-up measurements: ratios, who counts, what --compare calls slower."""

import copy

import report


def fail(text):
    raise SystemExit(f"FAILED: {text}")


def row(name, ours, theirs, **more):
    one = lambda ns: {
        "min_ns": ns,
        "median_ns": ns,
        "rounds": [ns, int(ns * 1.01), int(ns * 1.2)],
        "create_ns": 10**7,
        "first_ns": 10**6,
    }
    return {
        "id": name,
        "row": name,
        "family": "dense",
        "dtype": "f32",
        "layout": "nhwc",
        "threads": 1,
        "cpu": None,
        "flops": 10**9,
        "useful_flops": 10**9,
        "peak": {"dtype": "f32", "gflops": 100.0, "bits": 256},
        "check": {"same": 1, "largest": 0.0},
        "contenders": {"atrous": {**one(ours), "compile_ns": 2 * 10**7, "scratch": 0}, "onednn": {**one(theirs), "same": 1}},
        **more,
    }


def data(*rows):
    return {
        "machine": "m",
        "cores": [0],
        "cpu": None,
        "load": 0.0,
        "date": "d",
        "contenders": {"atrous": "Atrous", "onednn": "oneDNN"},
        "missing": {},
        "rows": list(rows),
        "cold": [{"family": "dense", "contender": "atrous", "start_ns": 1, "create_ns": 2, "first_ns": 3}],
    }


base = data(*[row(f"r{i}", 10**7 + i, 2 * 10**7) for i in range(5)])

# a 10 % slow-down in one row, and nothing else
slow = copy.deepcopy(base)
for key in ("min_ns", "median_ns"):
    slow["rows"][3]["contenders"]["atrous"][key] = int(1.1 * 10**7)
slow["rows"][3]["contenders"]["atrous"]["rounds"] = [int(1.1 * 10**7), int(1.11 * 10**7)]
text, slower = report.compare(base, slow)
if not slower or "slower: r3 " not in text or text.count("slower: ") != 1:
    fail(f"10 % are not seen: {text}")
text, slower = report.compare(slow, base)
if slower or "faster: r3 " not in text:
    fail(f"10 % faster: {text}")
if report.compare(base, base)[1]:
    fail("a report is slower than itself")

# within the spread; with another clock; a row that is wrong now
noisy = copy.deepcopy(slow)
noisy["rows"][3]["contenders"]["atrous"]["rounds"] = [int(1.1 * 10**7), int(1.3 * 10**7)]
if report.compare(base, noisy)[1]:
    fail("a row within its spread is called slower")
clock = copy.deepcopy(slow)
for r in clock["rows"]:
    r["peak"]["gflops"] = 90.0
if report.compare(base, clock)[1]:
    fail("a lower clock is called a slow-down")
wrong = copy.deepcopy(base)
wrong["rows"][1]["check"] = {"same": 0, "largest": 1.0}
text, slower = report.compare(base, wrong)
if not slower or "lost: r1" not in text:
    fail(f"a wrong row is not lost: {text}")

# a row counts only if both are right
if abs(report.ratio(base["rows"][0], "onednn")[0] - 2) > 1e-9:
    fail("ratio")
base["rows"][0]["contenders"]["onednn"] = {"refused": "no such thing"}
base["rows"][1]["contenders"]["onednn"]["same"] = 0
base["rows"][2]["check"] = {"same": 0, "largest": 0.5}
if any(report.ratio(base["rows"][i], "onednn") for i in range(3)) or not report.ratio(base["rows"][3], "onednn"):
    fail("a row counts that should not")
if [who for _, who, _ in report.wrong_rows(base)] != ["onednn", "atrous"]:
    fail(f"wrong rows: {report.wrong_rows(base)}")
text = report.markdown(base)
for piece in ("no such thing", "2.00 (2)", "differs from the interpreter by 0.5", "median 20.0 ms"):
    if piece not in text:
        fail(f"the report lacks '{piece}':\n{text}")
