# SPDX-License-Identifier: Apache-2.0
"""Random log lines for the random comparison: realistic ones and nasty ones, as bytes."""

from __future__ import annotations

import json

WORDS = ["error", "warn", "INFO", "debug", "GET", "POST", "/api/v1", "user", "timeout", "ok", "42",
         "3.14", "-7", "0x1F", "1e3", "true", "null", "10.0.0.1", "2001:db8::1", "a=b", "k: v",
         "grüße", "日本語", "Ünï", "ß", "İ", "ǅ", "\u2028", "\u00a0", "😀", "e\u0301", "<b>&\"'", "{}", "%d",
         "$1", "\\", "\t", "  ", "1h30m", "200ms", "12KB", "[x]", "(y)", "a.b", "x-y", "x_y", "Z"]
FIELDS = ["level", "msg", "ts", "app", "status", "user", "ip", "nested", "list", "flag", "num",
          "stream", "output", "content", "a", "b"]
TIMES = ["2024-03-05T10:00:00Z", "2024-03-05T10:00:00.123456789+02:00", "2024-03-05 10:00:00",
         "2024-03-05 10:00:00,123", "05/Mar/2024:10:00:00 +0100", "Mar  5 10:00:00", "Dec 31 23:59:59",
         "Tue, 05 Mar 2024 10:00:00 MST", "Tue Mar  5 10:00:00 2024", "1709632800", "1709632800.25",
         "1709632800123", "1709632800123456", "1709632800123456789", "05 Mar 24 10:00 CET",
         "2024-03-31T02:30:00", "2024-10-27 02:30:00", "2024/03/05 3:04:05 PM", "20240305T100000",
         "2024-065 10:00", "Tuesday, 05-Mar-24 10:00:00 UTC", "2024-02-30T00:00:00Z",
         "2024-03-05T24:00:00Z", "1969-12-31T23:59:59Z", "2024-03-05t10:00:00z", "2024-03-05T10:00:00.5"]
NUMBERS = ["0", "-0", "1", "-1", "1.5", "1e3", "1E-7", "1e21", "123456789012345678", "9007199254740993",
           "0.1", "1e400", "-1e-400", "1.0", "00", "01", "1.", ".5", "+1", "1e", "0x10", "NaN",
           "100000000000000000000", "12345678.9", "0.000001", "0.0000001"]


def word(rng) -> str:
    return rng.choice(WORDS)


def text(rng, most: int = 5) -> str:
    return " ".join(word(rng) for _ in range(rng.randint(0, most)))


def time_text(rng) -> str:
    """A time in some layout, sometimes damaged."""
    made = rng.choice(TIMES)
    if rng.random() < 0.2 and made:
        at = rng.randrange(len(made))
        made = made[:at] + rng.choice(["", " ", "0", "9", ".", "Z", "+01:00"]) + made[at + rng.randint(0, 1):]
    return made


def _string(rng) -> str:
    found = rng.random()
    if found < 0.6:
        return json.dumps(word(rng), ensure_ascii=rng.random() < 0.5)
    if found < 0.75:
        return json.dumps(time_text(rng))
    if found < 0.85:
        return json.dumps(text(rng))
    return rng.choice(['"\\u00e9"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\ud800x"', '"a\\/b"', '"\\u0000"', '"tab\there"',
                       '"\\x41"', '"line\\nbreak"', '"a\\r\\nb: c\\r\\nkey two: v"', '"\\"q\\""', '"\\u003c"', '""',
                       '"L1: x\\r\\nL2:  y \\r\\n9z: w\\r\\n: none\\r\\nno colon"'])


def json_value(rng, depth: int = 0) -> str:
    found = rng.random()
    if found < 0.45:
        return _string(rng)
    if found < 0.65:
        return rng.choice(NUMBERS[:14] if rng.random() < 0.9 else NUMBERS)
    if found < 0.8 or depth > 2:
        return rng.choice(["true", "false", "null"])
    if found < 0.9:
        return "[" + ",".join(json_value(rng, depth + 1) for _ in range(rng.randint(0, 4))) + "]"
    return json_object(rng, depth + 1)


def json_object(rng, depth: int = 0) -> str:
    space = rng.choice(["", "", " ", "\t"])
    pairs = []
    # Objects within have one key: in Promtail their order is random.
    for _ in range(rng.randint(0, 1) if depth else rng.randint(1, 7)):
        name = rng.choice(FIELDS) if rng.random() < 0.9 else rng.choice(["", "a.b", "x y", "Level", "é", "\\u0061"])
        pairs.append(f'"{name}"{space}:{space}{json_value(rng, depth)}')
    return "{" + f",{space}".join(pairs) + "}"


