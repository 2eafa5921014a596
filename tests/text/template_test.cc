// SPDX-License-Identifier: Apache-2.0
// The template engine against Go: every case of tests/text/template/*.txt must give
// what Go's text/template gave (tests/tools/template wrote the results).
#include "agent/text/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "agent/text/json_parse.h"

namespace agent::text {
namespace {

using testing::HasSubstr;

// The dates in the cases are those of a host that keeps UTC.
class UtcHost : public testing::Environment {
 public:
  void SetUp() override { ASSERT_EQ(setenv("TZ", "UTC", 1), 0); }
};
const testing::Environment* const kUtcHost = testing::AddGlobalTestEnvironment(new UtcHost);

using Fields = std::map<std::string, std::string, std::less<>>;

class MapData : public TemplateData {
 public:
  MapData(const Template& made, const Fields& fields) : template_(made), fields_(fields) {}
  bool Field(size_t index, std::string_view& out) const override { return Named(template_.names()[index], out); }
  bool Named(std::string_view name, std::string_view& out) const override {
    const auto found = fields_.find(name);
    if (found != fields_.end()) out = found->second;
    return found != fields_.end();
  }
  void ForEach(const Visit& visit) const override {
    for (const auto& [name, text] : fields_) visit(name, text);
  }

 private:
  const Template& template_;
  const Fields& fields_;
};

std::string Hex(std::string_view digits, size_t at, size_t count) { return std::string(digits.substr(at, count)); }

void AppendUtf8(std::string& out, unsigned long code) {
  const auto put = [&out](unsigned long byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | (code >> 6));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

// What strconv.QuoteToASCII wrote.
std::string Unquoted(std::string_view quoted) {
  std::string out;
  const std::string_view text = quoted.substr(1, quoted.size() - 2);
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      out.push_back(text[at]);
      continue;
    }
    const char kind = text[++at];
    const size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    const auto code = std::strtoul(Hex(text, at + 1, digits).c_str(), nullptr, 16);
    if (kind == 'x') {
      out.push_back(static_cast<char>(code));
    } else if (digits > 0) {
      AppendUtf8(out, code);
    } else {
      const size_t named = std::string_view("abfnrtv").find(kind);
      out.push_back(named == std::string_view::npos ? kind : "\a\b\f\n\r\t\v"[named]);
    }
    at += digits;
  }
  return out;
}

std::string WithLineFeeds(std::string text) {
  for (size_t at = text.find("¶"); at != std::string::npos; at = text.find("¶")) text.replace(at, 2, "\n");
  return text;
}

Fields ReadData(std::string_view json) {
  Arena arena;
  JsonValue value;
  Fields fields;
  JsonParser parser;
  EXPECT_TRUE(parser.ParseLine(json, arena, value)) << json;
  for (const JsonMember& member : value.object) fields.emplace(member.key, member.value.text);
  return fields;
}

// "= output", "! parse" or "! run", the output unquoted.
std::string Render(const std::string& source, const Fields& fields, TemplateDataType type, TemplateScratch& scratch) {
  const auto made = Template::Compile(source, type);
  if (!made) return "! parse";
  std::string_view out;
  return (*made)->Execute(MapData(**made, fields), scratch, out) ? "= " + std::string(out) : "! run";
}

class Cases : public testing::TestWithParam<std::string> {};

TEST_P(Cases, GiveWhatGoGives) {
  std::ifstream file(std::string(SOURCE_DIR) + "/tests/text/template/" + GetParam() + ".txt");
  ASSERT_TRUE(file.is_open());
  TemplateScratch scratch(1);
  scratch.SetNow(1'700'000'000'000'000'000);
  Fields fields;
  TemplateDataType type = TemplateDataType::kAny;
  std::string source;
  size_t cases = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("@string ")) {
      type = TemplateDataType::kString;
      fields = ReadData(line.substr(8));
    } else if (line.starts_with("@ ")) {
      type = TemplateDataType::kAny;
      fields = ReadData(line.substr(2));
    } else if (line.starts_with("= ") || line.starts_with("! ")) {
      const std::string wanted = line[0] == '=' ? "= " + Unquoted(line.substr(2)) : line;
      EXPECT_EQ(Render(WithLineFeeds(source), fields, type, scratch), wanted) << source << "\n" << scratch.error();
      ++cases;
    } else {
      source = line;
    }
  }
  EXPECT_GE(cases, 5u);
}

INSTANTIATE_TEST_SUITE_P(Go, Cases,
                         testing::Values("language", "complex", "go", "printf", "promtail", "strings", "words", "lists", "dicts",
                                         "math", "values", "encoding", "regex", "json", "dates", "urls", "versions",
                                         "random"),
                         [](const auto& name) { return name.param; });

std::string CompileError(std::string_view source) {
  const auto made = Template::Compile(source);
  return made ? "" : made.error().what;
}

TEST(TemplateTest, ErrorsNameTheLineAndWhatIsWrong) {
  EXPECT_EQ(CompileError("{{ .a }}"), "");
  EXPECT_EQ(CompileError("a\n{{ nosuch }}"), "line 2: function \"nosuch\" not defined");
  EXPECT_EQ(CompileError("{{ if .a }}"), "line 1: a block has no {{end}}");
  EXPECT_EQ(CompileError("{{ $x }}"), "line 1: undefined variable \"$x\"");
  EXPECT_EQ(CompileError("{{ \"a }}"), "line 1: a string has no closing quote");
  EXPECT_EQ(CompileError("{{ .a"), "line 1: an action has no end (}})");
  EXPECT_THAT(CompileError("{{ bcrypt .a }}"), HasSubstr("\"bcrypt\" is not available: it hashes passwords"));
}

