// SPDX-License-Identifier: Apache-2.0
#include "agent/platform/glob.h"

#include <algorithm>
#include <span>

namespace agent::platform {
namespace {

using Segment = Glob::Segment;

// The length of the UTF-8 character at the front; 1 for anything that is none.
size_t CharacterLength(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  size_t length = 1;
  if (lead >= 0xF0 && lead < 0xF8) length = 4;
  else if (lead >= 0xE0) length = lead < 0xF0 ? 3 : 1;
  else if (lead >= 0xC0) length = 2;
  if (length > text.size()) return 1;
  for (size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return 1;
  }
  return length;
}

std::string_view TakeCharacter(std::string_view& text) {
  const std::string_view first = text.substr(0, CharacterLength(text));
  text.remove_prefix(first.size());
  return first;
}

// The index just behind a class's `]`, or npos. `pattern[0]` is `[`.
size_t ClassEnd(std::string_view pattern) {
  size_t i = 1;
  if (i < pattern.size() && (pattern[i] == '^' || pattern[i] == '!')) ++i;
  const size_t first = i;
  while (i < pattern.size()) {
    if (pattern[i] == '\\') {
      i += 2;
      continue;
    }
    if (pattern[i] == ']') return i > first ? i + 1 : std::string_view::npos;
    ++i;
  }
  return std::string_view::npos;
}

std::string_view TakeClassCharacter(std::string_view& text) {
  if (text[0] == '\\' && text.size() > 1) text.remove_prefix(1);
  return TakeCharacter(text);
}

// Characters compare as their bytes do: UTF-8 keeps the order of code points.
bool ClassHas(std::string_view members, std::string_view character) {
  const bool negated = !members.empty() && (members[0] == '^' || members[0] == '!');
  if (negated) members.remove_prefix(1);
  bool found = false;
  while (!members.empty()) {
    const std::string_view low = TakeClassCharacter(members);
    std::string_view high = low;
    if (members.size() > 1 && members[0] == '-') {
      members.remove_prefix(1);
      high = TakeClassCharacter(members);
    }
    found = found || (low <= character && character <= high);
  }
  return found != negated;
}

// Matches one item (not a star) of the pattern against the front of `name`.
bool TakeOne(std::string_view& pattern, std::string_view& name) {
  if (name.empty()) return false;
  if (pattern[0] == '?') {
    pattern.remove_prefix(1);
    TakeCharacter(name);
    return true;
  }
  if (pattern[0] == '[') {
    const size_t end = ClassEnd(pattern);
    const std::string_view members = pattern.substr(1, end - 2);
    pattern.remove_prefix(end);
    return ClassHas(members, TakeCharacter(name));
  }
  if (pattern[0] == '\\' && pattern.size() > 1) pattern.remove_prefix(1);
  if (pattern[0] != name[0]) return false;
  pattern.remove_prefix(1);
  name.remove_prefix(1);
  return true;
}

bool MatchPattern(std::string_view pattern, std::string_view name) {
  std::string_view star_pattern, star_name;  // where to go on after giving a star one more
  bool starred = false;
  while (true) {
    if (!pattern.empty() && pattern[0] == '*') {
      pattern.remove_prefix(1);
      starred = true;
      star_pattern = pattern;
      star_name = name;
      continue;
    }
    if (pattern.empty() && name.empty()) return true;
    if (!pattern.empty() && TakeOne(pattern, name)) continue;
    if (!starred || star_name.empty()) return false;
    TakeCharacter(star_name);
    pattern = star_pattern;
    name = star_name;
  }
}

Result<Segment> ParseSegment(std::string_view text) {
  Segment segment;
  if (text == "**") {
    segment.kind = Segment::Kind::kAnyDepth;
    return segment;
  }
  bool pattern = false;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '\\') {
      if (i + 1 == text.size()) return Fail(Code::kConfig, "a backslash at the end quotes nothing");
      segment.text += text[i + 1];
      i += 2;
    } else if (text[i] == '[') {
      const size_t length = ClassEnd(text.substr(i));
      if (length == std::string_view::npos) return Fail(Code::kConfig, "a \"[\" has no \"]\"");
      pattern = true;
      i += length;
    } else {
      pattern = pattern || text[i] == '*' || text[i] == '?';
      segment.text += text[i++];
    }
  }
  if (pattern) {
    segment.kind = Segment::Kind::kPattern;
    segment.text = text;
  }
  return segment;
}

