"""What was measured, as text, JSON and a picture; and the comparison of two such JSON files.

In: the data that bench.py collects (rows, first calls, who was there). Out: bench.md, bench.json and bench.svg in a folder,
and a summary for the terminal. A ratio is the peer's least time over Atrous's in the same interleaved run: above 1 Atrous is
faster. A row counts for a peer only if both computed it and Atrous's result agreed with the interpreter's and the peer's with
Atrous's."""

import json
import math
import os

from plot import draw

SLOWER = 1.05  # what --compare reports, beyond the spread
COMPILE_MEDIAN_MS, COMPILE_P99_MS, SCRATCH_BYTES = 30, 120, 2 << 20  # targets


def geomean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values))


def quantile(values, q):
    """The least value that at least a part q of all does not exceed."""
    values = sorted(values)
    return values[max(0, math.ceil(q * len(values)) - 1)]


def label(row):
    text = row["id"]
    text += "" if row["layout"] == "nhwc" else f" {row['layout']}"
    text += f" {row['threads']} threads" if row["threads"] > 1 else ""
    return text + (f" {row['cpu']}" if row["cpu"] else "")


def ours(row):
    return row["contenders"].get("atrous", {})


def is_right(row):
    """Whether Atrous computed it and agreed with the interpreter."""
    return bool(row.get("check", {}).get("same") and ours(row).get("min_ns"))


def ratio(row, peer):
    """(ratio of minima, least and largest ratio of one round), or None where the row does not count."""
    a, b = ours(row), row["contenders"].get(peer, {})
    if not is_right(row) or not b.get("min_ns") or not b.get("same"):
        return None
    single = [y / x for x, y in zip(a["rounds"], b["rounds"])]
    return b["min_ns"] / a["min_ns"], min(single), max(single)


def share(row):
    """Of the FMA peak, counted operations."""
    return row["flops"] / ours(row)["min_ns"] / row["peak"]["gflops"]


def wrong_rows(data):
    """Rows where Atrous failed or disagrees with the interpreter, and those where a peer disagrees with Atrous, with the
    reason."""
    out = []
    for row in data["rows"]:
        a = ours(row)
        if not a.get("min_ns"):
            out.append((label(row), "atrous", a.get("refused") or a.get("failed") or "not measured"))
        elif not is_right(row):
            out.append(
                (
                    label(row),
                    "atrous",
                    row["check"].get("reason", f"differs from the interpreter by {row['check']['largest']:.3g}"),
                )
            )
        for peer, b in row["contenders"].items():
            if b.get("min_ns") and is_right(row) and peer != "atrous" and not b.get("same"):
                out.append((label(row), peer, "its result differs from Atrous's; the row does not count"))
    return out


# ---- tables


def table(head, lines):
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(out + ["| " + " | ".join(line) + " |" for line in lines])


def groups(rows):
    """Rows by (dtype, layout, threads), those about layouts with the others; f32 first."""
    out = {}
    for row in rows:
        layout = row["layout"] if row["layout"] != "asis" else "nhwc"
        out.setdefault((row["dtype"] != "f32", row["dtype"], layout, row["threads"]), []).append(row)
    return [(key[1:], out[key]) for key in sorted(out)]


def family_table(rows, peers, titles):
    names = sorted({row["family"] for row in rows})
    lines = []
    for family in names + ["all"]:
        part = [row for row in rows if family in (row["family"], "all")]
        line = [family, str(len(part))]
        good = [row for row in part if is_right(row)]
        line.append(f"{geomean([share(row) for row in good]):.2f}" if good else "")
        for peer in peers:
            ratios = [r[0] for r in (ratio(row, peer) for row in part) if r]
            behind = sum(r < 1 for r in ratios)
            text = f"{geomean(ratios):.2f}" if ratios else ""
            text += f" ({len(ratios)})" if ratios and len(ratios) < len(part) else ""
            line.append(text + (f", {behind} below 1" if behind else ""))
        lines.append(line)
    return table(["family", "rows", "share of peak"] + [titles[p] for p in peers], lines)


def worst_rows(rows, peers, titles, count=10):
    every = [(ratio(row, peer), row, peer) for row in rows for peer in peers if ratio(row, peer)]
    every.sort(key=lambda item: item[0][0])
    lines = []
    for (value, low, high), row, peer in every[:count]:
        b = row["contenders"][peer]
        lines.append(
            [
                label(row),
                row["dtype"],
                row["family"],
                titles[peer],
                f"{value:.2f} ({low:.2f} to {high:.2f})",
                f"{ours(row)['min_ns'] / 1e6:.4g}",
                f"{b['min_ns'] / 1e6:.4g}",
                f"{share(row):.2f}",
                str(b.get("implementation", "")),
            ]
        )
    return table(["row", "dtype", "family", "peer", "ratio", "ms", "its ms", "share of peak", "its implementation"], lines)