class Limits : public testing::Test {
 protected:
  std::string Failure(const std::string& source, TemplateLimits limits = {}) {
    TemplateScratch scratch(1, limits);
    const Fields fields{{"x", "y"}};
    const std::string result = Render(source, fields, TemplateDataType::kAny, scratch);
    return result == "! run" ? std::string(scratch.error()) : result.substr(0, 40);
  }
};

TEST_F(Limits, StopLoopsRecursionAndGrowth) {
  EXPECT_THAT(Failure("{{ range 1000000000 }}{{ end }}"), HasSubstr("too many steps"));
  EXPECT_THAT(Failure("{{ range until 1000000000 }}{{ end }}"), HasSubstr("more memory"));
  EXPECT_THAT(Failure("{{ define \"r\" }}{{ template \"r\" }}{{ end }}{{ template \"r\" }}"), HasSubstr("too deeply"));
  EXPECT_THAT(Failure("{{ repeat 1000000000 .x }}"), HasSubstr("more memory"));
  EXPECT_THAT(Failure("{{ $s := \"ab\" }}{{ range 64 }}{{ $s = print $s $s }}{{ end }}"), HasSubstr("more memory"));
  EXPECT_THAT(Failure("{{ range 100000 }}0123456789012345678901234567890123456789012345678901234567890123456789"
                      "0123456789012345678901234567890123456789{{ end }}"), HasSubstr("one record may hold"));
  EXPECT_THAT(Failure("{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ $d }}"), HasSubstr("too deeply"));
  EXPECT_THAT(Failure("{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ toJson $d }}"), HasSubstr("too deeply"));
  EXPECT_THAT(Failure("{{ $l := list 1 }}{{ range 60 }}{{ $l = list $l $l }}{{ end }}{{ deepEqual $l (list $l) }}"
                      "{{ $m := list 1 }}{{ range 60 }}{{ $m = list $m $m }}{{ end }}{{ deepEqual $l $m }}"),
              HasSubstr("too many steps"));
  EXPECT_THAT(Failure("{{ $l := list 1 }}{{ range 60 }}{{ $l = list $l $l }}{{ end }}{{ $l }}"), HasSubstr("too many steps"));
  EXPECT_THAT(Failure("{{ printf \"%1000000d%1000000d%1000000d%1000000d\" 1 2 3 4 | len }}"), HasSubstr("= 4000000"));
  EXPECT_THAT(Failure("{{ range $i := until 2000 }}{{ regexMatch (print $i \"[0-9]+\") \"x\" }}{{ end }}"),
              HasSubstr("too many steps"));
  EXPECT_THAT(Failure("{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ merge $d (dict \"d\" $d) | len }}"),
              HasSubstr("too deep"));
}

TEST_F(Limits, SourcesThatNestTooDeeplyAreRefused) {
  std::string parentheses, blocks;
  for (int i = 0; i < 5000; ++i) parentheses += '(';
  for (int i = 0; i < 5000; ++i) blocks += "{{if true}}";
  EXPECT_THAT(CompileError("{{ " + parentheses), HasSubstr("nested too deeply"));
  EXPECT_THAT(CompileError(blocks), HasSubstr("nested too deeply"));
}

TEST(TemplateTest, ScratchServesManyTemplatesAndForgetsNothingOfItsRandomness) {
  TemplateScratch scratch(7);
  TemplateScratch same(7);
  const Fields fields{{"a", "1"}};
  EXPECT_EQ(Render("{{ randAlpha 12 }}", fields, TemplateDataType::kAny, scratch),
            Render("{{ randAlpha 12 }}", fields, TemplateDataType::kAny, same));
  EXPECT_NE(Render("{{ randAlpha 12 }}", fields, TemplateDataType::kAny, scratch),
            Render("{{ randAlpha 12 }} ", fields, TemplateDataType::kAny, scratch));
  EXPECT_EQ(Render("{{ .a }}-{{ .b }}", fields, TemplateDataType::kAny, scratch), "= 1-<no value>");
}

TEST(TemplateTest, NowIsWhatTheScratchWasTold) {
  TemplateScratch scratch(1);
  scratch.SetNow(1'709'618'828'123'456'789);
  EXPECT_EQ(Render("{{ now.UnixNano }} {{ dateInZone \"2006-01-02 15:04:05\" now \"UTC\" }}", {}, TemplateDataType::kAny,
                scratch),
            "= 1709618828123456789 2024-03-05 06:07:08");
}

TEST(TemplateTest, OneTemplateServesSeveralThreads) {
  const auto made = Template::Compile("{{ range $i := until 50 }}{{ $i }}{{ $.a | upper }}{{ end }}");
  ASSERT_TRUE(made);
  const Fields fields{{"a", "x"}};
  std::vector<std::string> results(4);
  std::vector<std::jthread> threads;
  for (std::string& result : results) {
    threads.emplace_back([&made, &fields, &result] {
      TemplateScratch scratch(1);
      std::string_view out;
      for (int i = 0; i < 20; ++i) {
        if ((*made)->Execute(MapData(**made, fields), scratch, out)) result = out;
      }
    });
  }
  threads.clear();
  for (const std::string& result : results) EXPECT_EQ(result, results[0]);
  EXPECT_EQ(results[0].substr(0, 8), "0X1X2X3X");
}

}  // namespace
}  // namespace agent::text
