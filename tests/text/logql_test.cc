// SPDX-License-Identifier: Apache-2.0
#include "agent/text/logql.h"

#include <gtest/gtest.h>

#include <map>

namespace agent::text {
namespace {

// `+` selected, `-` not, or the error.
std::string Select(std::string_view selector, std::string_view line) {
  const auto parsed = LogSelector::Parse(selector);
  if (!parsed) return parsed.error().what;
  const std::map<std::string, std::string, std::less<>> labels = {{"app", "db"}, {"ns", "prod"}};
  Arena arena;
  const auto value_of = [&](std::string_view name) {
    const auto found = labels.find(name);
    return found == labels.end() ? std::string_view() : std::string_view(found->second);
  };
  return parsed->MatchesLabels(value_of, arena) && parsed->MatchesLine(line, arena) ? "+" : "-";
}

TEST(LogSelector, Selects) {
  for (const char* yes : {R"({app="db"})",
                          R"({app="db",ns="prod"})",
                          R"( { app = "db" , ns != "x" } )",
                          R"({app=~"d."})",
                          R"({app=~"d.|x"})",
                          R"({app!~"d"})",
                          R"({nope=""})",
                          R"({nope!="x"})",
                          R"({nope=~"x?"})",
                          R"({_a1=""})",
                          R"({app="db"} |= "err")",
                          R"({app="db"}|="err"|="or"!="x")",
                          R"({app="db"} |~ "^e.*r$" !~ "^x")",
                          R"({app="\x64\142"})",
                          R"({app="db"} |= "\u0065rr")",
                          R"({app="d\U00000062"})",
                          "/* a */ {app=\"db\" // b\n } // c",
                          R"({app="db"} != "\"")",
                          R"({app=~"(?i)DB"})",
                          R"({é=""})"}) {
    EXPECT_EQ(Select(yes, "error"), "+") << yes;
  }
  for (const char* no : {R"({app="d"})", R"({app=~"d"})", R"({app!="db"})", R"({app="db",ns="dev"})",
                         R"({nope=~".+"})", R"({app="db"} |= "x")", R"({app="db"} != "err")",
                         R"({app="db"} |~ "^r")", R"({app="db"} !~ "r")", R"({app="db"} |= "err" |= "x")"}) {
    EXPECT_EQ(Select(no, "error"), "-") << no;
  }
}

TEST(LogSelector, NamesWhatIsWrongAndWhere) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "at character 1: a selector begins with {"},
      {"{}", "at character 2: a label name is needed here"},
      {R"({a="b",})", "at character 8: a label name is needed here"},
      {R"({a})", "at character 3: one of = != =~ !~ is needed here"},
      {R"({a=b})", "at character 4: a text in double quotes is needed here"},
      {R"({a=`b`})", "at character 4: a text in double quotes is needed here"},
      {R"({a="b)", "the closing \" is missing"},
      {R"({a="b" c="d"})", "at character 8: a , or } is needed here"},
      {R"({a="\q"})", "unknown escape after \\; write \\\\ for a backslash"},
      {R"({a="\400"})", "unknown escape"},
      {R"({a="\uD800"})", "unknown escape"},
      {R"({a=~"("})", "invalid regular expression"},
      {R"({a="b"} |~ "(")", "invalid regular expression \"(\""},
      {R"({a="b"} | json)", "parsers and label filters do not exist in this stage"},
      {R"({a="b"} |= "x" or "y")", "at character 16: one of |= |~ != !~ is needed here"},
      {R"({a="b"} /* x)", "the comment does not end"},
      {R"({a.b="x"})", "at character 3: one of = != =~ !~ is needed here"},
  };
  for (const auto& [selector, what] : cases) {
    const std::string error = Select(selector, "");
    EXPECT_NE(error.find(what), std::string::npos) << error;
    EXPECT_NE(error.find(selector), std::string::npos) << error;
  }
}

TEST(LogSelector, KnowsWhetherItLooksAtLines) {
  EXPECT_FALSE(LogSelector::Parse(R"({a="b"})")->HasLineFilters());
  EXPECT_TRUE(LogSelector::Parse(R"({a="b"} |= "x")")->HasLineFilters());
}

}  // namespace
}  // namespace agent::text