def compile_text(rows):
    times = [ours(row)["compile_ns"] / 1e6 for row in rows if "compile_ns" in ours(row)]
    if not times:
        return "Nothing was compiled."
    slowest = max(rows, key=lambda row: ours(row).get("compile_ns", 0))
    scratch = [(ours(row).get("scratch", 0), label(row)) for row in rows]
    large = sorted({item for item in scratch if item[0] > SCRATCH_BYTES}, reverse=True)
    text = (
        f"Compile time over {len(times)} rows: median {quantile(times, 0.5):.1f} ms (target {COMPILE_MEDIAN_MS}), "
        f"99th percentile {quantile(times, 0.99):.1f} ms (target {COMPILE_P99_MS}), "
        f"worst {max(times):.1f} ms ({label(slowest)}).\n"
        f"Scratch beyond packed weights: largest {max(scratch)[0] / 2**20:.2f} MiB ({max(scratch)[1]}), "
        f"{len(large)} rows above the target of {SCRATCH_BYTES >> 20} MiB"
    )
    return text + (": " + ", ".join(f"{name} {size / 2**20:.1f}" for size, name in large[:10]) + ".\n" if large else ".\n")


def first_call_table(data, titles):
    """Cold: a process of its own, one row of each family. Warm: in a process that has made others before, every row."""
    cold = {(c["family"], c["contender"]): c for c in data["cold"]}
    ms = lambda c: f"{(c['create_ns'] + c['first_ns']) / 1e6:.1f}" if "create_ns" in c else "refused"

    def over_all(function):
        return [f"{function(v):.1f}" if v else "" for v in columns]

    columns = [[c["start_ns"] / 1e6 for (_, who), c in cold.items() if who == name and "start_ns" in c] for name in titles]
    lines = [["start of the process, median"] + over_all(lambda v: quantile(v, 0.5))]
    for family in sorted({family for family, _ in cold}):
        lines.append([f"cold, {family}"] + [ms(cold[family, name]) if (family, name) in cold else "" for name in titles])
    made = [
        [row["contenders"][name] for row in data["rows"] if row["contenders"].get(name, {}).get("min_ns")] for name in titles
    ]
    columns = [[(b["create_ns"] + b["first_ns"]) / 1e6 for b in one] for one in made]
    lines.append(["warm, median of all rows"] + over_all(lambda v: quantile(v, 0.5)))
    lines.append(["warm, 99th percentile"] + over_all(lambda v: quantile(v, 0.99)))
    return table(["ms"] + list(titles.values()), lines)


def refusals(data, titles):
    reasons = {}
    for row in data["rows"]:
        for peer, b in row["contenders"].items():
            if "refused" in b or "failed" in b:
                reasons.setdefault((peer, b.get("refused") or b.get("failed")), []).append(label(row))
    lines = [
        [
            titles.get(peer, peer),
            str(len(rows)),
            why.replace("|", "/")[:120],
            ", ".join(rows[:4]) + (", ..." if len(rows) > 4 else ""),
        ]
        for (peer, why), rows in sorted(reasons.items(), key=lambda item: (item[0][0], -len(item[1])))
    ]
    return table(["who", "rows", "why", "which"], lines) if lines else "None."


def every_row(rows, peers, titles):
    lines = []
    for row in rows:
        a = ours(row)
        line = [label(row), row["dtype"], row["family"]]
        line += [f"{a['min_ns'] / 1e6:.4g}", f"{share(row):.2f}"] if a.get("min_ns") else ["", ""]
        for peer in peers:
            r = ratio(row, peer)
            line.append(f"{r[0]:.2f}" if r else "")
        lines.append(line)
    return table(["row", "dtype", "family", "ms", "share of peak"] + [titles[p] for p in peers], lines)


METHOD = """Written by `./dev bench` (bench/bench.py). Each contender is a process of its own, all pinned to the same cores,
taking turns, all others stopped meanwhile. A ratio is the peer's least time over Atrous's: above 1 Atrous is faster. In brackets: how
many rows count, where it is not all, because a peer refuses a row or computes something else; such a row counts for nobody.
Weights are packed once, outside the timing, by everyone who can; inputs and outputs lie plainly in the row's layout (ONNX
Runtime and OpenVINO, which know NCHW only, get theirs so). GFLOP/s count every tap, those in padding too, so skipping these
can show as more than the FMA peak, which was measured beside each row. Atrous's results were compared with its interpreter,
all peers' with Atrous's."""


