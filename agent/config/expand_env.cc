// SPDX-License-Identifier: Apache-2.0
#include "agent/config/expand_env.h"

#include <locale.h>
#include <wctype.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "agent/config/internal/glob.h"
#include "agent/core/result.h"

namespace agent::config {
namespace {

using Text = Result<std::string>;

constexpr int kMaxNesting = 50;

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void AppendUtf8(std::string& out, uint32_t point) {
  const auto add = [&out](uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) return add(point);
  if (point < 0x800) return add(0xC0 | point >> 6), add(0x80 | (point & 0x3F));
  if (point < 0x10000) return add(0xE0 | point >> 12), add(0x80 | (point >> 6 & 0x3F)), add(0x80 | (point & 0x3F));
  add(0xF0 | point >> 18), add(0x80 | (point >> 12 & 0x3F)), add(0x80 | (point >> 6 & 0x3F)), add(0x80 | (point & 0x3F));
}

// The first character (`all`: every one) in upper or lower case.
std::string ChangeCase(std::string_view text, bool upper, bool all) {
  static const locale_t kUtf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);  // null: ASCII only
  std::string out;
  for (bool first = true; !text.empty(); first = false) {
    const std::string_view one = text.substr(0, internal::CharLength(text));
    text.remove_prefix(one.size());
    const auto lead = static_cast<unsigned char>(one[0]);
    const bool stray = one.size() == 1 && lead >= 0x80;
    if ((!first && !all) || stray || (one.size() > 1 && kUtf8 == nullptr)) {
      out += one;
      continue;
    }
    uint32_t point = one.size() == 1 ? lead : lead & (0x7FU >> one.size());
    for (const char c : one.substr(1)) point = point << 6 | (static_cast<unsigned char>(c) & 0x3F);
    if (kUtf8 == nullptr) {
      const bool letter = (point | 0x20) >= 'a' && (point | 0x20) <= 'z';
      point = !letter ? point : upper ? point & ~0x20U : point | 0x20U;
    } else {
      point = static_cast<uint32_t>(upper ? towupper_l(point, kUtf8) : towlower_l(point, kUtf8));
    }
    AppendUtf8(out, point);
  }
  return out;
}

bool ParseIndex(std::string_view text, int64_t& out) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  constexpr size_t kMostDigits = 18;
  if (text.empty() || text.size() > kMostDigits) return false;
  if (!std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) return false;
  out = 0;
  for (const char c : text) out = out * 10 + (c - '0');
  if (negative) out = -out;
  return true;
}

std::string Substring(const std::string& value, const std::vector<std::string>& arguments) {
  const auto size = static_cast<int64_t>(value.size());
  int64_t position = 0;
  int64_t length = size;
  if (arguments.size() > 2 || !ParseIndex(arguments[0], position)) return value;
  if (arguments.size() == 2 && !ParseIndex(arguments[1], length)) return value;
  if (position < 0) position = std::max<int64_t>(0, position + size);
  if (position >= size || length <= 0) return {};
  return value.substr(static_cast<size_t>(position), static_cast<size_t>(length));
}

enum class ReplaceWhere { kOnce, kAll, kFront, kBack };

std::string Replace(const std::string& value, const std::string& old, const std::string& fresh, ReplaceWhere where) {
  if (where == ReplaceWhere::kFront) return value.starts_with(old) ? fresh + value.substr(old.size()) : value;
  if (where == ReplaceWhere::kBack) {
    return value.ends_with(old) ? value.substr(0, value.size() - old.size()) + fresh : value;
  }
  std::string out;
  size_t from = 0;
  for (size_t at = value.find(old); at != std::string::npos; at = value.find(old, from)) {
    out.append(value, from, at - from).append(fresh);
    from = at + old.size();
    if (where == ReplaceWhere::kOnce) break;
  }
  return out.append(value, from);
}

// A recursive descent over the text that evaluates as it goes.
class Expander {
 public:
  Expander(std::string_view text, const EnvLookup& lookup) : text_(text), lookup_(lookup) {}

  Text All();
  size_t start_of_bad() const { return start_; }

 private:
  bool AtEnd() const { return at_ >= text_.size(); }
  bool Sees(std::string_view what) const { return text_.substr(std::min(at_, text_.size())).starts_with(what); }
  bool Take(std::string_view what) {
    if (!Sees(what)) return false;
    at_ += what.size();
    return true;
  }
  static std::unexpected<Error> Bad(std::string_view why) { return Fail(Code::kConfig, std::string(why)); }

  std::string Value(std::string_view name) const { return lookup_(name).value_or(std::string()); }
  Text Substitution();  // behind `${`, takes the `}`
  Text Length();
  Text Operation(const std::string& value);
  Text Colon(const std::string& value);
  Text Default(const std::string& value);
  Text Case(const std::string& value);
  Text Trim(const std::string& value);
  Text ReplaceIn(const std::string& value);
  // An argument up to one of `ends`, which stays; nested substitutions are evaluated.
  // `unescape`: \\ and \/ lose their backslash, and no escaped `/` ends the argument.
  Text Argument(std::string_view ends, bool unescape);

  std::string_view text_;
  const EnvLookup& lookup_;
  size_t at_ = 0;
  size_t start_ = 0;  // of the outermost substitution in work
  int nesting_ = 0;
};

