# SPDX-License-Identifier: Apache-2.0
"""Random pipelines and relabelling for the random comparison.

Values are Python's, except Plain: a scalar spelled in the file as it stands, without
quotes. Most options are legal; `spoil` damages some of them afterwards.
"""

from __future__ import annotations

import random_inputs as inputs
import random_templates as templates

NAMES = [*inputs.FIELDS, "timestamp", "time", "message", "case", "filename", "keep_me", "geo"]
REGEX_PARTS = [
    r"\w+", r"\d+", r"\S+", r".*", r".*?", r"[a-z]+", r"[^ ]*", r"[[:alpha:]]+", r"\pL+", r"(?i:error|warn)", r"\d{1,3}",
    r"(?:a|b)?", r"[\x00-\x20]", r"\x{65E5}", r"\Q.\E", r"\b", r"\s+", r"[^\x00-\x7F]+", r"(\d+)", r"(x)?", r"e{2,}?",
    r"[\w.-]+", r"$", r"^", r"\.", r"=", r'"', r"\p{Greek}*", r"[[:^digit:]]", r"\D", r"(?s:.)", r"|", r"\A", r"\z", r"",
    r"\t", r"(?m)^", r"(?U)a+", r"[é日]", r"(?P<{n}>\w+)", r"(?P<{n}>\d+)", r"(?P<{n}>.*)", r"(?P<{n}>[^ ]*)",
    r"(?P<{n}>(?P<{m}>\w)\w*)", r"(?P<{n}>x)?", r"(?<{n}>\w+)"]
BAD_REGEXES = [r"(", r"(?=x)", r"\1", r"a{1001}", r"**", r"(?P<1a>x)", r"(?P<n", r"[z-a]", r"\pZz", r"x{2}{3}", r"\C", r"(?<!a)b",
               r"(?P<é>x)", r"a**", r"\Z", r"(?i", r"[[:nope:]]", r"\8", "\\", r"a{,2}", r"(?P<>x)", r"(?-P)x", r"\Qab",
               r"(?P<n>a)(?P<n>b)", r"x{0}", r"(a{999}){2}", r"[a", r"a)", r"\x{110000}", r"(?x)a b", r"\h", r"\R", r"(|a)*", r"()"]
# Not Unix, UnixMs, UnixUs: a time after the year 9999 takes all of Promtail's batch with it.
LAYOUTS = ["RFC3339", "RFC3339Nano", "UnixNs", "ANSIC", "UnixDate", "RubyDate", "RFC822",
           "RFC822Z", "RFC850", "RFC1123", "RFC1123Z", "2006-01-02 15:04:05", "2006-01-02 15:04:05,000",
           "02/Jan/2006:15:04:05 -0700", "Jan _2 15:04:05", "Jan 2 15:04:05", "Mon, 02 Jan 2006 15:04:05 MST",
           "2006-01-02T15:04:05", "2006/01/02 3:04:05 PM", "20060102T150405", "2006-002 15:04", "2006-01-02T15:04:05.999999999Z07:00",
           "2006-01-02T15:04:05Z0700", "06-1-2 3:4:5pm", "2006-01-02T15:04:05.000Z", "15:04", "2006", "rfc3339", "x2006", "Monday, 02-Jan-06 15:04:05 MST",
           "2006-01-02T15:04:05-07", "2006-01-02", "Jan", "__2 2006", "2006-01-02 15:04:05.999 -07:00:00", "Unixms", "2006-01-02T15:04:05Z07:00"]
LOCATIONS = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Local", "", "Etc/GMT+3", "CET", "EST5EDT",
             "America/Sao_Paulo", "Africa/Casablanca", "Asia/Tehran", "US/Pacific", "Pacific/Apia", "UTC", "Europe/London"]
BAD_LOCATIONS = ["europe/berlin", "Nowhere/City", "../UTC", "/etc/passwd", "UTC+1", "posix/UTC"]
# Nothing that shows the order of an object's keys: it is random in Promtail.
EXPRESSIONS = ["{n}", "nested", "nested.{n}", "list[0]", "list[-1]", "list[*].{n}", "list[?{n}=='x']", "list | [0]", "[{n}, {m}]",
               "{{x: [{n}, {m}]}}", "length({n})", "to_string({n})", "to_number({n})", "sort(keys(@))", "join(',', list)", "sort(list)",
               "{n} || {m}", "{n} && {m}", "!{n}", "`1`", "'raw'", "type(@)", "type({n})", "not_null({n}, {m})", "max(list)", "sum(list)", "type(@)",
               "list[1:3]", "list[::-1]", "contains({n}, 'e')", "starts_with({n}, 'e')", "reverse({n})", "list[]", "nested.*",
               '"a.b"', "abs({n})", "ceil({n})", "floor({n})", "avg(list)", "{n} == {m}", "{n} > `1`", "map(&{n}, list)", "values(nested)",
               "sort_by(list, &{n})", "max_by(list, &{n})", "to_array({n})", '"\\u00e9"', "`{{\"a\": 1.50}}`", "`[1,2.0,1e3]`",
               "ends_with({n}, 'r')", "length(list)", "[list[0], {n}]", "nested.*.{n}", "list[?@ > `1`]", "list[?type(@)=='string']", "`\"lit\"`", "'it\\'s'"]
