// SPDX-License-Identifier: Apache-2.0
#include "agent/text/regex.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "agent/text/internal/template_unicode.h"
#include "agent/text/utf8.h"

namespace agent::text {
namespace {

constexpr int64_t kUsualMemory = 8 << 20;    // RE2's own default
constexpr int64_t kLargeMemory = 256 << 20;  // Go has no limit; this is ours
constexpr size_t kMaxGroups = 256;
constexpr size_t kFewGroups = 4;  // views to be cleared for each match
constexpr size_t kSomeGroups = 16;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool IsNameChar(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// Walks a pattern's groups. RE2 refuses two groups of one name, so the names are
// taken out of the pattern and kept beside it.
class GroupNames {
 public:
  explicit GroupNames(std::string_view pattern) : rest_(pattern) {
    while (!rest_.empty()) Step();
  }

  std::string rewritten;
  std::vector<std::string> names{""};
  bool single_byte = false;  // has `\C`, which Go refuses

 private:
  void Take(size_t count) {
    count = std::min(count, rest_.size());
    rewritten.append(rest_.substr(0, count));
    rest_.remove_prefix(count);
  }

  void Step() {
    if (rest_.starts_with("\\Q")) {
      const size_t end = rest_.find("\\E");
      Take(end == std::string_view::npos ? rest_.size() : end + 2);
    } else if (rest_[0] == '\\') {
      single_byte |= rest_.starts_with("\\C");
      Take(2);
    } else if (rest_[0] == '[') {
      TakeClass();
    } else if (rest_[0] == '(') {
      TakeOpening();
    } else {
      Take(1);
    }
  }

  void TakeClass() {
    Take(1);
    if (rest_.starts_with('^')) Take(1);
    if (rest_.starts_with(']')) Take(1);
    while (!rest_.empty() && rest_[0] != ']') {
      const size_t end = rest_.starts_with("[:") ? rest_.find(":]") : std::string_view::npos;
      if (end != std::string_view::npos) {
        Take(end + 2);
      } else {
        Take(rest_[0] == '\\' ? 2 : 1);
      }
    }
    Take(1);
  }

  void TakeOpening() {
    if (!rest_.starts_with("(?")) {
      names.emplace_back();
      Take(1);
      return;
    }
    const size_t prefix = rest_.starts_with("(?P<") ? 4 : rest_.starts_with("(?<") ? 3 : 0;
    const size_t end = prefix == 0 ? std::string_view::npos : rest_.find('>');
    if (end == std::string_view::npos || end == prefix ||
        !std::all_of(rest_.begin() + static_cast<ptrdiff_t>(prefix),
                     rest_.begin() + static_cast<ptrdiff_t>(end), IsNameChar)) {
      Take(2);  // flags, or a mistake for RE2 to name
      return;
    }
    names.emplace_back(rest_.substr(prefix, end - prefix));
    rewritten += '(';
    rest_.remove_prefix(end + 1);
  }

  std::string_view rest_;
};

// `text` with every invalid byte replaced by U+FFFD.
std::string_view Replaced(std::string_view text, Arena& arena) {
  char* const first = static_cast<char*>(arena.Allocate(text.size() * kReplacement.size(), 1));
  char* to = first;
  while (!text.empty()) {
    const Rune rune = DecodeRune(text);
    const std::string_view bytes = rune.valid ? text.substr(0, rune.size) : kReplacement;
    to = std::copy(bytes.begin(), bytes.end(), to);
    text.remove_prefix(rune.size);
  }
  arena.Trim(first, static_cast<size_t>(to - first));
  return {first, static_cast<size_t>(to - first)};
}

// RE2 wants its own kind of views; they are made on the stack.
template <size_t kRoom>
bool MatchInto(const RE2& re, std::string_view text, size_t start, std::span<std::string_view> found) {
  re2::StringPiece pieces[kRoom];
  if (!re.Match(re2::StringPiece(text.data(), text.size()), start, text.size(), RE2::UNANCHORED, pieces,
                static_cast<int>(found.size()))) {
    return false;
  }
  for (size_t i = 0; i < found.size(); ++i) found[i] = {pieces[i].data(), pieces[i].size()};
  return true;
}

}  // namespace

Subject::Subject(std::string_view text, Arena& arena)
    : text_(text.data() == nullptr ? "" : text), valid_(text_), is_valid_(IsValidUtf8(text_)) {
  if (!is_valid_) valid_ = Replaced(text_, arena);
}

void Subject::Advance(Place& place) const {
  const Rune rune = DecodeRune(text_.substr(place.original));
  place.original += rune.size;
  place.replaced += rune.valid ? rune.size : kReplacement.size();
}

Subject::Place Subject::AtOriginal(size_t offset) const {
  Place place = known_;
  while (place.original < text_.size() && place.original < offset) Advance(place);
  return place;
}

Subject::Place Subject::AtReplaced(size_t offset) const {
  Place place = known_;
  while (place.original < text_.size() && place.replaced < offset) Advance(place);
  return place;
}

struct Regex::Impl {
  std::unique_ptr<RE2> re;
};

Regex::Regex() = default;
Regex::~Regex() = default;

Result<std::unique_ptr<const Regex>> Regex::Compile(std::string_view pattern) {
  GroupNames names(pattern);
  if (names.names.size() > kMaxGroups) {
    return Fail(Code::kConfig,
                "a regular expression may have at most " + std::to_string(kMaxGroups - 1) + " groups");
  }
  if (names.single_byte) {
    return Fail(Code::kConfig,
                "invalid regular expression \"" + std::string(pattern) + "\": `\\C` is not supported");
  }
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kUsualMemory);
  std::unique_ptr<Regex> made(new Regex());
  made->impl_ = std::make_unique<Impl>();
  made->impl_->re = std::make_unique<RE2>(names.rewritten, options);
  if (made->impl_->re->error_code() == RE2::ErrorPatternTooLarge) {
    options.set_max_mem(kLargeMemory);
    made->impl_->re = std::make_unique<RE2>(names.rewritten, options);
  }
  const RE2& re = *made->impl_->re;
  if (!re.ok()) {
    return Fail(Code::kConfig, "invalid regular expression \"" + std::string(pattern) + "\": " + re.error());
  }
  if (re.NumberOfCapturingGroups() + 1 != static_cast<int>(names.names.size())) {
    return Fail(Code::kConfig,
                "invalid regular expression \"" + std::string(pattern) + "\": unsupported group syntax");
  }
  made->pattern_ = pattern;
  made->names_ = std::move(names.names);
  return made;
}

bool Regex::FindIn(std::string_view text, size_t start, std::span<std::string_view> found) const {
  const size_t wanted = std::min(found.size(), names_.size());
  if (wanted <= kFewGroups) return MatchInto<kFewGroups>(*impl_->re, text, start, found.first(wanted));
  if (wanted <= kSomeGroups) return MatchInto<kSomeGroups>(*impl_->re, text, start, found.first(wanted));
  return MatchInto<kMaxGroups>(*impl_->re, text, start, found.first(wanted));
}

bool Regex::Find(Subject& subject, size_t start, std::span<std::string_view> found) const {
  if (subject.is_valid_) return FindIn(subject.text_, start, found);
  subject.known_ = subject.AtOriginal(start);
  if (!FindIn(subject.valid_, subject.known_.replaced, found)) return false;
  // found[0] is the first of them, and no later search begins before it.
  for (std::string_view& group : found.first(std::min(found.size(), names_.size()))) {
    if (group.data() == nullptr) continue;
    const auto offset = static_cast<size_t>(group.data() - subject.valid_.data());
    const Subject::Place begin = subject.AtReplaced(offset);
    const Subject::Place end = subject.AtReplaced(offset + group.size());
    if (&group == found.data()) subject.known_ = begin;
    group = subject.text_.substr(begin.original, end.original - begin.original);
  }
  return true;
}

bool Regex::Find(std::string_view text, size_t start, std::span<std::string_view> found, Arena& arena) const {
  Subject subject(text, arena);
  return Find(subject, start, found);
}

bool Regex::Contains(std::string_view text, Arena& arena) const { return Find(text, 0, {}, arena); }

bool Regex::Matches(std::string_view text, Arena& arena) const {
  const std::string_view valid = IsValidUtf8(text) ? text : Replaced(text, arena);
  return impl_->re->Match(re2::StringPiece(valid.data(), valid.size()), 0, valid.size(), RE2::ANCHOR_BOTH,
                          nullptr, 0);
}

bool TakeReference(std::string_view& rest, std::string_view& name) {
  const bool braced = rest.starts_with('{');
  size_t length = braced ? 1 : 0;
  while (length < rest.size()) {
    const tmpl::Decoded next = tmpl::DecodeRune(rest, length);
    if (!tmpl::IsAlphanumeric(next.rune)) break;
    length += next.size;
  }
  name = rest.substr(braced ? 1 : 0, length - (braced ? 1 : 0));
  if (name.empty() || (braced && (length == rest.size() || rest[length] != '}'))) return false;
  rest.remove_prefix(length + (braced ? 1 : 0));
  return true;
}

}  // namespace agent::text
