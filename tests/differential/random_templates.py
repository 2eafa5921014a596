# SPDX-License-Identifier: Apache-2.0
"""Random templates for the random comparison: Go's syntax, Promtail's and Sprig's functions.

Functions with a random or a momentary result (now, uuidv4, randAlpha, env, ...) stay out.
"""

from __future__ import annotations

FIELDS = [".Value", ".Value", ".Value", ".level", ".msg", ".app", ".status", ".missing", ".num", ".Entry", ".a", ".ts", ".filename", ".case"]
STRINGS = ['"x"', '"e"', '" "', '""', '"info"', '"a,b,c"', '`raw\\n`', '"é"', '"0123456789"', '"level"', '"-"', '"10.0.0.1"', '"1.2.3"',
           '"Hello World"', '"foo_bar-baz"', '"{\\"a\\":[1,2,{\\"b\\":null}]}"', '"2024-03-05T10:00:00Z"', '"http://u:p@h:1/p?q=1#f"', '"/a/b/../c.tar.gz"', '"日本"',
           '"1h30m"', '"ß"', '"aGVsbG8="', '"[1,2"', "'c'", '"\\x00"', '"<b>&\'"']
INTS = ["0", "1", "2", "3", "5", "10", "-1", "100", "1.5", "0x10", "1e3", "1_000", "'a'", "9223372036854775807"]
LISTS = ['(list "b" "a" "c" "a")', "(list 3 1 2)", '(splitList "," "x,y,,z")', "(list)", "(until 4)", '(list 1 "a" nil true)', '(tuple "p" 2)',
         '(splitList " " .Value)', '(list "" "q" "")']
DICTS = ['(dict "k" "v" "n" 1)', '(dict)', '(dict "b" (dict "c" "d"))', '(fromJson "{\\"x\\":1.5,\\"y\\":[true,null]}")', '(dict "k" (list 1 2))']
REGEXES = ['"[a-z]+"', '"(e)(r)?"', '"\\\\d+"', '"^x"', '"("', '"(?P<n>.)"', '"\\\\s*,\\\\s*"', '""', '"é"']
# What a function takes: s a text, i a number, l a list, d a dictionary, r a regular expression, a anything.
SIGNATURES = """
ToLower:s ToUpper:s TrimSpace:s Replace:sssi Trim:ss TrimLeft:ss TrimRight:ss TrimPrefix:ss TrimSuffix:ss Hash:ss Sha2Hash:ss
regexReplaceAll:rss regexReplaceAllLiteral:rss upper:s lower:s trim:s trunc:is substr:iis replace:sss indent:is nindent:is quote:a
squote:a snakecase:s camelcase:s kebabcase:s title:s untitle:s repeat:is contains:ss hasPrefix:ss hasSuffix:ss nospace:s initials:s
wrap:is wrapWith:iss abbrev:is abbrevboth:iis plural:ssi swapcase:s cat:aaa join:sl splitList:ss first:l last:l rest:l initial:l
reverse:l uniq:l sortAlpha:l without:la has:al compact:l toJson:a toPrettyJson:a toRawJson:a mustToJson:a fromJson:s int:a int64:a float64:a
add:ii sub:ii mul:iii div:ii mod:ii max:ii min:ii ceil:i floor:i round:ii add1:i addf:ii subf:ii mulf:ii divf:ii maxf:ii minf:ii default:aa empty:a
coalesce:aaa ternary:aab b64enc:s b64dec:s b32enc:s b32dec:s sha1sum:s sha256sum:s sha512sum:s adler32sum:s regexMatch:rs regexFind:rs regexFindAll:rsi regexSplit:rsi
regexQuoteMeta:s mustRegexMatch:rs mustRegexReplaceAll:rss base:s dir:s ext:s clean:s isAbs:s osBase:s osDir:s atoi:s toString:a toStrings:l toDecimal:a
kindOf:a typeOf:a kindIs:sa typeIs:sa typeIsLike:sa deepEqual:aa seq:ii len:a index:li slice:lii print:aa println:a html:s js:s urlquery:s eq:aa ne:aa lt:ii le:ii gt:ii ge:ii
and:aa or:aa not:a chunk:il append:la prepend:la concat:ll get:ds hasKey:ds pick:ds omit:ds merge:dd pluck:sd dig:ssad trimAll:ss trimPrefix:ss trimSuffix:ss
semver:s semverCompare:ss urlParse:s toDate:ss date:sa dateInZone:sas duration:a durationRound:a htmlDate:a unixEpoch:a all:aaa any:aa fail:s splitn:sis split:ss
substr:iis untilStep:iii sortAlpha:a keys:d values:d htmlDateInZone:as list:aaa set:dsa unset:ds mergeOverwrite:dd getHostByName:s bcrypt:s mustToDate:ss mustFirst:a
quote:aa squote:aa camelcase:a shuffle:s toTitle:s nope:s mustSlice:lii mustUniq:l mustHas:al biggest:ii trimall:ss hello: sha3:s lookup:s tpl:s required:sa toYaml:a ago:a
""".split()
FUNCTIONS = [tuple(item.partition(":")[::2]) for item in SIGNATURES]
UNKNOWN = {"nope", "toTitle", "sha3", "lookup", "tpl", "required", "toYaml", "mustToDate", "getHostByName", "bcrypt", "shuffle", "ago", "keys", "values", "fail", "all"}
KNOWN = [f for f in FUNCTIONS if f[0] not in UNKNOWN]
# What makes as much as a number says: its numbers stay small.
COSTLY = {"untilStep", "seq", "repeat", "indent", "nindent", "chunk", "wrap", "wrapWith"}
VERBS = ["%s", "%d", "%q", "%v", "%T", "%x", "%X", "%5.2f", "%-10s|", "%05d", "%t", "%c", "%U", "%e", "%g", "%+v", "%#v", "%%", "%8.3s|", "%o", "%b", "%!", "%*d", "%[2]v %[1]v", "%s %s", "% x", "%#x", "%+d", "%p", "%6.2f%%"]