BAD_EXPRESSIONS = ["[", "a.", "nofunc(a)", "a[", "`{`", "'open", '"open', "length()", "a b", "a[?b", "&a", "1", "a-b", "é", "a[1", "..", "|", "length(a, b)", "@.", "a[::0]", "$", "a.b.", "foo(bar", "`01`"]
SELECTOR_OPS = ["=", "!=", "=~", "!~"]
BAD_SELECTORS = ["{}", "{a=}", "{a='b'}", "{a=`b`}", '{a="b",}', '{a="b"', 'a="b"', '{a=="b"}', '{"a"="b"}', '{a.b="c"}', '{a="b"} |', '{a="b"} |= x',
                 '{a="b"} | json', '{a="b"} |= "x" or "y"', '{a=~"("}', '{a="b"} |~ "("', '{a="b"} # c', '{a="\\q"}', '{é="b"}', '{a="b"} // c', '{a="b"} /* c */ |= "x"',
                 '{a="b" b="c"}', '{1a="b"}', '{a="b"}}', '', '{a="b"} != 1', '{a="b"} |> "x"', '{a=~"x*"}', '{a=~".*"}', '{ a = "b" , case =~ ".+" }', '{a!="b"}']
SCALARS = ["1", "0", "-1", "1.5", "true", "yes", "n", "null", "~", "1e3", "0x10", "10s", "1_000", "''", "' '", "abc", "2024-01-01", "[]", "{}", "[a]", "{a: b}", "0o7", "017", ".5", "1.0", '"1"', '"true"', "Off", ".inf", "!!str 5", "1:30"]


class Plain(str):
    """A scalar or a small node that stands in the file without quotes."""


def name(rng) -> str:
    return rng.choice(NAMES)


def regex(rng) -> str:
    if rng.random() < 0.02:
        return rng.choice(BAD_REGEXES)
    made = "".join(rng.choice(REGEX_PARTS) + rng.choice(["", "", " ", ".*", ":?"]) for _ in range(rng.randint(1, 5)))
    for key in ("{n}", "{m}"):
        while key in made:
            made = made.replace(key, name(rng), 1)
    return rng.choice(["", "", "", "^", "(?i)", "(?s)"]) + made


def expression(rng):
    found = rng.random()
    if found < 0.35:
        return Plain("") if rng.random() < 0.7 else ""
    if found < 0.36:
        return rng.choice(BAD_EXPRESSIONS)
    return rng.choice(EXPRESSIONS).format(n=rng.choice(inputs.FIELDS), m=rng.choice(inputs.FIELDS))


def selector(rng) -> str:
    if rng.random() < 0.03:
        return rng.choice(BAD_SELECTORS)
    if rng.random() < 0.4:
        made = '{case=~".+"}'
    else:
        pairs = [rng.choice(["case", "level", "app", "stream", "job", "kind", "nothere", "status"]) + rng.choice(SELECTOR_OPS)
                 + rng.choice(['"info"', '"error|warn"', '"json"', '".*"', '".+"', '""', '"cri"', '"x"', '"200|4.."', '"stdout"', '"(?i)ERR.*"', '"s.*"'])
                 for _ in range(rng.randint(1, 3))]
        made = "{" + rng.choice([", ", ",", " , "]).join(pairs) + "}"
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        made += " " + rng.choice(["|=", "!=", "|~", "!~"]) + rng.choice([" ", ""]) + rng.choice(
            ['"error"', '"level"', '"(?i)warn"', '"\\\\d+"', '"\\""', '"é"', '"\\u00e9"', '""', '"."', '"at .*"', '"[a-z]+$"', '"\\t"', '"\\xff"'])
    return made


def mapping_of(rng, value, most: int = 4, names=None) -> dict:
    return {(names or name)(rng): value(rng) for _ in range(rng.randint(1, most))}


def same_or(rng, other):
    return Plain("") if rng.random() < 0.5 else other