Text Expander::All() {
  std::string out;
  while (!AtEnd()) {
    if (Take("$$")) {
      out += '$';
    } else if (Take("\\\\")) {
      out += '\\';
    } else if (Take("\\/")) {
      out += '/';
    } else if (Sees("${")) {
      start_ = at_;
      at_ += 2;
      Text value = Substitution();
      if (!value) return value;
      out += *value;
    } else {
      out += text_[at_++];
    }
  }
  return out;
}

Text Expander::Substitution() {
  if (++nesting_ > kMaxNesting) return Bad("it is nested too deeply");
  Text out;
  if (Take("#")) {
    out = Length();
  } else {
    const size_t start = at_;
    while (!AtEnd() && IsNameChar(text_[at_])) ++at_;
    const std::string_view name = text_.substr(start, at_ - start);
    if (name.empty()) return Bad("a variable's name (letters, digits, _) must follow ${");
    out = Operation(Value(name));
  }
  if (!out) return out;
  if (!Take("}")) return Bad(AtEnd() ? "the closing } is missing" : "a } must follow, or one of :- := :+ :? = : ^ , # % /");
  --nesting_;
  return out;
}

Text Expander::Length() {
  const size_t start = at_;
  while (!AtEnd() && IsNameChar(text_[at_])) ++at_;
  if (at_ == start) return Bad("a variable's name must follow ${#");
  return std::to_string(Value(text_.substr(start, at_ - start)).size());
}

Text Expander::Operation(const std::string& value) {
  if (Sees("}") || AtEnd()) return value;
  switch (text_[at_]) {
    case ':': return Colon(value);
    case '=': ++at_; return Default(value);
    case '^': case ',': return Case(value);
    case '#': case '%': return Trim(value);
    case '/': return ReplaceIn(value);
    default: return value;  // Substitution complains of what stands here
  }
}

Text Expander::Colon(const std::string& value) {
  ++at_;
  for (const char* mark : {"-", "=", "?", "+"}) {
    if (Take(mark)) return Default(value);
  }
  std::vector<std::string> arguments;
  do {
    Text argument = Argument(":}", false);
    if (!argument) return argument;
    if (argument->empty()) return Bad("a position must follow the colon");
    arguments.push_back(std::move(*argument));
  } while (Take(":"));
  return Substring(value, arguments);
}

Text Expander::Default(const std::string& value) {
  Text fallback = Argument("}", false);
  return fallback && !value.empty() ? Text(value) : fallback;
}

Text Expander::Case(const std::string& value) {
  if (Take("^^")) return ChangeCase(value, true, true);
  if (Take(",,")) return ChangeCase(value, false, true);
  if (Take("^,") || Take(",^")) return value;
  if (Take("^")) return ChangeCase(value, true, false);
  Take(",");
  return ChangeCase(value, false, false);
}

Text Expander::Trim(const std::string& value) {
  const char mark = text_[at_++];
  const bool longest = Take(std::string_view(&mark, 1));
  const Text pattern = Argument("}", false);
  if (!pattern) return pattern;
  if (pattern->empty()) return Bad("a pattern must follow # or %");
  const auto trim = mark == '#' ? internal::TrimGlobPrefix : internal::TrimGlobSuffix;
  return std::string(trim(value, *pattern, longest));
}

Text Expander::ReplaceIn(const std::string& value) {
  ++at_;
  const ReplaceWhere where = Take("/")   ? ReplaceWhere::kAll
                             : Take("#") ? ReplaceWhere::kFront
                             : Take("%") ? ReplaceWhere::kBack
                                         : ReplaceWhere::kOnce;
  const Text old = Argument("/", true);
  if (!old) return old;
  if (!Take("/")) return Bad("write the replacement as ${NAME/old/new}");
  if (old->empty()) return Bad("the text to replace is empty");
  const Text fresh = Argument("}", true);
  if (!fresh) return fresh;
  return Replace(value, *old, *fresh, where);
}

Text Expander::Argument(std::string_view ends, bool unescape) {
  std::string out;
  while (!AtEnd() && ends.find(text_[at_]) == std::string_view::npos) {
    if (unescape && (Sees("\\\\") || Sees("\\/"))) {
      out += text_[at_ + 1];
      at_ += 2;
    } else if (Take("${")) {
      Text nested = Substitution();
      if (!nested) return nested;
      out += *nested;
    } else {
      out += text_[at_++];
    }
  }
  return out;
}

std::string FirstLine(std::string_view text) {
  constexpr size_t kShown = 60;
  const std::string_view line = text.substr(0, text.find('\n'));
  return std::string(line.substr(0, kShown)) + (line.size() > kShown ? "..." : "");
}

}  // namespace

EnvLookup ProcessEnvironment() {
  return [](std::string_view name) -> std::optional<std::string> {
    // Nothing in this program writes the environment.
    const char* value = std::getenv(std::string(name).c_str());  // NOLINT(concurrency-mt-unsafe)
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

std::optional<std::string> ExpandEnv(std::string_view text, const std::string& file_name, const EnvLookup& lookup,
                                     Diagnostics& diagnostics) {
  Expander expander(text, lookup);
  Text out = expander.All();
  if (out) return std::move(*out);
  const std::string_view before = text.substr(0, expander.start_of_bad());
  const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  const Place place{file_name, static_cast<int>(std::ranges::count(before, '\n')) + 1,
                    static_cast<int>(before.size() - line_start) + 1};
  diagnostics.AddError(place, "", "`" + FirstLine(text.substr(expander.start_of_bad())) +
                                      "` is not a substitution: " + out.error().what + "; write $${ for a plain ${");
  return std::nullopt;
}

}  // namespace agent::config