def argument(rng, kind: str, deep: int) -> str:
    if rng.random() < 0.06:
        kind = rng.choice("silda")
    if deep < 2 and rng.random() < 0.2:
        return "(" + call(rng, deep + 1) + ")"
    if kind == "s":
        return rng.choice(FIELDS if rng.random() < 0.5 else STRINGS)
    if kind == "i":
        return rng.choice(INTS)
    if kind == "l":
        return rng.choice(LISTS)
    if kind == "d":
        return rng.choice(DICTS)
    if kind == "r":
        return rng.choice(REGEXES)
    if kind == "b":
        return rng.choice(["true", "false", '(eq .Value "x")'])
    return rng.choice([*FIELDS, rng.choice(STRINGS), rng.choice(INTS), rng.choice(LISTS), rng.choice(DICTS), "nil", "true", "."][:])


def call(rng, deep: int = 0) -> str:
    name, kinds = rng.choice(KNOWN)
    if rng.random() < 0.1:
        return "printf " + f'"{rng.choice(VERBS)}"' + "".join(" " + argument(rng, rng.choice("sia"), deep) for _ in range(rng.randint(0, 2)))
    if name in COSTLY:
        deep = 2
    return name + "".join(" " + argument(rng, k, deep) for k in kinds)


def pipeline(rng) -> str:
    found = rng.random()
    if found < 0.25:
        return rng.choice(FIELDS)
    if found < 0.6:
        return call(rng)
    made = rng.choice([*FIELDS, call(rng)])
    for _ in range(rng.randint(1, 2)):
        name, kinds = rng.choice(KNOWN)
        made += " | " + name + "".join(" " + argument(rng, k, 1) for k in kinds[:-1])
    return made