def json_line(rng) -> bytes:
    made = json_object(rng)
    found = rng.random()
    if found < 0.04:
        made = made[:rng.randint(0, len(made))]
    elif found < 0.08:
        made += rng.choice([" ", "\r", "x", "{}", ",", "\t ", "\x00", " null"])
    elif found < 0.1:
        made = rng.choice(["null", "[]", '"x"', "1", "true", " {}", "\ufeff{}", "{,}", '{"a":1,}', "{'a':1}", "{a:1}",
                           '{"a":/**/1}'])
    return made.encode("utf-8", "surrogatepass")


def logfmt_line(rng) -> bytes:
    parts = []
    for _ in range(rng.randint(1, 8)):
        name = rng.choice(FIELDS) if rng.random() < 0.9 else rng.choice(["é", "a.b", "x-y", "9", "k\x01"])
        value = rng.choice([word(rng).replace(" ", ""), f'"{word(rng)}"', json.dumps(text(rng)), time_text(rng), "", '"',
                            '"\\x"', "a=b", 'x"y', '"\\u00e9"', "null", "1.5", '"" ', "'q'"]) if rng.random() < 0.5 \
            else rng.choice(["info", "error", "42", '"two words"', "10.0.0.1", "true"])
        parts.append(rng.choice([f"{name}={value}", f"{name}={value}", f"{name}={value}", name, f"{name}=",
                                 f"{name} = {value}"]))
    return rng.choice([" ", " ", " ", "  ", "\t"]).join(parts).encode()


def cri_line(rng, inner) -> bytes:
    stamp = rng.choice(["2024-03-05T10:00:00.123456789Z", "2024-03-05T11:00:00+01:00"]) if rng.random() < 0.95 \
        else time_text(rng)
    head = f"{stamp} {rng.choice(['stdout', 'stderr'])} {rng.choice(['F'] * 7 + ['P', 'P', 'P:x', 'f'])} "
    if rng.random() < 0.03:
        head = rng.choice([head.replace(" ", "  ", 1), head.strip(), head.lower(), "x " + head])
    return head.encode() + inner(rng)


def docker_line(rng, inner) -> bytes:
    row = {"log": inner(rng).decode("utf-8", "replace") + rng.choice(["\n", "\n", ""]),
           "stream": rng.choice(["stdout", "stderr"]), "time": rng.choice(TIMES[:2]), "attrs": {"tag": "x"}}
    for name in list(row):
        if rng.random() < 0.04:
            del row[name]
    return json.dumps(row, ensure_ascii=rng.random() < 0.5).encode()


def access_line(rng) -> bytes:
    return (f'{rng.choice(["10.0.0.1", "::1", "8.8.8.8"])} - {rng.choice(["-", "bob"])} [{time_text(rng)}] '
            f'"{rng.choice(["GET", "POST"])} /{word(rng)} HTTP/1.1" {rng.choice([200, 404, 500])} '
            f'{rng.randint(0, 10**6)} "{text(rng, 2)}"').encode()


def trace_line(rng) -> bytes:
    return rng.choice([f"{time_text(rng)} {rng.choice(['ERROR', 'INFO'])} {text(rng)}", f"  at {word(rng)}(x.java:1)",
                       "Caused by: " + text(rng), "", "\tat x", f"[{time_text(rng)}] begin {word(rng)}"]).encode()


def nasty_line(rng) -> bytes:
    return rng.choice([
        b"", b"", b" ", b"\r", b"crlf\r", b"\x00nul\x00", b"bad \xff\xfe utf8 \xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
        b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[1;2;3m", "\u009b31mcsi".encode(), b"\x1b[?25l\x1b(B", b"\x1b",
        b"y" * rng.choice([255, 4096, 20000]), b"level=info " * 2000, b"\xef\xbb\xbfbom", b"{" * 500,
        b"\x01\x02\x7f\x80", "\u2028\u2029\u0085".encode(), b"'\"`\\n", b"%s%d%!", b"{{ .x }}", b"${HOME} $$"])


KINDS = {"json": json_line, "logfmt": logfmt_line, "access": access_line, "trace": trace_line,
         "text": lambda rng: text(rng, 8).encode(), "time": lambda rng: time_text(rng).encode()}


def lines(rng, kind: str, loghub: list) -> list:
    """A file's lines of one kind with some others among them."""
    made = []
    inner = KINDS[rng.choice(["json", "logfmt", "text", "trace"])]
    for _ in range(rng.choice([3, 10, 25, 40])):
        found = rng.random()
        if found < 0.08:
            made.append(nasty_line(rng))
        elif found < 0.14 and loghub:
            made.append(rng.choice(loghub))
        elif found < 0.2:
            made.append(KINDS[rng.choice(list(KINDS))](rng))
        elif kind in ("cri", "docker"):
            made.append((cri_line if kind == "cri" else docker_line)(rng, inner))
        else:
            made.append(KINDS[kind](rng))
    return [line.replace(b"\n", b" ") for line in made]