// The end of the brace group that opens at `open`, and where its commas are.
size_t BraceEnd(std::string_view text, size_t open, std::vector<size_t>& commas) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      return i;
    } else if (text[i] == ',' && depth == 1) {
      commas.push_back(i);
    }
  }
  return std::string_view::npos;
}

// Replaces the first brace group by each of its members, and goes on with the results.
Status ExpandBraces(std::string text, std::vector<std::string>& out) {
  size_t open = 0;
  while (open < text.size() && text[open] != '{') open += text[open] == '\\' ? 2 : 1;
  if (open >= text.size()) {
    if (out.size() >= Glob::kMaxAlternatives) {
      return Fail(Code::kConfig, "more than " + std::to_string(Glob::kMaxAlternatives) + " alternatives in braces");
    }
    out.push_back(std::move(text));
    return {};
  }
  std::vector<size_t> cuts{open};
  const size_t close = BraceEnd(text, open, cuts);
  if (close == std::string_view::npos) return Fail(Code::kConfig, "a \"{\" has no \"}\"");
  cuts.push_back(close);
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    const std::string member = text.substr(cuts[i] + 1, cuts[i + 1] - cuts[i] - 1);
    if (auto done = ExpandBraces(text.substr(0, open) + member + text.substr(close + 1), out); !done) return done;
  }
  return {};
}

Result<Glob::Alternative> ParseAlternative(std::string_view text) {
  Glob::Alternative segments;
  while (!text.empty()) {
    const size_t slash = text.find('/');
    const std::string_view part = text.substr(0, slash);
    text.remove_prefix(slash == std::string_view::npos ? text.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    auto segment = ParseSegment(part);
    if (!segment) return Forward(segment);
    const bool repeated = segment->kind == Segment::Kind::kAnyDepth && !segments.empty() &&
                          segments.back().kind == Segment::Kind::kAnyDepth;
    if (!repeated) segments.push_back(std::move(*segment));
  }
  return segments;
}

bool MatchSegments(std::span<const Segment> segments, std::string_view path) {
  if (segments.empty()) return path.empty();
  if (segments[0].kind == Segment::Kind::kAnyDepth) {
    while (true) {
      if (MatchSegments(segments.subspan(1), path)) return true;
      if (path.empty()) return false;
      const size_t slash = path.find('/');
      path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    }
  }
  if (path.empty()) return false;
  const size_t slash = path.find('/');
  if (!segments[0].Matches(path.substr(0, slash))) return false;
  path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  return MatchSegments(segments.subspan(1), path);
}

}  // namespace

bool Glob::Segment::Matches(std::string_view name) const {
  switch (kind) {
    case Kind::kLiteral: return text == name;
    case Kind::kPattern: return MatchPattern(text, name);
    case Kind::kAnyDepth: return true;
  }
  return false;
}

Result<Glob> Glob::Parse(std::string_view pattern) {
  if (pattern.empty() || pattern[0] != '/') {
    return Fail(Code::kConfig, "the pattern \"" + std::string(pattern) + "\" is not an absolute path");
  }
  std::vector<std::string> texts;
  Status expanded = ExpandBraces(std::string(pattern), texts);
  Glob glob;
  for (const std::string& text : texts) {
    auto alternative = ParseAlternative(text);
    if (!alternative) expanded = Forward(alternative);
    else if (!alternative->empty()) glob.alternatives_.push_back(std::move(*alternative));
  }
  if (!expanded) {
    return Fail(Code::kConfig, "the pattern \"" + std::string(pattern) + "\" is no glob: " + expanded.error().what);
  }
  return glob;
}

Glob Glob::Literal(std::string_view path) {
  Glob glob;
  Alternative& segments = glob.alternatives_.emplace_back();
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (!part.empty() && part != ".") segments.push_back({Segment::Kind::kLiteral, std::string(part)});
  }
  return glob;
}

bool Glob::Matches(std::string_view path) const {
  if (path.empty() || path[0] != '/') return false;
  path.remove_prefix(1);
  return std::any_of(alternatives_.begin(), alternatives_.end(),
                     [path](const Alternative& segments) { return MatchSegments(segments, path); });
}

bool Glob::is_literal() const {
  return alternatives_.size() == 1 &&
         std::all_of(alternatives_[0].begin(), alternatives_[0].end(),
                     [](const Segment& segment) { return segment.kind == Segment::Kind::kLiteral; });
}

}  // namespace agent::platform
