// SPDX-License-Identifier: Apache-2.0
// Promtail's own functions and Sprig's functions of strings: trimming, searching,
// cutting, joining. Those that look at words are in template_words.cc.
#include <algorithm>

#include "agent/text/internal/template_functions.h"
#include "agent/text/internal/template_text.h"
#include "agent/text/internal/template_unicode.h"

namespace agent::text::tmpl {
namespace {

Value Lower(Run& run, Args args) { return MapRunes(run, args[0].text, ToLower); }
Value Upper(Run& run, Args args) { return MapRunes(run, args[0].text, ToUpper); }
Value TrimSpace(Run& /*run*/, Args args) { return Value::String(TrimSpaces(args[0].text)); }

// -- Promtail: the text first --
Value ReplaceFirst(Run& run, Args args) {
  return ReplaceText(run, args[0].text, args[1].text, args[2].text, args[3].integer);
}
Value Trim(Run& /*run*/, Args args) { return Value::String(TrimSet(args[0].text, args[1].text)); }
Value TrimLeft(Run& /*run*/, Args args) { return Value::String(TrimLeftSet(args[0].text, args[1].text)); }
Value TrimRight(Run& /*run*/, Args args) { return Value::String(TrimRightSet(args[0].text, args[1].text)); }
Value TrimPrefix(Run& /*run*/, Args args) { return Value::String(CutPrefix(args[0].text, args[1].text)); }
Value TrimSuffix(Run& /*run*/, Args args) { return Value::String(CutSuffix(args[0].text, args[1].text)); }

constexpr Function kPromtail[] = {
    {"ToLower", "s", Lower},         {"ToUpper", "s", Upper},         {"Replace", "sssi", ReplaceFirst},
    {"Trim", "ss", Trim},            {"TrimLeft", "ss", TrimLeft},    {"TrimRight", "ss", TrimRight},
    {"TrimPrefix", "ss", TrimPrefix}, {"TrimSuffix", "ss", TrimSuffix}, {"TrimSpace", "s", TrimSpace},
};

// -- Sprig: the text last --
Value TrimAllSprig(Run& /*run*/, Args args) { return Value::String(TrimSet(args[1].text, args[0].text)); }
Value TrimPrefixSprig(Run& /*run*/, Args args) { return Value::String(CutPrefix(args[1].text, args[0].text)); }
Value TrimSuffixSprig(Run& /*run*/, Args args) { return Value::String(CutSuffix(args[1].text, args[0].text)); }
Value ReplaceSprig(Run& run, Args args) { return ReplaceText(run, args[2].text, args[0].text, args[1].text, -1); }
Value Contains(Run& /*run*/, Args args) {
  return Value::Bool(args[1].text.find(args[0].text) != std::string_view::npos);
}
Value HasPrefix(Run& /*run*/, Args args) { return Value::Bool(args[1].text.starts_with(args[0].text)); }
Value HasSuffix(Run& /*run*/, Args args) { return Value::Bool(args[1].text.ends_with(args[0].text)); }
Value Repeat(Run& run, Args args) { return RepeatText(run, args[1].text, args[0].integer); }

Value Substr(Run& run, Args args) {
  const std::string_view text = args[2].text;
  const auto size = static_cast<int64_t>(text.size());
  const int64_t start = std::max<int64_t>(args[0].integer, 0);
  int64_t end = args[1].integer;
  if (args[0].integer >= 0 && (end < 0 || end > size)) end = size;
  if (end < start || end > size) return run.Fail("substr goes beyond the text");
  return Value::String(text.substr(static_cast<size_t>(start), static_cast<size_t>(end - start)));
}

Value Trunc(Run& /*run*/, Args args) {
  const int64_t length = args[0].integer;
  const std::string_view text = args[1].text;
  const auto size = static_cast<int64_t>(text.size());
  if (length < 0 && length > -size) return Value::String(text.substr(static_cast<size_t>(size + length)));
  if (length >= 0 && size > length) return Value::String(text.substr(0, static_cast<size_t>(length)));
  return args[1];
}

Value Quote(Run& run, Args args) {
  Buffer out(run);
  for (const Value& arg : args) {
    if (arg.is_nothing()) continue;
    if (!out->empty()) out->push_back(' ');
    AppendQuoted(*out, ToText(run, arg));
    if (!run.Room(out->size())) return {};
  }
  return run.Text(*out);
}

Value SingleQuote(Run& run, Args args) {
  Buffer out(run);
  for (const Value& arg : args) {
    if (arg.is_nothing()) continue;
    if (!out->empty()) out->push_back(' ');
    out->push_back('\'');
    AppendValue(run, *out, arg);
    out->push_back('\'');
  }
  return run.Text(*out);
}

Value Cat(Run& run, Args args) {
  Buffer out(run);
  bool first = true;
  for (const Value& arg : args) {
    if (arg.is_nothing()) continue;
    if (!std::exchange(first, false)) out->push_back(' ');
    AppendValue(run, *out, arg);
    if (!run.Room(out->size())) return {};
  }
  return run.Text(*out);
}

Value Indented(Run& run, int64_t spaces, std::string_view text, bool line_first) {
  const Value pad = RepeatText(run, " ", spaces);
  if (run.failed()) return {};
  Buffer out(run);
  if (line_first) out->push_back('\n');
  out->append(pad.text);
  for (const char c : text) {
    out->push_back(c);
    if (c != '\n') continue;
    out->append(pad.text);
    if (!run.Room(out->size())) return {};
  }
  return run.Text(*out);
}

Value Indent(Run& run, Args args) { return Indented(run, args[0].integer, args[1].text, false); }
Value Nindent(Run& run, Args args) { return Indented(run, args[0].integer, args[1].text, true); }

Value Plural(Run& /*run*/, Args args) { return args[2].integer == 1 ? args[0] : args[1]; }

// Sprig takes each byte for a character here, and so must we.
// Sprig takes each byte for a character, unless none of them is a space (0x85 and 0xA0 are).
Value Nospace(Run& run, Args args) {
  const std::string_view text = args[0].text;
  const auto is_space = [](char c) { return IsSpace(static_cast<unsigned char>(c)); };
  if (std::none_of(text.begin(), text.end(), is_space)) return args[0];
  Buffer out(run);
  for (const char c : text) {
    if (!is_space(c)) AppendRune(*out, static_cast<unsigned char>(c));
  }
  return run.Text(*out);
}

Value Hello(Run& /*run*/, Args /*args*/) { return Value::String("Hello!"); }

// -- lists of texts --
Value SplitList(Run& run, Args args) {
  ValueBuffer parts(run);
  SplitText(run, args[1].text, args[0].text, -1, *parts);
  return run.NewList(*parts, Elem::kString);
}

Value NumberedParts(Run& run, const std::vector<Value>& parts) {
  Map* map = run.NewMap(Elem::kString);
  for (size_t i = 0; i < parts.size() && !run.failed(); ++i) {
    run.Set(*map, run.Keep("_" + std::to_string(i)), parts[i]);
  }
  return Value::Of(map);
}

Value Split(Run& run, Args args) {
  ValueBuffer parts(run);
  SplitText(run, args[1].text, args[0].text, -1, *parts);
  return NumberedParts(run, *parts);
}

Value Splitn(Run& run, Args args) {
  ValueBuffer parts(run);
  SplitText(run, args[2].text, args[0].text, args[1].integer, *parts);
  return NumberedParts(run, *parts);
}

Value Join(Run& run, Args args) {
  ValueBuffer parts(run);
  AppendTexts(run, args[1], *parts);
  Buffer out(run);
  for (size_t i = 0; i < parts->size(); ++i) {
    if (i > 0) out->append(args[0].text);
    out->append((*parts)[i].text);
    if (!run.Room(out->size())) return {};
  }
  return run.Text(*out);
}

Value ToStrings(Run& run, Args args) {
  ValueBuffer parts(run);
  AppendTexts(run, args[0], *parts);
  return run.NewList(*parts, Elem::kString);
}

Value SortAlpha(Run& run, Args args) {
  ValueBuffer parts(run);
  if (args[0].kind == Kind::kList) {
    AppendTexts(run, args[0], *parts);
    std::sort(parts->begin(), parts->end(), [](const Value& a, const Value& b) { return a.text < b.text; });
  } else {
    parts->push_back(Value::String(ToText(run, args[0])));
  }
  return run.NewList(*parts, Elem::kString);
}

constexpr Function kSprig[] = {
    {"lower", "s", Lower},
    {"upper", "s", Upper},
    {"trim", "s", TrimSpace},
    {"trimAll", "ss", TrimAllSprig},
    {"trimall", "ss", TrimAllSprig},
    {"trimPrefix", "ss", TrimPrefixSprig},
    {"trimSuffix", "ss", TrimSuffixSprig},
    {"replace", "sss", ReplaceSprig},
    {"contains", "ss", Contains},
    {"hasPrefix", "ss", HasPrefix},
    {"hasSuffix", "ss", HasSuffix},
    {"repeat", "is", Repeat},
    {"substr", "iis", Substr},
    {"trunc", "is", Trunc},
    {"quote", "a*", Quote},
    {"squote", "a*", SingleQuote},
    {"cat", "a*", Cat},
    {"indent", "is", Indent},
    {"nindent", "is", Nindent},
    {"plural", "ssi", Plural},
    {"nospace", "s", Nospace},
    {"hello", "", Hello},
    {"split", "ss", Split},
    {"splitList", "ss", SplitList},
    {"splitn", "sis", Splitn},
    {"join", "sa", Join},
    {"toStrings", "a", ToStrings},
    {"sortAlpha", "a", SortAlpha},
};

}  // namespace

std::span<const Function> PromtailFunctions() { return kPromtail; }
std::span<const Function> StringFunctions() { return kSprig; }

}  // namespace agent::text::tmpl