def action(rng, deep: int = 0) -> str:
    left, right = rng.choice([("{{ ", " }}")] * 5 + [("{{", "}}"), ("{{- ", " -}}"), ("{{- ", " }}"), ("{{ ", " -}}")])
    found = rng.random()
    if found < 0.55 or deep > 2:
        return left + pipeline(rng) + right
    inner = body(rng, deep + 1)
    other = body(rng, deep + 1)
    if found < 0.68:
        middle = "{{ else }}" + other if rng.random() < 0.5 else ("{{ else if " + pipeline(rng) + " }}" + other if rng.random() < 0.5 else "")
        return f"{left}if {pipeline(rng)}{right}{inner}{middle}{{{{ end }}}}"
    if found < 0.76:
        return f"{left}with {pipeline(rng)}{right}{{{{ . }}}}{inner}{{{{ else }}}}{other}{{{{ end }}}}"
    if found < 0.86:
        over = rng.choice(LISTS + DICTS + ["3", ".Value", '"abc"'])
        head = rng.choice([over, "$v := " + over, "$i, $v := " + over])
        extra = rng.choice(["", "{{ break }}", "{{ continue }}", "{{ $v }}" if "$v" in head else "", "{{ $i }}" if "$i" in head else ""])
        return f"{left}range {head}{right}{{{{ . }}}},{extra}{{{{ else }}}}none{{{{ end }}}}"
    if found < 0.92:
        return f"{{{{ $x := {pipeline(rng)} }}}}{left}$x{right}" + rng.choice(["", "{{ $x = 1 }}{{ $x }}", "{{ if true }}{{ $x = \"in\" }}{{ end }}{{ $x }}"])
    return rng.choice(BROKEN if rng.random() < 0.03 else ODD)


ODD = ["{{/* note */}}", "{{ block \"b\" . }}b{{ .Value }}{{ end }}",
       "{{ $.Value }}", "{{ .Value.x }}", "{{ (index . \"level\") }}", "{{ . | len }}", "{{ .a.b.c }}", "{{ printf `%s` .Value }}",
       "{{ \"q\" | printf \"%s-%s\" .Value }}", "{{ index . .level }}", "{{range $k, $v := .}}{{$k}};{{end}}", "{{- /* c */ -}}",
       "{{ true }}{{ 'x' }}{{ 1.50 }}", "{{ (.Value) }}", "{{ call .Value }}", "{{ if not .missing }}m{{ end }}",
       "{{ eq .level \"a\" \"info\" \"b\" }}", "{{ lt 1 \"a\" }}", "{{ eq .missing \"x\" }}", "{{ .missing | default \"d\" }}",
       "{{ with $z := .Value }}{{ $z }}{{ end }}", "{{ . }}", "{{ len .Value }}", "{{ .Value | printf \"%q\" }}", "{{ println .a .b }}"]
BROKEN = ["{{ define \"t\" }}[{{ . }}]{{ end }}{{ template \"t\" .Value }}", "{{ template \"no\" }}", "{{ end }}", "{{ if }}", "{{ .Value", "{{ $y }}", "{{ 1 2 }}", "{{ nil }}", "{{ .Value | }}", "{{ and }}",
          "{{ break }}", "{{ else }}", "{{ nope }}", "{{ \"a }}", "{{ 'ab' }}", "{{ .1 }}", "{{ 0x }}", "{{ (.a }}", "{{ .a) }}", "{{ a.b }}", "{{/* x }}",
          "{{ range }}{{ end }}", "{{ define }}{{ end }}", "{{ .a := 1 }}", "{{ $x }}", "{{ if true }}", "{{ \"\\q\" }}", "{{ #}}", "{{ | len }}", "{{ .a | 1 }}"]


def body(rng, deep: int = 0) -> str:
    return "".join(rng.choice(["", "", " ", "x", "\n", "é", "{ ", "}", "a b "]) + (action(rng, deep) if rng.random() < 0.85 else "")
                   for _ in range(rng.choice([1, 1, 1, 2, 3])))


def template(rng) -> str:
    made = body(rng)
    if any(name in made for name in COSTLY):
        made = made.replace("9223372036854775807", "7")
    return made