def optional(rng, made: dict, key: str, chance: float, value) -> None:
    if rng.random() < chance:
        made[key] = value(rng)


def label_name(rng) -> str:
    found = [n for n in NAMES if n not in ("case", "filename")]
    return rng.choice(found) if rng.random() < 0.99 else rng.choice(["a-b", "9x", "a.b", "é", "__x", "", "__tenant_id__", "A:b"])


def s_json(rng, deep):
    made = {"expressions": mapping_of(rng, expression)}
    optional(rng, made, "source", 0.25, name)
    optional(rng, made, "drop_malformed", 0.15, lambda r: r.random() < 0.5)
    return made


def s_logfmt(rng, deep):
    # Of two names for one key Promtail takes either.
    made = {"mapping": {n: Plain("") for n in rng.sample(inputs.FIELDS[:8], rng.randint(1, 3))}
            | {f"as_{k}": k for k in rng.sample(inputs.FIELDS[8:], rng.randint(0, 2))}}
    optional(rng, made, "source", 0.25, name)
    return made


def s_regex(rng, deep):
    made = {"expression": regex(rng)}
    optional(rng, made, "source", 0.3, name)
    return made


def s_replace(rng, deep):
    made = {"expression": regex(rng) if rng.random() < 0.6 else rng.choice([r"(\w+)", r"(\d+)", r"(?P<a>e)(r)?", "(x|y)(z)?", "()", "((a)b)", r"level=(\w+)", "(?P<level>\\w+)"])}
    optional(rng, made, "replace", 0.9, lambda r: r.choice(["", "X", "*", "{{ .Value }}", "{{ .Value | ToUpper }}", "<{{ .Value | len }}>", "{{ .level }}",
                                                          "{{ if eq .Value \"e\" }}E{{ else }}-{{ end }}", "{{ .bad | ToUpper }}", "{{", "$1", "{{ .Value | Hash \"s\" }}"])
             if r.random() < 0.7 else templates.template(r))
    optional(rng, made, "source", 0.3, name)
    return made


def s_template(rng, deep):
    return {"source": name(rng), "template": templates.template(rng)}


def s_timestamp(rng, deep):
    made = {"source": rng.choice(["ts", "time", "timestamp", "a", "msg", "num"]), "format": rng.choice(LAYOUTS)}
    optional(rng, made, "fallback_formats", 0.5, lambda r: [r.choice(LAYOUTS) for _ in range(r.randint(1, 5))])
    optional(rng, made, "location", 0.4, lambda r: r.choice(LOCATIONS if r.random() < 0.95 else BAD_LOCATIONS))
    optional(rng, made, "action_on_failure", 0.4, lambda r: r.choice(["fudge", "skip", "skip"]))
    return made


def s_output(rng, deep):
    return {"source": name(rng)}


def s_labels(rng, deep):
    return mapping_of(rng, lambda r: same_or(r, name(r)), 4, label_name)


def s_labeldrop(rng, deep):
    return [n for n in {label_name(rng) for _ in range(3)}]


def s_labelallow(rng, deep):
    return ["case", "filename", *{label_name(rng) for _ in range(3)}]


def s_static(rng, deep):
    return mapping_of(rng, lambda r: r.choice(["x", "", "1", "é", "a b", "info", Plain("null"), '"q"\\', "\t\n"]), 3, label_name)


def s_match(rng, deep):
    made = {"selector": selector(rng)}
    if rng.random() < 0.2:
        made["action"] = "drop"
        optional(rng, made, "drop_counter_reason", 0.5, lambda r: "because")
    else:
        made["stages"] = pipeline(rng, deep + 1)
        optional(rng, made, "action", 0.2, lambda r: r.choice(["keep", "", "keep"]))
    optional(rng, made, "pipeline_name", 0.1, lambda r: "p")
    return made


def s_drop(rng, deep):
    made = {}
    optional(rng, made, "source", 0.6, lambda r: name(r) if r.random() < 0.6 else [name(r) for _ in range(r.randint(1, 3))])
    if not made or rng.random() < 0.6:
        if "source" in made and rng.random() < 0.5:
            made["value"] = rng.choice(["info", "error", "", "info;error", "42"])
        else:
            made["expression"] = rng.choice([r"debug", r"^\s*$", r"\d{5}", "(?i)warn", ";", "^$", "^info$", "x", "[", "."])
    optional(rng, made, "separator", 0.2, lambda r: r.choice(["", ",", ";", "--"]))
    optional(rng, made, "longer_than", 0.2, lambda r: r.choice(["8kb", "100", "1KB", Plain("64"), "10b", "5 kb"] * 3 + ["1.5kb", "-1", "x"]))
    optional(rng, made, "older_than", 0.2, lambda r: r.choice(["24h", "1h30m", "100000h", "24h", "-1h", "24000h", "300ms"]))
    optional(rng, made, "drop_counter_reason", 0.2, lambda r: r.choice(["r", ""]))
    return made


