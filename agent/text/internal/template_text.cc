// SPDX-License-Identifier: Apache-2.0
#include "agent/text/internal/template_text.h"

#include <cstring>

#include "agent/text/internal/template_unicode.h"

namespace agent::text::tmpl {
namespace {

bool InSet(std::string_view set, Decoded rune) {
  for (size_t at = 0; at < set.size();) {
    const Decoded next = DecodeRune(set, at);
    if (next.rune == rune.rune) return true;
    at += next.size;
  }
  return false;
}

// The last character; an invalid byte counts as one.
Decoded LastRune(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && text.size() - at < 4 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  const Decoded rune = DecodeRune(text, at);
  return at + rune.size == text.size() ? rune : Decoded{kReplacement, 1};
}

}  // namespace

std::string_view TrimSpaces(std::string_view text) {
  while (!text.empty()) {
    const Decoded first = DecodeRune(text, 0);
    if (!IsSpace(first.rune)) break;
    text.remove_prefix(first.size);
  }
  while (!text.empty()) {
    const Decoded last = LastRune(text);
    if (!IsSpace(last.rune)) break;
    text.remove_suffix(last.size);
  }
  return text;
}

std::string_view TrimLeftSet(std::string_view text, std::string_view set) {
  while (!text.empty()) {
    const Decoded first = DecodeRune(text, 0);
    if (!InSet(set, first)) break;
    text.remove_prefix(first.size);
  }
  return text;
}

std::string_view TrimRightSet(std::string_view text, std::string_view set) {
  while (!text.empty()) {
    const Decoded last = LastRune(text);
    if (!InSet(set, last)) break;
    text.remove_suffix(last.size);
  }
  return text;
}

Value MapRunes(Run& run, std::string_view text, char32_t (*change)(char32_t)) {
  if (IsAscii(text)) {
    char* to = run.NewBytes(text.size());
    if (to == nullptr) return {};
    for (size_t i = 0; i < text.size(); ++i) to[i] = static_cast<char>(change(static_cast<unsigned char>(text[i])));
    return Value::String({to, text.size()});
  }
  Buffer out(run);
  for (size_t at = 0; at < text.size();) {
    const Decoded next = DecodeRune(text, at);
    AppendRune(*out, change(next.rune));
    at += next.size;
  }
  return run.Text(*out);
}

Value ReplaceText(Run& run, std::string_view text, std::string_view old, std::string_view by, int64_t most) {
  if (old == by || most == 0) return Value::String(text);
  Buffer out(run);
  size_t from = 0;
  if (old.empty()) {  // before each character, and at the end
    for (int64_t done = 0; most < 0 || done < most; ++done) {
      if (done > 0) {
        if (from == text.size()) break;
        const size_t size = DecodeRune(text, from).size;
        out->append(text.substr(from, size));
        from += size;
      }
      out->append(by);
      if (!run.Room(out->size())) return {};
    }
  } else {
    for (int64_t done = 0; most < 0 || done < most; ++done) {
      const size_t found = text.find(old, from);
      if (found == std::string_view::npos) break;
      out->append(text.substr(from, found - from)).append(by);
      from = found + old.size();
      if (!run.Room(out->size())) return {};
    }
    if (from == 0) return Value::String(text);
  }
  out->append(text.substr(from));
  return run.Text(*out);
}

void SplitText(Run& run, std::string_view text, std::string_view separator, int64_t most, std::vector<Value>& out) {
  if (most == 0) return;
  const auto more = [&out, most] { return most < 0 || static_cast<int64_t>(out.size()) + 1 < most; };
  if (separator.empty()) {  // into characters
    while (!text.empty() && more() && run.Charge()) {
      const size_t size = DecodeRune(text, 0).size;
      out.push_back(Value::String(text.substr(0, size)));
      text.remove_prefix(size);
    }
    if (!text.empty()) out.push_back(Value::String(text));
    return;
  }
  while (more() && run.Charge()) {
    const size_t found = text.find(separator);
    if (found == std::string_view::npos) break;
    out.push_back(Value::String(text.substr(0, found)));
    text.remove_prefix(found + separator.size());
  }
  out.push_back(Value::String(text));
}

Value RepeatText(Run& run, std::string_view text, int64_t count) {
  if (count < 0) return run.Fail("negative repeat count");
  if (count == 0 || text.empty()) return Value::String({});
  if (static_cast<uint64_t>(count) > run.scratch().limits.memory / text.size()) run.Room(SIZE_MAX);
  if (run.failed()) return {};
  const size_t total = text.size() * static_cast<size_t>(count);
  char* to = run.NewBytes(total);
  if (to == nullptr) return {};
  for (size_t at = 0; at < total; at += text.size()) std::memcpy(to + at, text.data(), text.size());
  return Value::String({to, total});
}

void AppendTexts(Run& run, const Value& value, std::vector<Value>& out) {
  if (value.kind != Kind::kList) {
    if (!value.is_nothing()) out.push_back(Value::String(ToText(run, value)));
    return;
  }
  for (const Value& item : value.list->items) {
    if (!run.Charge()) return;
    if (!item.is_nothing()) out.push_back(Value::String(ToText(run, item)));
  }
}

}  // namespace agent::text::tmpl
