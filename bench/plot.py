"""The picture of a report: one lane a family, one dot a row and peer at its ratio, a bar at the peer's geometric mean; SVG,
plain text.

In: (family, peer, ratio), the peers' titles, what was measured. Out: an SVG. The axis is logarithmic; right of 1 Atrous is
faster. """

import math

LANE, LEFT, WIDTH, TOP = 15, 110, 640, 56
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")  # readable by those who see colors differently (Okabe and Ito)


def position(ratio, low, high):
    value = min(max(ratio, low), high)
    return LEFT + WIDTH * math.log(value / low) / math.log(high / low)


def ticks(low, high):
    out, value = [], low
    while value <= high * 1.001:
        out.append(value)
        value *= 2
    return out


def text(x, y, words, anchor="start", color="#333"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{words}</text>'


def draw(dots, peers, what):
    families = sorted({family for family, _, _ in dots})
    values = [ratio for _, _, ratio in dots] or [1.0]
    low = 2.0 ** min(-1, max(-4, math.floor(math.log2(min(values)))))
    high = 2.0 ** max(1, min(8, math.ceil(math.log2(max(values)))))
    names = [name for name in peers if any(peer == name for _, peer, _ in dots)]
    block = LANE * max(1, len(names)) + 6
    height = TOP + block * len(families) + 30
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}" height="{height}"',
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{LEFT + WIDTH + 60}" height="{height}" fill="white"/>',
        text(LEFT, 16, f"{what}: time of the peer / time of Atrous, a dot a row, a bar at the geometric mean"),
    ]
    for i, name in enumerate(names):
        out.append(text(LEFT + 120 * i, 34, peers[name], color=COLORS[i % len(COLORS)]))
    for value in ticks(low, high):
        x, strong = position(value, low, high), abs(value - 1) < 1e-9
        out.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - 24}" stroke="{"#333" if strong else "#ddd"}"/>'
        )
        out.append(text(x, height - 10, f"{value:g}", "middle"))
    for f, family in enumerate(families):
        top = TOP + block * f
        out.append(text(LEFT - 8, top + block / 2, family, "end"))
        for i, name in enumerate(names):
            ratios = [ratio for g, peer, ratio in dots if g == family and peer == name]
            y, color = top + LANE * (i + 0.5), COLORS[i % len(COLORS)]
            out += [
                f'<circle cx="{position(r, low, high):.1f}" cy="{y:.1f}" r="3" fill="{color}" fill-opacity="0.45"/>'
                for r in ratios
            ]
            if ratios:
                mean = position(math.exp(sum(map(math.log, ratios)) / len(ratios)), low, high)
                out.append(f'<rect x="{mean - 1.5:.1f}" y="{y - 6:.1f}" width="3" height="12" fill="{color}"/>')
                out.append(
                    text(LEFT + WIDTH + 6, y + 4, f"{math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}", color=color)
                )
    return "\n".join(out + ["</svg>"]) + "\n"
