// SPDX-License-Identifier: Apache-2.0
// Every form of `${...}`. The rows of kSame were produced by running drone/envsubst
// 1.0.3, the library inside Promtail; nullptr: it refuses.
#include "agent/config/expand_env.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace agent::config {
namespace {

std::optional<std::string> Lookup(std::string_view name) {
  static const std::map<std::string, std::string, std::less<>> kVariables = {
      {"V", "value"}, {"E", ""}, {"P", "/usr/local/bin"}, {"U", "HELLO World"}, {"N", "3"}, {"S", "aXbXc"},
      {"D", "a.b.c"}, {"1", "one"}, {"X_1", "x1"}, {"UML", "\u00e4\u00f6\u00fc"}, {"STAR", "a*b"}, {"W", "${V}"},
      {"HTTP", "http://host:80/p?q=1"}, {"Q", "it's \"q\""}, {"M2", "-2"}, {"M9", "-9"}, {"BS", "a\\b"}, {"BR", "a}b"},
  };
  const auto found = kVariables.find(name);
  if (found == kVariables.end()) return std::nullopt;
  return found->second;
}

std::string Expand(const std::string& text) {
  Diagnostics diagnostics;
  const std::optional<std::string> out = ExpandEnv(text, "f.yaml", Lookup, diagnostics);
  EXPECT_EQ(diagnostics.errors(), out ? 0U : 1U) << text;
  return out ? *out : "(error)";
}

struct Expansion {
  const char* text;
  const char* expected;
};

void Check(const Expansion& row) {
  EXPECT_EQ(Expand(row.text), row.expected == nullptr ? "(error)" : row.expected) << row.text;
}

TEST(ExpandEnv, ExpandsAsPromtailDoes) {
  const Expansion kSame[] = {
      {"", ""}, {"plain", "plain"}, {"$V", "$V"}, {"a $V b", "a $V b"}, {"${V}", "value"},
      {"a${V}b${V}c", "avaluebvaluec"}, {"${NOPE}", ""}, {"${E}", ""}, {"${1}", "one"}, {"${X_1}", "x1"},
      {"$${V}", "${V}"}, {"$$", "$"}, {"$$V", "$V"}, {"$$$V", "$$V"}, {"$$${V}", "$value"}, {"$", "$"}, {"a$", "a$"},
      {"a\\\\b", "a\\b"}, {"a\\/b", "a/b"}, {"a\\nb", "a\\nb"}, {"\\${V}", "\\value"}, {"\\\\${V}", "\\value"},
      {"a\\", "a\\"}, {"${V:-d}", "value"}, {"${E:-d}", "d"}, {"${NOPE:-d}", "d"}, {"${NOPE:=d}", "d"},
      {"${NOPE=d}", "d"}, {"${V=d}", "value"}, {"${NOPE:?d}", "d"}, {"${V:?d}", "value"}, {"${NOPE:+d}", "d"},
      {"${V:+d}", "value"}, {"${NOPE:-}", ""}, {"${NOPE:=}", ""}, {"${NOPE=}", ""}, {"${NOPE-d}", nullptr},
      {"${NOPE+d}", nullptr}, {"${NOPE?d}", nullptr}, {"${#V}", "5"}, {"${#NOPE}", "0"}, {"${#UML}", "6"},
      {"${#}", nullptr}, {"${#V:-d}", nullptr}, {"${#V#x}", nullptr}, {"${V^}", "Value"}, {"${V^^}", "VALUE"},
      {"${U,}", "hELLO World"}, {"${U,,}", "hello world"}, {"${UML^^}", "ÄÖÜ"}, {"${UML^}", "Äöü"}, {"${NOPE^}", ""},
      {"${NOPE^^}", ""}, {"${V:1}", "alue"}, {"${V:1:2}", "al"}, {"${V:0}", "value"}, {"${V:0:1}", "v"},
      {"${V:10}", ""}, {"${V:5}", ""}, {"${V:1:10}", "alue"}, {"${V: -2}", "value"}, {"${V:-2}", "value"},
      {"${V:-2:1}", "value"}, {"${E:-2:1}", "2:1"}, {"${V: 1}", "value"}, {"${V:x}", "value"}, {"${V:1:x}", "value"},
      {"${V:1:0}", ""}, {"${V:}", nullptr}, {"${V::2}", nullptr}, {"${V:1:}", nullptr}, {"${V:1:2:3}", "value"},
      {"${V:N}", "value"}, {"${V:${N}}", "ue"}, {"${V:${N}:1}", "u"}, {"${P#*/}", "usr/local/bin"},
      {"${P##*/}", "bin"}, {"${P%/*}", "/usr/local"}, {"${P%%/*}", ""}, {"${P#/usr}", "/local/bin"},
      {"${P#usr}", "/usr/local/bin"}, {"${P%bin}", "/usr/local/"}, {"${P%local}", "/usr/local/bin"},
      {"${P#}", nullptr}, {"${P%}", nullptr}, {"${P#?}", "usr/local/bin"}, {"${P%?}", "/usr/local/bi"},
      {"${P#[/]}", "usr/local/bin"}, {"${P#[a-z/]*}", "usr/local/bin"}, {"${P##[a-z/]*}", ""}, {"${D%.*}", "a.b"},
      {"${D%%.*}", "a"}, {"${D#*.}", "b.c"}, {"${D##*.}", "c"}, {"${S/X/-}", "a-bXc"}, {"${S//X/-}", "a-b-c"},
      {"${S/X/}", "abXc"}, {"${S//X/}", "abc"}, {"${S//X}", nullptr}, {"${S/X}", nullptr}, {"${S/#a/-}", "-XbXc"},
      {"${S/#b/-}", "aXbXc"}, {"${S/%c/-}", "aXbX-"}, {"${S/%b/-}", "aXbXc"}, {"${S/}", nullptr},
      {"${S//}", nullptr}, {"${S/#}", nullptr}, {"${S/%}", nullptr}, {"${S/a/b/c}", "b/cXbXc"},
      {"${S//a/b/c}", "b/cXbXc"}, {"${P//\\//-}", "-usr-local-bin"}, {"${P//\\//\\\\}", "\\usr\\local\\bin"},
      {"${S/X/${V}}", "avaluebXc"}, {"${S//${V}/x}", "aXbXc"}, {"${NOPE:-${V}}", "value"},
      {"${NOPE:-a${V}b}", "avalueb"}, {"${NOPE:-${NOPE2:-${V}}}", "value"}, {"${NOPE:-${NOPE2:-deep}}", "deep"},
      {"${NOPE:-a b c}", "a b c"}, {"${NOPE:-a:b}", "a:b"}, {"${NOPE:-a/b}", "a/b"},
      {"${NOPE:-http://h:80/x}", "http://h:80/x"}, {"${NOPE:-$V}", "$V"}, {"${NOPE:-$$}", "$$"},
      {"${NOPE:-a\\}b}", "a\\b}"}, {"${NOPE:-a\\\\b}", "a\\\\b"}, {"${NOPE:-{x}}", "{x}"},
      {"${NOPE:-\"q\"}", "\"q\""}, {"${NOPE:-a\nb}", "a\nb"}, {"${NOPE:-#x}", "#x"}, {"${NOPE=a${V}b}", "avalueb"},
      {"${NOPE:=a${V}b}", "avalueb"}, {"${}", nullptr}, {"${ V}", nullptr}, {"${V }", nullptr}, {"${V", nullptr},
      {"${V:-d", nullptr}, {"${V:", nullptr}, {"${", nullptr}, {"a ${", nullptr}, {"${-}", nullptr},
      {"${V!}", nullptr}, {"${V.x}", nullptr}, {"${a-b}", nullptr}, {"${V/a", nullptr}, {"${V#a", nullptr},
      {"${V:1", nullptr}, {"${V^^^}", nullptr}, {"${V,^}", "value"}, {"${V^x}", nullptr}, {"${V,,x}", nullptr},
      {"{{ .V }} ${V}", "{{ .V }} value"}, {"# comment ${V}", "# comment value"}, {"# comment ${broken", nullptr},
      {"${W}", "${V}"}, {"${STAR#a*}", "*b"}, {"${STAR#a\\*}", "b"}, {"${V#v[}", "value"}, {"${V/l/L}", "vaLue"},
      {"${V/zzz/L}", "value"}, {"${V//[a-z]/x}", "value"}, {"${HTTP#*://}", "host:80/p?q=1"},
      {"${HTTP%%:*}", "http"}, {"${V:--x}", "value"}, {"${V:=-x}", "value"}, {"${NOPE:--x}", "-x"}, {"${#1}", "3"},
      {"${_}", ""}, {"${V:- }", "value"}, {"${NOPE:- }", " "}, {"${NOPE:-  d }", "  d "}, {"${P:1:3}/x", "usr/x"},
      {"${V}}", "value}"}, {"${{V}}", nullptr}, {"${V}${V}", "valuevalue"}, {"é${V}é", "évalueé"},
      {"${UML:0:2}", "ä"}, {"${UML:0:1}", "\xc3"}, {"${P%/}", "/usr/local/bin"}, {"${P##/}", "usr/local/bin"},
      {"${P#\\/usr}", "/local/bin"}, {"${P/\\/usr/X}", "X/local/bin"}, {"${P/usr\\/local/X}", "/X/bin"},
      {"${P/usr/a\\/b}", "/a/b/local/bin"}, {"${NOPE:-a\\/b}", "a\\/b"}, {"${NOPE:-a\\nb}", "a\\nb"},
      {"${NOPE:-$${V}}", "$value"}, {"${NOPE:-$}", "$"}, {"${NOPE:-x$}", "x$"}, {"${NOPE:-${}}", nullptr},
      {"${NOPE:-${V}", nullptr}, {"${V:-2:-1}", "value"}, {"${E:0}", ""}, {"${E:1}", ""}, {"${NOPE:0:1}", ""},
      {"${V:-3:2}", "value"}, {"${V:-9}", "value"}, {"${V: -9}", "value"}, {"${V: -3:2}", "value"},
      {"${V:+x${N}}", "value"}, {"${NOPE:+x${N}}", "x3"}, {"${NOPE:?${V}}", "value"}, {"${NOPE:=$V x}", "$V x"},
      {"${V##}", nullptr}, {"${V%%}", nullptr}, {"${V##v*e}", ""}, {"${V#v*e}", ""}, {"${V%v*e}", ""},
      {"${D/./-}", "a-b.c"}, {"${D//./-}", "a-b-c"}, {"${U// /_}", "HELLO_World"}, {"${P///-}", nullptr},
      {"${P//\\/}", nullptr}, {"${P/\\//}", "usr/local/bin"}, {"${X_1:-a}-${X_1}", "x1-x1"}, {"${x/y}", nullptr},
      {"${V:1 }", "value"}, {"${V:01}", "alue"}, {"${V:0x1}", "value"}, {"${V:+1}", "value"}, {"${V:1.5}", "value"},
      {"${V:99999999999999999999}", "value"}, {"${V:1:99999999999999999999}", "value"}, {"${U:-a,b}", "HELLO World"},
      {"${U,,,}", nullptr}, {"${V::}", nullptr}, {"${V:::}", nullptr}, {"${NOPE:-a\\\\}", "a\\\\"},
      {"${NOPE:-a\\\\}x}", "a\\\\x}"}, {"${NOPE:-\\${V}}", "\\value"}, {"${NOPE:-\\}}", "\\}"},
      {"${NOPE:-\\}", "\\"}, {"${NOPE=\\}x}", "\\x}"}, {"${NOPE:=\\}x}", "\\x}"}, {"${V:${M2}}", "ue"},
      {"${V:${M2}:1}", "u"}, {"${V:${M9}}", "value"}, {"${V:${M9}:1}", "v"}, {"${V:-1:1}", "value"},
      {"${V: :1}", "value"}, {"${UML##?}", "öü"}, {"${P#[^a]}", "usr/local/bin"}, {"${P#[!a]}", "/usr/local/bin"},
      {"${P#[!/]}", "usr/local/bin"}, {"${P#[^/]}", "/usr/local/bin"}, {"${S#[a-c]X}", "bXc"},
      {"${S#[abc]}", "XbXc"}, {"${S#[]a]}", "aXbXc"}, {"${S#[-a]}", "aXbXc"}, {"${S#[a-]}", "aXbXc"},
      {"${S%%X*}", "a"}, {"${S%X*}", "aXb"}, {"${S#*X}", "bXc"}, {"${S##*X}", "c"}, {"${S#X}", "aXbXc"},
      {"${S##a*c}", ""}, {"${S#**}", "XbXc"}, {"${S##**}", ""}, {"${S#*}", "XbXc"}, {"${S##*}", ""},
      {"${S%*}", "aXbX"}, {"${S%%*}", ""}, {"${S%c*}", "aXbX"}, {"${E#*}", ""}, {"${NOPE#x}", ""},
      {"${BS#a\\\\}", "b"}, {"${BS#a\\\\\\\\}", "a\\b"}, {"${BS/\\\\/-}", "a-b"}, {"${BR#a\\}}", "a}b}"},
      {"${BR/\\}/-}", "a}b"}, {"${BR%\\}b}", "a}bb}"}, {"${BR/}/-}", "a-b"}, {"${S/X/\\}}", "a\\bXc}"},
      {"${S/X/a\\nb}", "aa\\nbbXc"}, {"${S#a\\X}", "bXc"}, {"${S/\\X/-}", "aXbXc"}, {"${S/X/\\X}", "a\\XbXc"},
      {"${V#${V}}", ""}, {"${V/${V}/x}", "x"}, {"${V:0:${N}}", "val"}, {"${V:${N}:${N}}", "ue"},
      {"${V/#/x}", nullptr}, {"${V/%/x}", nullptr}, {"${V/%value/x}", "x"}, {"${V//v/}", "alue"},
      {"${V///}", nullptr}, {"${V//}", nullptr}, {"${S/X/X}", "aXbXc"}, {"${S//X/XX}", "aXXbXXc"},
      {"${V^,}", "value"}, {"${U^,}", "HELLO World"}, {"${U,^}", "HELLO World"}, {"${U^^^}", nullptr},
      {"${V:- :1}", "value"}, {"${NOPE:1}", ""}, {"${NOPE:x}", ""}, {"${V=}", "value"}, {"${V=a=b}", "value"},
      {"${NOPE=a=b}", "a=b"}, {"${NOPE==b}", "=b"}, {"${NOPE:==b}", "=b"}, {"${NOPE:?}", ""}, {"${NOPE:+}", ""},
      {"${NOPE:*}", ""}, {"${V:*}", "value"}, {"${V:@}", "value"}, {"${NOPE:@}", ""}, {"${V:a b}", "value"},
      {"${V:1:a b}", "value"}, {"${V:-}", "value"}, {"${NOPE:-}x", "x"}, {"${V#\n}", "value"}, {"${V:\n1}", "value"},
      {"${NOPE:-\t}", "\t"}, {"\\\\\\\\", "\\\\"}, {"\\/\\/", "//"}, {"\\$${V}", "\\${V}"}, {"\\$", "\\$"},
      {"\\$$", "\\$"}, {"$\\\\", "$\\"}, {"\\", "\\"}, {"x\\\\", "x\\"}, {"$${", "${"}, {"$${V", "${V"},
      {"$$ ${V}", "$ value"}, {"${V}$$", "value$"}, {"${V}$${V}", "value${V}"}, {"${V}$", "value$"},
      {"${V}$ {V}", "value$ {V}"}, {"$ {V}", "$ {V}"}, {"$V}", "$V}"}, {"{V}", "{V}"}, {"$(V)", "$(V)"},
      {"$1", "$1"}, {"$${1}", "${1}"}, {"^${V}$", "^value$"}, {"^(?P<a>.*)$", "^(?P<a>.*)$"},
      {"(.+)\\d\\\\d", "(.+)\\d\\d"}, {"${UML,,}", "äöü"}, {"${UML:1}", "\xa4öü"}, {"${UML/ö/o}", "äoü"},
      {"${U:0:5}", "HELLO"}, {"${U:6}", "World"}, {"${U%% *}", "HELLO"}, {"${U##* }", "World"},
      {"${U/ /${NOPE:-_}}", "HELLO_World"}, {"${V:1:2}${V:1:2}", "alal"}, {"${NOPE:-${E:-${V^^}}}", "VALUE"},
      {"${NOPE:-${V:1:2}}", "al"}, {"${NOPE:-${V#v}}", "alue"}, {"${NOPE:-x${V^}y${V^^}z}", "xValueyVALUEz"},
      {"${NOPE:-${V}${V}}", "valuevalue"}, {"${NOPE:-}}", "}"}, {"${NOPE:-\"}\"}", "\"\"}"}, {"${NOPE:-'}'}", "''}"},
      {"${V-}", nullptr}, {"${V?}", nullptr}, {"${V+}", nullptr}, {"${V\u00a0}", nullptr},
      {"${V/l/${V/a/b}}", "vavblueue"}, {"${1:-x}", "one"}, {"${12}", ""}, {"${#V}${#E}", "50"}, {"${##}", nullptr},
      {"${#V", nullptr}, {"${# V}", nullptr}, {"${#V }", nullptr}, {"${V#}x}", nullptr}, {"${V%%%}", "value"},
      {"${V###}", "value"}, {"${HTTP%:*}", "http://host"}, {"${HTTP/:\\/\\//+}", "http+host:80/p?q=1"},
      {"${Q:-x}", "it's \"q\""},
  };
  for (const Expansion& row : kSame) Check(row);
}

TEST(ExpandEnv, IsLenientWhereTheLibraryStumbles) {
  const Expansion kRows[] = {
      // The library breaks characters in two, ignores classes behind %, and panics at
      // lengths below nothing.
      {"${UML#?}", "\u00f6\u00fc"}, {"${UML%?}", "\u00e4\u00f6"}, {"${S%[c]}", "aXbX"},
      {"${V:1:-1}", ""}, {"${V:0:-1}", ""}, {"${V:1:${M2}}", ""},
      // It replaces nothing by nothing at the front and the back.
      {"${V/#v/}", "alue"}, {"${V/%e/}", "valu"},
      // It refuses arguments made of text and substitutions.
      {"${V%${N}e}", "value"}, {"${D#a${NOPE}.}", "b.c"}, {"${V/a/x${N}y}", "vx3ylue"}, {"${V:0:1${NOPE}}", "v"},
      // It takes letters of all alphabets as names.
      {"${\u00e4}", nullptr},
  };
  for (const Expansion& row : kRows) Check(row);
}

TEST(ExpandEnv, ErrorsNameThePlaceAndTheText) {
  const struct {
    const char* text;
    const char* message;
  } kRows[] = {
      {"a: 1\nb: x${V-d}\n",
       "f.yaml:2:5: error: `${V-d}` is not a substitution: a } must follow, or one of :- := :+ :? = : ^ , # % /; "
       "write $${ for a plain ${\n"},
      {"${V:-x\ny", "f.yaml:1:1: error: `${V:-x` is not a substitution: the closing } is missing; write $${ for a plain ${\n"},
      {"# ${}", "f.yaml:1:3: error: `${}` is not a substitution: a variable's name (letters, digits, _) must follow ${; "
                "write $${ for a plain ${\n"},
      {"${V/a}", "f.yaml:1:1: error: `${V/a}` is not a substitution: write the replacement as ${NAME/old/new}; "
                 "write $${ for a plain ${\n"},
  };
  for (const auto& row : kRows) {
    Diagnostics diagnostics;
    EXPECT_FALSE(ExpandEnv(row.text, "f.yaml", Lookup, diagnostics));
    EXPECT_EQ(diagnostics.Text(), row.message);
  }
}

TEST(ExpandEnv, DeepNestingIsAnErrorNotACrash) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "${NOPE:-";
  EXPECT_EQ(Expand(deep), "(error)");
}

TEST(ExpandEnv, TheProcessEnvironmentIsOneLookup) {
  ASSERT_EQ(setenv("SLUICE_EXPAND_ENV_TEST", "here", 1), 0);
  EXPECT_EQ(ProcessEnvironment()("SLUICE_EXPAND_ENV_TEST"), "here");
  ASSERT_EQ(unsetenv("SLUICE_EXPAND_ENV_TEST"), 0);
  EXPECT_EQ(ProcessEnvironment()("SLUICE_EXPAND_ENV_TEST"), std::nullopt);
}

}  // namespace
}  // namespace agent::config
