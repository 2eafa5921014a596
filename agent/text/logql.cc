// SPDX-License-Identifier: Apache-2.0
#include "agent/text/logql.h"

#include <algorithm>
#include <utility>

#include "agent/text/internal/go_quote.h"
#include "agent/text/utf8.h"

namespace agent::text {

class LogSelectorParser {
 public:
  explicit LogSelectorParser(std::string_view selector) : all_(selector), rest_(selector) {}

  Result<LogSelector> Run() {
    if (Braces() && Filters()) return std::move(selector_);
    return Fail(Code::kConfig, "invalid selector `" + std::string(all_) + "` at character " +
                                   std::to_string(all_.size() - rest_.size() + 1) + ": " + what_);
  }

 private:
  using Op = LogSelector::Op;

  bool Failed(std::string what) {
    what_ = std::move(what);
    return false;
  }

  // Spaces and comments.
  bool SkipBlank() {
    for (;;) {
      rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
      if (rest_.starts_with("//")) {
        rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
      } else if (rest_.starts_with("/*")) {
        const size_t end = rest_.find("*/", 2);
        if (end == std::string_view::npos) return Failed("the comment does not end");
        rest_.remove_prefix(end + 2);
      } else {
        return true;
      }
    }
  }

  bool Take(std::string_view symbol) {
    if (!rest_.starts_with(symbol)) return false;
    rest_.remove_prefix(symbol.size());
    return true;
  }

  // Go's identifiers; also a bare number, which the upstream scanner lets pass.
  bool Name(std::string& out) {
    size_t size = 0;
    while (size < rest_.size()) {
      const Rune rune = DecodeRune(rest_.substr(size));
      const bool ascii_word = rune.code == '_' || (rune.code >= '0' && rune.code <= '9') ||
                              ((rune.code | 0x20) >= 'a' && (rune.code | 0x20) <= 'z');
      if (rune.code < 0x80 ? !ascii_word : !rune.valid) break;
      size += rune.size;
    }
    if (size == 0) return Failed("a label name is needed here");
    out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }

  bool Text(std::string& out) {
    if (!SkipBlank()) return false;
    if (!rest_.starts_with('"')) return Failed("a text in double quotes is needed here");
    const char* const problem = TakeGoString(rest_, out);
    return problem == nullptr || Failed(problem);
  }

  bool Compile(LogSelector::Condition& condition, const std::string& pattern) {
    if (condition.op != Op::kMatch && condition.op != Op::kNotMatch) return true;
    auto regex = Regex::Compile(pattern);
    if (!regex) return Failed(regex.error().what);
    condition.regex = std::move(*regex);
    return true;
  }

  bool Matcher() {
    LogSelector::Condition condition;
    if (!Name(condition.label) || !SkipBlank()) return false;
    if (Take("=~")) {
      condition.op = Op::kMatch;
    } else if (Take("!~")) {
      condition.op = Op::kNotMatch;
    } else if (Take("!=")) {
      condition.op = Op::kNotEqual;
    } else if (!Take("=")) {
      return Failed("one of = != =~ !~ is needed here");
    }
    if (!Text(condition.text) || !Compile(condition, "(?s:" + condition.text + ")")) return false;
    selector_.matchers_.push_back(std::move(condition));
    return true;
  }

  bool Braces() {
    if (!SkipBlank()) return false;
    if (!Take("{")) return Failed("a selector begins with {");
    for (;;) {
      if (!SkipBlank() || !Matcher() || !SkipBlank()) return false;
      if (Take("}")) return true;
      if (!Take(",")) return Failed("a , or } is needed here");
    }
  }

  bool Filters() {
    for (;;) {
      if (!SkipBlank()) return false;
      if (rest_.empty()) return true;
      LogSelector::Condition condition;
      if (Take("|=")) {
        condition.op = Op::kEqual;
      } else if (Take("|~")) {
        condition.op = Op::kMatch;
      } else if (Take("!=")) {
        condition.op = Op::kNotEqual;
      } else if (Take("!~")) {
        condition.op = Op::kNotMatch;
      } else {
        return Failed(
            "one of |= |~ != !~ is needed here; parsers and label filters do not exist in this stage");
      }
      if (!Text(condition.text) || !Compile(condition, condition.text)) return false;
      selector_.filters_.push_back(std::move(condition));
    }
  }

  std::string_view all_;
  std::string_view rest_;
  LogSelector selector_;
  std::string what_;
};

Result<LogSelector> LogSelector::Parse(std::string_view selector) {
  return LogSelectorParser(selector).Run();
}

bool LogSelector::Condition::Accepts(std::string_view value, Arena& arena) const {
  switch (op) {
    case Op::kEqual:
      return value == text;
    case Op::kNotEqual:
      return value != text;
    case Op::kMatch:
      return regex->Matches(value, arena);
    case Op::kNotMatch:
      return !regex->Matches(value, arena);
  }
  return false;
}

bool LogSelector::MatchesLine(std::string_view line, Arena& arena) const {
  return std::all_of(filters_.begin(), filters_.end(), [&](const Condition& filter) {
    switch (filter.op) {
      case Op::kEqual:
        return line.find(filter.text) != std::string_view::npos;
      case Op::kNotEqual:
        return line.find(filter.text) == std::string_view::npos;
      case Op::kMatch:
        return filter.regex->Contains(line, arena);
      case Op::kNotMatch:
        return !filter.regex->Contains(line, arena);
    }
    return false;
  });
}

}  // namespace agent::text