def s_limit(rng, deep):
    made = {"rate": Plain("0.0001"), "burst": Plain(str(rng.choice([1, 3, 10]))), "drop": Plain(rng.choice(["true", '"true"', "1", "true"]))}
    optional(rng, made, "by_label_name", 0.4, lambda r: r.choice(["level", "stream", "case", "nothere"]))
    optional(rng, made, "max_distinct_labels", 0.2, lambda r: Plain("10"))
    return made


def s_sampling(rng, deep):
    return {"rate": Plain(rng.choice(["1", "0", "1.0", '"1"', "0.0", "true"]))}


def s_multiline(rng, deep):
    made = {"firstline": rng.choice([r"^\d{4}", r"^\S", r"^\[", "ERROR", r"^\{", "x", "", ".", "(?i)level", "^$"])}
    made["max_wait_time"] = rng.choice(["60s", "1m"])
    optional(rng, made, "max_lines", 0.5, lambda r: Plain(r.choice(["0", "1", "2", "3", '"5"', "128", "-1", "2.9"])))
    return made


def s_pack(rng, deep):
    made = {"labels": [n for n in {name(rng) for _ in range(3)} if n != "case"]}
    made["ingest_timestamp"] = Plain(rng.choice(["false", "true", '"false"', "0"]))
    return made


def s_tenant(rng, deep):
    return rng.choice([{"value": rng.choice(["t1", "t 2", "é", ""])}, {"source": name(rng)}, {"label": name(rng)}])


def s_sm(rng, deep):
    return mapping_of(rng, lambda r: same_or(r, name(r)), 3, label_name)


def s_metrics(rng, deep):
    kind = rng.choice(["Counter", "Gauge", "Histogram", "counter"])
    config = {"Counter": {"action": rng.choice(["inc", "add", "Inc"])}, "counter": {"action": "inc", "match_all": Plain("true")},
              "Gauge": {"action": rng.choice(["set", "inc", "add"])}, "Histogram": {"buckets": [Plain("1"), Plain("2")]}}[kind]
    made = {"type": kind, "config": config}
    optional(rng, made, "source", 0.6, lambda r: r.choice(["flag", "level", "msg"]))
    optional(rng, made, "description", 0.3, lambda r: "d")
    optional(rng, made, "max_idle_duration", 0.2, lambda r: r.choice(["1m", "1s"]))
    optional(rng, made, "prefix", 0.2, lambda r: r.choice(["p_", ""]))
    return {rng.choice(["m1", "lines_total"]) + str(rng.randrange(10**9)): made}


def s_elm(rng, deep):
    made = {}
    optional(rng, made, "source", 0.7, name)
    optional(rng, made, "drop_invalid_labels", 0.4, lambda r: r.random() < 0.5)
    optional(rng, made, "overwrite_existing", 0.4, lambda r: r.random() < 0.5)
    return made


def s_cri(rng, deep):
    made = {}
    optional(rng, made, "max_partial_line_size", 0.3, lambda r: Plain(r.choice(["5", "40", '"10"', "100.9"])))
    optional(rng, made, "max_partial_line_size_truncate", 0.6 if made else 0, lambda r: Plain(r.choice(["true", "false", '"true"', "1"])))
    optional(rng, made, "max_partial_lines", 0.1, lambda r: Plain(r.choice(["100", "0", '"50"'])))
    return made


STAGES = {"json": (s_json, 8), "logfmt": (s_logfmt, 5), "regex": (s_regex, 8), "replace": (s_replace, 6), "template": (s_template, 10),
          "timestamp": (s_timestamp, 6), "output": (s_output, 4), "labels": (s_labels, 8), "labeldrop": (s_labeldrop, 2),
          "labelallow": (s_labelallow, 2), "static_labels": (s_static, 3), "match": (s_match, 5), "drop": (s_drop, 5), "limit": (s_limit, 2),
          "sampling": (s_sampling, 1), "multiline": (s_multiline, 3), "pack": (s_pack, 2), "tenant": (s_tenant, 2),
          "structured_metadata": (s_sm, 4), "non_indexed_labels": (s_sm, 1), "metrics": (s_metrics, 2), "eventlogmessage": (s_elm, 3),
          "decolorize": (lambda r, d: {}, 2), "docker": (lambda r, d: {}, 2), "cri": (s_cri, 2)}