def markdown(data):
    titles = data["contenders"]
    peers = [name for name in titles if name != "atrous"]
    rows = data["rows"]
    versions = {
        name: next((b["version"] for b in (row["contenders"].get(name, {}) for row in rows) if b.get("version")), "")
        for name in titles
    }
    peaks = {(row["peak"]["dtype"], row["threads"]): row["peak"] for row in rows if "peak" in row}
    parts = ["# Speed", METHOD]
    parts.append(
        f"{data['machine']}, {len(data['cores'])} cores, {data['date']}"
        + (f", compiled for {data['cpu']}" if data["cpu"] else "")
        + ". "
        + ", ".join(f"{titles[n]} {versions[n]}" for n in titles)
        + ". FMA peak: "
        + ", ".join(
            f"{p['gflops']:.1f} GFLOP/s ({k[0]}, {k[1]} thread{'s' if k[1] > 1 else ''}, {p['bits']} bits)"
            for k, p in sorted(peaks.items())
        )
        + "."
    )
    if data["load"] > 0.5:
        parts.append(f"The machine was not idle: the load average was {data['load']} at the start.")
    if data["missing"]:
        parts.append("Not there: " + "; ".join(data["missing"].values()) + ".")
    wrong = wrong_rows(data)
    if wrong:
        parts.append("## Wrong or failed\n\n" + "\n".join(f"- {name} ({who}): {why}" for name, who, why in wrong))
    parts.append("![Ratios by family](bench.svg)")
    for (dtype, layout, threads), part in groups(rows):
        parts.append(
            f"## {dtype}, {layout.upper()}, {threads} thread{'s' if threads > 1 else ''}\n\n{family_table(part, peers, titles)}"
        )
    parts.append("## Worst rows\n\n" + worst_rows(rows, peers, titles))
    parts.append("## Compile time and scratch\n\n" + compile_text(rows))
    parts.append(
        "## First calls\n\nMilliseconds to make the problem and run it once. Cold: in a new process, whose start is extra. "
        "Warm: in a process that has made other problems.\n\n" + first_call_table(data, titles)
    )
    parts.append("## Refusals\n\n" + refusals(data, titles))
    parts.append("## Every row\n\n" + every_row(rows, peers, titles))
    return "\n\n".join(parts) + "\n"


def summary(data):
    """What a terminal gets."""
    titles = data["contenders"]
    peers = [name for name in titles if name != "atrous"]
    parts = [
        f"{dtype}, {layout}, {threads} threads\n{family_table(part, peers, titles)}\n"
        for (dtype, layout, threads), part in groups(data["rows"])
    ]
    parts += ["worst rows\n" + worst_rows(data["rows"], peers, titles) + "\n", compile_text(data["rows"])]
    parts += [f"missing: {why}" for why in data["missing"].values()]
    parts += [f"WRONG: {name} ({who}): {why}" for name, who, why in wrong_rows(data)]
    return "\n".join(parts)


def write(data, folder):
    os.makedirs(folder, exist_ok=True)
    peers = {name: title for name, title in data["contenders"].items() if name != "atrous"}
    (dtype, layout, threads), rows = groups(data["rows"])[0]  # f32 on one thread, if that was measured
    what = f"{dtype}, {layout.upper()}, {threads} thread{'s' if threads > 1 else ''}"
    dots = [(row["family"], peer, ratio(row, peer)[0]) for row in rows for peer in peers if ratio(row, peer)]
    for name, text in (("bench.md", markdown(data)), ("bench.json", json_text(data)), ("bench.svg", draw(dots, peers, what))):
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
    return summary(data) + f"\nreport: {os.path.join(os.path.relpath(folder), 'bench.md')}"


def json_text(data):
    """One row a line, so that differences can be read."""
    head = {key: value for key, value in data.items() if key not in ("rows", "cold")}
    lists = [f'"{key}": [\n' + ",\n".join(json.dumps(item) for item in data[key]) + "\n]" for key in ("rows", "cold")]
    return json.dumps(head)[:-1] + ",\n" + ",\n".join(lists) + "}\n"


# ---- comparison of two reports


def spread(contender):
    """How far the least time is from being met again: the second best round's, relative."""
    rounds = sorted(contender["rounds"])
    return rounds[1] / rounds[0] - 1 if len(rounds) > 1 else 0.0


def compare(old, new):
    """Text, and the rows whose time grew by more than 5 % beyond the spread of both. A row counts as slower only if it is so
    both in time and in its share of the peak, so that neither another clock nor a disturbed measurement of the peak shows as
    a change."""
    key = lambda row: (row["id"], row["layout"], row["dtype"], row["threads"], row["cpu"])
    before = {key(row): row for row in old["rows"] if ours(row).get("min_ns")}
    slower, faster, lost, common = [], [], [], 0
    for row in new["rows"]:
        was = before.pop(key(row), None)
        if was is None:
            continue
        if not is_right(row):
            lost.append(label(row))
            continue
        common += 1
        times = ours(row)["min_ns"] / ours(was)["min_ns"]
        in_cycles = times * row["peak"]["gflops"] / was["peak"]["gflops"]
        noise = spread(ours(row)) + spread(ours(was))
        change = f"{ours(was)['min_ns'] / 1e6:.4g} ms -> {ours(row)['min_ns'] / 1e6:.4g} ms, {times:.3f} times"
        line = f"{label(row)} {row['dtype']}: {change}"
        if min(times, in_cycles) > SLOWER + noise:
            slower.append((times, line))
        elif max(times, in_cycles) < 1 / (SLOWER + noise):
            faster.append((times, line))
    out = [f"slower: {line}" for _, line in sorted(slower, reverse=True)] + [f"faster: {line}" for _, line in sorted(faster)]
    out += [f"lost: {name}" for name in lost]
    out.append(f"{common} rows compared, {len(slower)} slower, {len(faster)} faster, {len(lost)} lost")
    return "\n".join(out), bool(slower or lost)
