// SPDX-License-Identifier: Apache-2.0
// bare_re2: one regular expression over the lines of CRI files, with RE2 alone. What the
// agent's regex stage is measured against (bench/instructions.py --time). The files are
// read and cut before the clock starts; nothing but the matching is in it.
#include <re2/re2.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "bench/common/flags.h"
#include "bench/common/json.h"
#include "bench/common/usage.h"
#include "bench/floor/cri.h"

namespace bench {
namespace {

namespace fs = std::filesystem;

std::string ReadWhole(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(text).str();
}

// The contents of a file's lines, as views into it.
void Cut(std::string_view text, std::vector<std::string_view>& lines) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return;
    CriLine line;
    if (ReadCriLine(text.substr(0, end), &line)) lines.push_back(line.content);
    text.remove_prefix(end + 1);
  }
}

int Main(int argc, char** argv) {
  std::string expression;
  Flags flags("bare_re2 --expression=E DIRECTORY: matches the lines of *.log there, prints JSON.\n\nOptions:");
  flags.Text("expression", &expression, "in RE2's syntax; all its groups are captured");
  std::vector<std::string> rest;
  if (!flags.Parse(argc, argv, &rest)) return flags.exit_code();
  if (rest.size() != 1 || expression.empty()) return flags.Wrong("bare_re2 needs --expression and one directory");
  const re2::RE2 pattern(expression, re2::RE2::Quiet);
  if (!pattern.ok()) return flags.Wrong(pattern.error());

  std::vector<std::string> texts;
  for (const auto& entry : fs::recursive_directory_iterator(rest[0])) {
    if (entry.path().extension() == ".log") texts.push_back(ReadWhole(entry.path()));
  }
  std::vector<std::string_view> lines;
  for (const std::string& text : texts) Cut(text, lines);

  std::vector<re2::StringPiece> groups(static_cast<size_t>(pattern.NumberOfCapturingGroups()) + 1);
  uint64_t matched = 0;
  const double before = UsageSoFar().cpu_s();
  for (const std::string_view line : lines) {
    const re2::StringPiece piece(line.data(), line.size());
    if (pattern.Match(piece, 0, line.size(), re2::RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size()))) {
      ++matched;
    }
  }
  const double cpu = UsageSoFar().cpu_s() - before;
  std::string out;
  JsonWriter json(&out);
  json.Open('{').Field("lines", static_cast<uint64_t>(lines.size())).Field("matched", matched).Field("cpu_s", cpu).Close('}');
  std::printf("%s\n", out.c_str());
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
