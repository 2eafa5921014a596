// SPDX-License-Identifier: Apache-2.0
// Semantic versions (https://semver.org, read leniently: `v1.2` is one) and
// constraints on them: = != > < >= <= ~ ^, wildcards, `1.2 - 1.4`, lists, `||`.
#include <algorithm>
#include <charconv>

#include "agent/text/internal/template_functions.h"
#include "agent/text/internal/template_text.h"

namespace agent::text::tmpl {
namespace {

bool IsIdentifierByte(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

bool IsNumeric(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos; }

// Dot-separated identifiers; `strict`: numbers without leading zeros.
bool TakeIdentifiers(std::string_view& rest, std::string_view& out, bool strict) {
  const std::string_view all = rest;
  size_t at = 0;
  for (;;) {
    const size_t from = at;
    while (at < all.size() && IsIdentifierByte(all[at])) ++at;
    const std::string_view part = all.substr(from, at - from);
    if (part.empty() || (strict && part.size() > 1 && part[0] == '0' && IsNumeric(part))) return false;
    if (at == all.size() || all[at] != '.') break;
    ++at;
  }
  out = all.substr(0, at);
  rest.remove_prefix(at);
  return true;
}

bool TakeNumber(std::string_view& rest, uint64_t& out) {
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), out);
  if (error != std::errc() || end == rest.data()) return false;
  rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  return true;
}

bool TakeWildcard(std::string_view& rest) {
  if (rest.empty() || std::string_view("xX*").find(rest[0]) == std::string_view::npos) return false;
  rest.remove_prefix(1);
  return true;
}

bool TakeSuffixes(std::string_view& rest, Version& out) {
  if (rest.starts_with('-')) {
    rest.remove_prefix(1);
    if (!TakeIdentifiers(rest, out.prerelease, true)) return false;
  }
  if (rest.starts_with('+')) {
    rest.remove_prefix(1);
    if (!TakeIdentifiers(rest, out.metadata, false)) return false;
  }
  return true;
}

bool ParseVersion(std::string_view text, Version& out) {
  out.original = text;
  if (text.starts_with('v')) text.remove_prefix(1);
  if (!TakeNumber(text, out.major)) return false;
  for (uint64_t* number : {&out.minor, &out.patch}) {
    if (!text.starts_with('.')) break;
    text.remove_prefix(1);
    if (!TakeNumber(text, *number)) return false;
  }
  return TakeSuffixes(text, out) && text.empty();
}

int Sign(bool less, bool greater) { return less ? -1 : greater ? 1 : 0; }

int CompareIdentifiers(std::string_view a, std::string_view b) {
  const bool a_number = IsNumeric(a);
  const bool b_number = IsNumeric(b);
  if (a_number != b_number) return a_number ? -1 : 1;
  if (a_number && a.size() != b.size()) return Sign(a.size() < b.size(), true);
  return Sign(a < b, a > b);
}

int ComparePrereleases(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return Sign(!a.empty() && b.empty(), a.empty() && !b.empty());
  for (;;) {
    const size_t a_end = std::min(a.find('.'), a.size());
    const size_t b_end = std::min(b.find('.'), b.size());
    const int order = CompareIdentifiers(a.substr(0, a_end), b.substr(0, b_end));
    if (order != 0) return order;
    if (a_end == a.size() || b_end == b.size()) return Sign(a_end == a.size() && b_end != b.size(), a_end != a.size());
    a.remove_prefix(a_end + 1);
    b.remove_prefix(b_end + 1);
  }
}

int Compare(const Version& a, const Version& b) {
  if (a.major != b.major) return Sign(a.major < b.major, true);
  if (a.minor != b.minor) return Sign(a.minor < b.minor, true);
  if (a.patch != b.patch) return Sign(a.patch < b.patch, true);
  return ComparePrereleases(a.prerelease, b.prerelease);
}

// -- constraints --

enum class Operator { kEqual, kNotEqual, kGreater, kLess, kAtLeast, kAtMost, kTilde, kCaret };

struct Constraint {
  Operator op = Operator::kEqual;
  Version version;
  bool open = false;        // some part is a wildcard or missing
  bool open_minor = false;
  bool open_patch = false;
};

void SkipSpaces(std::string_view& rest) {
  while (!rest.empty() && (rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\n')) rest.remove_prefix(1);
}

Operator TakeOperator(std::string_view& rest) {
  struct Spelling {
    std::string_view text;
    Operator op;
  };
  constexpr Spelling kSpellings[] = {
      {"!=", Operator::kNotEqual}, {">=", Operator::kAtLeast}, {"=>", Operator::kAtLeast}, {"<=", Operator::kAtMost},
      {"=<", Operator::kAtMost},   {"~>", Operator::kTilde},   {"~", Operator::kTilde},    {"^", Operator::kCaret},
      {"=", Operator::kEqual},     {">", Operator::kGreater},  {"<", Operator::kLess},
  };
  for (const Spelling& spelling : kSpellings) {
    if (!rest.starts_with(spelling.text)) continue;
    rest.remove_prefix(spelling.text.size());
    return spelling.op;
  }
  return Operator::kEqual;
}

bool TakeOpenVersion(std::string_view& rest, Constraint& out) {
  Version& version = out.version;
  if (rest.starts_with('v')) rest.remove_prefix(1);
  bool wild = TakeWildcard(rest);
  if (!wild && !TakeNumber(rest, version.major)) return false;
  const bool wild_major = wild;
  bool has_minor = false;
  bool has_patch = false;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    has_minor = !(wild = TakeWildcard(rest));
    if (has_minor && !TakeNumber(rest, version.minor)) return false;
    if (rest.starts_with('.')) {
      rest.remove_prefix(1);
      has_patch = !(wild = TakeWildcard(rest));
      if (has_patch && !TakeNumber(rest, version.patch)) return false;
    }
  }
  if (!TakeSuffixes(rest, version)) return false;
  out.open_minor = !wild_major && !has_minor;
  out.open_patch = !wild_major && has_minor && !has_patch;
  out.open = wild_major || out.open_minor || out.open_patch;
  if (wild_major) version.major = version.minor = version.patch = 0;
  if (out.open_minor) version.minor = version.patch = 0;
  return true;
}

bool Tilde(const Constraint& c, const Version& v) {
  if (Compare(v, c.version) < 0) return false;
  const Version& w = c.version;
  if (w.major == 0 && w.minor == 0 && w.patch == 0 && !c.open_minor && !c.open_patch) return true;
  return v.major == w.major && (v.minor == w.minor || c.open_minor);
}

bool Caret(const Constraint& c, const Version& v) {
  const Version& w = c.version;
  if (Compare(v, w) < 0) return false;
  if (w.major > 0 || c.open_minor) return v.major == w.major;
  if (v.major > 0) return false;
  if (w.minor > 0 || c.open_patch) return v.minor == w.minor;
  return v.minor == 0 && v.patch == w.patch;
}

bool Greater(const Constraint& c, const Version& v) {
  const Version& w = c.version;
  if (!c.open) return Compare(v, w) > 0;
  if (v.major != w.major) return v.major > w.major;
  if (c.open_minor) return false;
  return c.open_patch ? v.minor > w.minor : Compare(v, w) > 0;
}

bool NotEqual(const Constraint& c, const Version& v) {
  const Version& w = c.version;
  if (!c.open) return Compare(v, w) != 0;
  if (v.major != w.major) return true;
  if (c.open_minor) return false;
  if (v.minor != w.minor) return true;
  return !c.open_patch && v.patch != w.patch;
}

bool AtMost(const Constraint& c, const Version& v) {
  const Version& w = c.version;
  if (!c.open) return Compare(v, w) <= 0;
  if (v.major != w.major) return v.major < w.major;
  return v.minor <= w.minor || c.open_minor;
}

bool Holds(const Constraint& c, const Version& v) {
  // A prerelease is only let in where the constraint names one.
  const bool prerelease = !v.prerelease.empty() && c.version.prerelease.empty();
  if (prerelease) return false;
  switch (c.op) {
    case Operator::kEqual: return c.open ? Tilde(c, v) : Compare(v, c.version) == 0;
    case Operator::kNotEqual: return NotEqual(c, v);
    case Operator::kGreater: return Greater(c, v);
    case Operator::kLess: return Compare(v, c.version) < 0;
    case Operator::kAtLeast: return Compare(v, c.version) >= 0;
    case Operator::kAtMost: return AtMost(c, v);
    case Operator::kTilde: return Tilde(c, v);
    case Operator::kCaret: return Caret(c, v);
  }
  return false;
}

// One or more constraints with spaces or commas between them. False: not a list.
bool AllHold(std::string_view list, const Version& version, bool& holds) {
  SkipSpaces(list);
  if (list.empty()) return false;
  while (!list.empty()) {
    Constraint c;
    c.op = TakeOperator(list);
    SkipSpaces(list);
    if (!TakeOpenVersion(list, c)) return false;
    std::string_view after = list;
    SkipSpaces(after);
    if (after.starts_with("- ")) {  // a range: at least this, at most the next
      after.remove_prefix(2);
      SkipSpaces(after);
      c.op = Operator::kAtLeast;
      Constraint end;
      end.op = Operator::kAtMost;
      if (!TakeOpenVersion(after, end)) return false;
      holds = holds && Holds(end, version);
      list = after;
      SkipSpaces(after);
    }
    holds = holds && Holds(c, version);
    if (after.empty()) return true;
    const bool comma = after.starts_with(',');
    if (comma) after.remove_prefix(1);
    if (!comma && after.size() == list.size()) return false;  // "1.0x"
    SkipSpaces(after);
    list = after;
    if (list.empty()) return false;
  }
  return true;
}

Value SemverCompare(Run& run, Args args) {
  Version version;
  bool any = false;
  bool valid = true;
  std::string_view rest = args[0].text;
  const bool known = ParseVersion(args[1].text, version);
  for (bool last = false; !last && valid;) {
    const size_t bar = rest.find("||");
    last = bar == std::string_view::npos;
    bool holds = true;
    valid = AllHold(rest.substr(0, bar), version, holds);
    any = any || (valid && holds);
    if (!last) rest.remove_prefix(bar + 2);
  }
  if (!valid) return run.Fail("not a constraint on versions: ", args[0].text);
  if (!known) return run.Fail("not a semantic version: ", args[1].text);
  return Value::Bool(any);
}

Value Semver(Run& run, Args args) {
  Version version;
  if (!ParseVersion(args[0].text, version)) return run.Fail("not a semantic version: ", args[0].text);
  return Value::Of(run.scratch().arena.New<Version>(version));
}

constexpr Function kVersionFunctions[] = {
    {"semver", "s", Semver},
    {"semverCompare", "ss", SemverCompare},
};

const Version& Self(Args args) { return *args[0].version; }

// Go's type of these is uint64; no function here takes one, so the type is moot.
Value Major(Run&, Args args) { return Value::Int64(static_cast<int64_t>(Self(args).major)); }
Value Minor(Run&, Args args) { return Value::Int64(static_cast<int64_t>(Self(args).minor)); }
Value Patch(Run&, Args args) { return Value::Int64(static_cast<int64_t>(Self(args).patch)); }
Value Prerelease(Run&, Args args) { return Value::String(Self(args).prerelease); }
Value Metadata(Run&, Args args) { return Value::String(Self(args).metadata); }
Value Original(Run&, Args args) { return Value::String(Self(args).original); }
Value Text(Run& run, Args args) {
  Buffer out(run);
  AppendVersion(*out, Self(args));
  return run.Text(*out);
}
Value CompareWith(Run&, Args args) { return Value::Int(Compare(Self(args), *args[1].version)); }
Value LessThan(Run&, Args args) { return Value::Bool(Compare(Self(args), *args[1].version) < 0); }
Value GreaterThan(Run&, Args args) { return Value::Bool(Compare(Self(args), *args[1].version) > 0); }
Value EqualTo(Run&, Args args) { return Value::Bool(Compare(Self(args), *args[1].version) == 0); }

constexpr Function kMethods[] = {
    {"Major", "p", Major},           {"Minor", "p", Minor},       {"Patch", "p", Patch},
    {"Prerelease", "p", Prerelease}, {"Metadata", "p", Metadata}, {"Original", "p", Original},
    {"String", "p", Text},           {"Compare", "pp", CompareWith}, {"LessThan", "pp", LessThan},
    {"GreaterThan", "pp", GreaterThan}, {"Equal", "pp", EqualTo},
};

}  // namespace

void AppendVersion(std::string& out, const Version& version) {
  out.append(std::to_string(version.major)).append(".");
  out.append(std::to_string(version.minor)).append(".").append(std::to_string(version.patch));
  if (!version.prerelease.empty()) out.append("-").append(version.prerelease);
  if (!version.metadata.empty()) out.append("+").append(version.metadata);
}

std::span<const Function> VersionFunctions() { return kVersionFunctions; }
std::span<const Function> VersionMethods() { return kMethods; }

}  // namespace agent::text::tmpl
