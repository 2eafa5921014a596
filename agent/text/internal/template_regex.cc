// SPDX-License-Identifier: Apache-2.0
// Sprig's functions of regular expressions, with Go's way through all matches of a
// text and its templates of replacement (`$1`, `${name}`).
#include <array>

#include "agent/text/internal/template_functions.h"
#include "agent/text/internal/template_unicode.h"

namespace agent::text::tmpl {
namespace {

constexpr size_t kGroups = 32;  // more are not looked at in a replacement
using Groups = std::array<std::string_view, kGroups>;

// Calls visit(groups) for every match that does not overlap an earlier one, an empty
// one directly after another match left out. False from visit ends it.
template <class Visit>
bool ForEachMatch(Run& run, const Regex& regex, std::string_view text, Visit&& visit) {
  Subject subject(text, run.scratch().arena);
  text = subject.text();
  Groups groups;
  size_t from = 0;
  size_t last_end = std::string_view::npos;
  while (from <= text.size()) {
    if (!run.Charge()) return false;
    groups.fill({});
    if (!regex.Find(subject, from, groups)) break;
    const auto begin = static_cast<size_t>(groups[0].data() - text.data());
    const size_t end = begin + groups[0].size();
    const bool empty_after_match = groups[0].empty() && begin == last_end;
    last_end = end;
    if (!empty_after_match && !visit(groups)) return !run.failed();
    from = end;
    if (groups[0].empty()) from += from < text.size() ? DecodeRune(text, from).size : 1;
  }
  return true;
}

std::string_view GroupNamed(const Regex& regex, const Groups& groups, std::string_view name) {
  const bool number = name.find_first_not_of("0123456789") == std::string_view::npos && name.size() < 4 &&
                      (name.size() == 1 || name[0] != '0');
  if (number) {
    const size_t index = static_cast<size_t>(std::stoul(std::string(name)));
    return index < kGroups && index <= regex.groups() ? groups[index] : std::string_view();
  }
  for (size_t i = 1; i < regex.names().size() && i < kGroups; ++i) {
    if (regex.names()[i] == name && groups[i].data() != nullptr) return groups[i];
  }
  return {};
}

void Expand(const Regex& regex, const Groups& groups, std::string_view by, std::string& out) {
  for (size_t dollar = by.find('$'); dollar != std::string_view::npos; dollar = by.find('$')) {
    out.append(by.substr(0, dollar));
    by.remove_prefix(dollar + 1);
    std::string_view name;
    if (by.starts_with('$')) {
      out.push_back('$');
      by.remove_prefix(1);
    } else if (TakeReference(by, name)) {
      out.append(GroupNamed(regex, groups, name));
    } else {
      out.push_back('$');
    }
  }
  out.append(by);
}

Value Replace(Run& run, Args args, bool literal) {
  const Regex* regex = run.Compile(args[0].text);
  if (regex == nullptr) return {};
  const std::string_view text = args[1].text;
  Buffer out(run);
  size_t copied = 0;
  const bool ok = ForEachMatch(run, *regex, text, [&](const Groups& groups) {
    const size_t begin = text.empty() ? 0 : static_cast<size_t>(groups[0].data() - text.data());
    out->append(text.substr(copied, begin - copied));
    if (literal) {
      out->append(args[2].text);
    } else {
      Expand(*regex, groups, args[2].text, *out);
    }
    copied = begin + groups[0].size();
    return run.Room(out->size());
  });
  if (!ok || run.failed()) return {};
  out->append(text.substr(copied));
  return run.Text(*out);
}

Value ReplaceAll(Run& run, Args args) { return Replace(run, args, false); }
Value ReplaceAllLiteral(Run& run, Args args) { return Replace(run, args, true); }

Value MustMatch(Run& run, Args args) {
  const Regex* regex = run.Compile(args[0].text);
  return regex == nullptr ? Value() : Value::Bool(regex->Contains(args[1].text, run.scratch().arena));
}

// A pattern that is no regular expression simply does not match.
Value Match(Run& run, Args args) {
  if (!run.scratch().regexes.contains(args[0].text) && !Regex::Compile(args[0].text)) {
    run.Charge(1000);
    return Value::Bool(false);
  }
  return MustMatch(run, args);
}

Value Find(Run& run, Args args) {
  const Regex* regex = run.Compile(args[0].text);
  Groups groups;
  if (regex == nullptr || !regex->Find(args[1].text, 0, std::span(groups).first(1), run.scratch().arena)) {
    return Value::String({});
  }
  return Value::String(groups[0]);
}

Value FindAll(Run& run, Args args) {
  const Regex* regex = run.Compile(args[0].text);
  if (regex == nullptr) return {};
  const int64_t most = args[2].integer;
  ValueBuffer found(run);
  if (most != 0) {
    ForEachMatch(run, *regex, args[1].text, [&](const Groups& groups) {
      found->push_back(Value::String(groups[0]));
      return most < 0 || static_cast<int64_t>(found->size()) < most;
    });
  }
  return found->empty() ? run.NullList(Elem::kString) : run.NewList(*found, Elem::kString);
}

Value Split(Run& run, Args args) {
  const Regex* regex = run.Compile(args[0].text);
  if (regex == nullptr) return {};
  const std::string_view text = args[1].text;
  const int64_t most = args[2].integer;
  if (most == 0) return run.NullList(Elem::kString);
  ValueBuffer parts(run);
  if (!args[0].text.empty() && text.empty()) {
    parts->push_back(Value::String({}));
    return run.NewList(*parts, Elem::kString);
  }
  size_t begin = 0;
  size_t end = 0;
  ForEachMatch(run, *regex, text, [&](const Groups& groups) {
    if (most > 0 && static_cast<int64_t>(parts->size()) == most - 1) return false;
    const size_t match = text.empty() ? 0 : static_cast<size_t>(groups[0].data() - text.data());
    end = match;
    if (match + groups[0].size() != 0) parts->push_back(Value::String(text.substr(begin, end - begin)));
    begin = match + groups[0].size();
    return true;
  });
  if (end != text.size()) parts->push_back(Value::String(text.substr(begin)));
  return run.NewList(*parts, Elem::kString);
}

Value QuoteMeta(Run& run, Args args) {
  Buffer out(run);
  for (const char c : args[0].text) {
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) out->push_back('\\');
    out->push_back(c);
  }
  return run.Text(*out);
}

constexpr Function kRegexFunctions[] = {
    {"regexReplaceAll", "sss", ReplaceAll},
    {"mustRegexReplaceAll", "sss", ReplaceAll},
    {"regexReplaceAllLiteral", "sss", ReplaceAllLiteral},
    {"mustRegexReplaceAllLiteral", "sss", ReplaceAllLiteral},
    {"regexMatch", "ss", Match},
    {"mustRegexMatch", "ss", MustMatch},
    {"regexFind", "ss", Find},
    {"mustRegexFind", "ss", Find},
    {"regexFindAll", "ssi", FindAll},
    {"mustRegexFindAll", "ssi", FindAll},
    {"regexSplit", "ssi", Split},
    {"mustRegexSplit", "ssi", Split},
    {"regexQuoteMeta", "s", QuoteMeta},
};

}  // namespace

std::span<const Function> RegexFunctions() { return kRegexFunctions; }

}  // namespace agent::text::tmpl