STARTS = {"json": "json", "logfmt": "logfmt", "cri": "cri", "docker": "docker", "time": "regex", "trace": "multiline"}


def spoil(rng, options):
    """Damages one option: another type, another spelling, missing, doubled."""
    found = rng.random()
    if not isinstance(options, dict) or not options or found < 0.1:
        return Plain(rng.choice(SCALARS))
    key = rng.choice(list(options))
    made = dict(options)
    if found < 0.45:
        made[key] = Plain(rng.choice(SCALARS))
    elif found < 0.6:
        del made[key]
    elif found < 0.75:
        made[rng.choice([key.upper(), key.capitalize(), key + "_", "unknown"])] = made.pop(key)
    elif found < 0.85:
        made[rng.choice(["source", "expression", "value", "stages", "extra"])] = Plain(rng.choice(SCALARS))
    elif found < 0.95 and isinstance(made[key], str):
        made[key] = [made[key]]
    else:
        made[key] = Plain("null")
    return made


def stage(rng, kind: str, deep: int) -> dict:
    options = STAGES[kind][0](rng, deep)
    if rng.random() < 0.02 and kind != "limit":  # one that does not drop would block Promtail for ever
        options = spoil(rng, options)
    return {kind: options}


def pipeline(rng, deep: int, kind: str = "") -> list:
    kinds = list(STAGES)
    weights = [w for _, w in STAGES.values()]
    made = []
    if kind in STARTS and rng.random() < 0.85:
        made.append(stage(rng, STARTS[kind], deep))
    if kind == "time":
        made.append({"regex": {"expression": "^(?P<ts>.*)$"}})
        made.append(stage(rng, "timestamp", deep))
    for _ in range(rng.randint(0 if made else 1, 7 if deep == 0 else 3)):
        picked = rng.choices(kinds, weights)[0]
        if deep > 2 and picked == "match":
            picked = "labels"
        made.append(stage(rng, picked, deep))
    return made


def relabel_rule(rng) -> dict:
    labels = ["job", "kind", "app", "__address__", "__path__", "level", "x", "nothere", "pod"]
    targets = ["app", "level", "x", "pod", "kind", "__tmp", "job", "__tenant_id__"]
    action = rng.choice(["replace"] * 8 + ["keep", "drop", "hashmod", "labelmap", "labeldrop", "labelkeep", "lowercase", "uppercase",
                                          "keepequal", "dropequal", "Replace", "KEEP"])
    made = {}
    optional(rng, made, "action", 0.5 if action == "replace" else 1, lambda r: action)
    low = action.lower()
    if low in ("labelmap", "labeldrop", "labelkeep"):
        made["regex"] = rng.choice(["x|pod", "lev.*", "(ap)p", "__meta_(.+)", "ki(.)d"])
        if low == "labelkeep":
            made["regex"] = "case|filename|job|__.*|kind"
        if low == "labelmap":
            optional(rng, made, "replacement", 0.5, lambda r: r.choice(["new_$1", "${1}", "x"]))
        return made
    optional(rng, made, "source_labels", 0.9, lambda r: [r.choice(labels) for _ in range(r.randint(1, 3))])
    if low in ("keepequal", "dropequal"):
        made["target_label"] = rng.choice(labels)
        return made
    optional(rng, made, "separator", 0.2, lambda r: r.choice(["", "/", ";", "--"]))
    optional(rng, made, "regex", 0.7, lambda r: r.choice([".*", ".+", "(.*)", "(.+);(.*)", "x.*", "", "(?i)JSON", "(?P<n>.)(.*)", "([a-z]*)-?(.*)", "/(.*)/(.*)\\.log", "nomatch",
                                                          "loc.*|json|cri|.*", "(.)(.)(.)"]))
    if low in ("keep", "drop"):
        if low == "keep":
            made["regex"] = rng.choice([".*", ".+", "json.*", "(a|j|l|c|d|t).*"])
        return made
    made["target_label"] = rng.choice(targets) if rng.random() < 0.9 else rng.choice(["a-b", "a.b", "é", "9a", "lab_${n}", "x_${1}"])
    if low == "hashmod":
        made["modulus"] = Plain(rng.choice(["10", "1", "1000", "18446744073709551615"]))
    if low in ("replace",):
        optional(rng, made, "replacement", 0.6, lambda r: r.choice(["$1", "${1}", "$2-$1", "static", "", "$$1", "${n}x", "$n", "$1x", "${1}x", "a$", "${", "$0", "é", "$10", "Ω${2}"]))
    if rng.random() < 0.03:
        made = spoil(rng, made)
    return made
