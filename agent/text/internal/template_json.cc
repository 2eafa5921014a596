// SPDX-License-Identifier: Apache-2.0
// JSON as Go's encoding/json reads and writes it: numbers are float64, keys come out
// sorted, invalid UTF-8 becomes U+FFFD.
#include <charconv>
#include <cmath>

#include "agent/text/internal/template_functions.h"
#include "agent/text/internal/template_unicode.h"
#include "agent/text/number.h"

namespace agent::text::tmpl {
namespace {

constexpr int kMaxJsonDepth = 100;

class Writer {
 public:
  Writer(Run& run, std::string& out, bool escape_html, bool pretty)
      : run_(run), out_(out), escape_html_(escape_html), pretty_(pretty) {}

  bool Write(const Value& value, int depth) {
    if (depth > kMaxJsonDepth) {
      run_.Fail("a value is nested too deeply for JSON");
      return false;
    }
    if (!run_.Charge() || !run_.Room(out_.size())) return false;
    switch (value.kind) {
      case Kind::kMissing:
      case Kind::kNil: out_.append("null"); return true;
      case Kind::kBool: out_.append(value.flag ? "true" : "false"); return true;
      case Kind::kInt: out_.append(std::to_string(value.integer)); return true;
      case Kind::kFloat: return Number(value.real);
      case Kind::kComplex: return false;  // JSON has none
      case Kind::kString: Text(value.text); return true;
      case Kind::kList: return Array(*value.list, depth);
      case Kind::kMap: return Object(run_.Fill(*value.map), depth);
      case Kind::kTime: return Time(*value.time);
      case Kind::kVersion: {
        Buffer text(run_);
        AppendVersion(*text, *value.version);
        Text(*text);
        return true;
      }
    }
    return false;
  }

 private:
  bool Number(double number) {
    char text[kMaxNumberText];
    const size_t size = FormatGoJson(number, text);
    out_.append(text, size);
    return size > 0;
  }

  // One digit of a negative exponent is enough: 1e-7.
  static size_t FormatGoJson(double number, char* out) {
    size_t size = FormatJsonNumber(number, out);
    if (size >= 4 && out[size - 4] == 'e' && out[size - 3] == '-' && out[size - 2] == '0') {
      out[size - 2] = out[size - 1];
      --size;
    }
    return size;
  }

  bool Time(const TimeValue& time) {
    Buffer text(run_);
    AppendTime(*text, time, "2006-01-02T15:04:05.999999999Z07:00");
    Text(*text);
    return true;
  }

  void NewLine(int depth) {
    if (!pretty_) return;
    out_.push_back('\n');
    out_.append(static_cast<size_t>(depth) * 2, ' ');
  }

  bool Array(const List& list, int depth) {
    if (list.null) {
      out_.append("null");
      return true;
    }
    out_.push_back('[');
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out_.push_back(',');
      NewLine(depth + 1);
      if (!Write(list.items[i], depth + 1)) return false;
    }
    if (!list.items.empty()) NewLine(depth);
    out_.push_back(']');
    return true;
  }

  bool Object(const Map& map, int depth) {
    if (map.null) {
      out_.append("null");
      return true;
    }
    out_.push_back('{');
    for (uint32_t i = 0; i < map.size; ++i) {
      if (i > 0) out_.push_back(',');
      NewLine(depth + 1);
      Text(map.entries[i].key);
      out_.append(pretty_ ? ": " : ":");
      if (!Write(map.entries[i].value, depth + 1)) return false;
    }
    if (map.size > 0) NewLine(depth);
    out_.push_back('}');
    return true;
  }

  void Escape(char32_t rune) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out_.append("\\u");
    for (int shift = 12; shift >= 0; shift -= 4) out_.push_back(kHex[(rune >> shift) & 15]);
  }

  void Text(std::string_view text) {
    out_.push_back('"');
    for (size_t at = 0; at < text.size();) {
      const Decoded next = DecodeRune(text, at);
      Character(next, text.substr(at, next.size));
      at += next.size;
    }
    out_.push_back('"');
  }

  void Character(Decoded next, std::string_view bytes) {
    constexpr std::string_view kNamed = "\"\\\b\f\n\r\t";
    constexpr std::string_view kNames = "\"\\bfnrt";
    const char32_t rune = next.rune;
    if (IsInvalid(next)) {
      out_.append("\\ufffd");
    } else if (rune == 0x2028 || rune == 0x2029) {
      Escape(rune);
    } else if (rune >= 0x80) {
      out_.append(bytes);
    } else if (const size_t found = kNamed.find(static_cast<char>(rune)); found != std::string_view::npos) {
      out_.push_back('\\');
      out_.push_back(kNames[found]);
    } else if (rune < ' ' || (escape_html_ && (rune == '<' || rune == '>' || rune == '&'))) {
      Escape(rune);
    } else {
      out_.push_back(static_cast<char>(rune));
    }
  }

  Run& run_;
  std::string& out_;
  bool escape_html_;
  bool pretty_;
};

class Reader {
 public:
  Reader(Run& run, std::string_view text) : run_(run), text_(text) {}

  bool Read(Value& out) {
    if (!ReadValue(out, 0)) return false;
    SkipSpaces();
    return at_ == text_.size();
  }

 private:
  void SkipSpaces() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool Take(char c) {
    SkipSpaces();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool TakeWord(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  bool ReadValue(Value& out, int depth) {
    if (depth > kMaxJsonDepth || !run_.Charge()) return false;
    SkipSpaces();
    if (at_ == text_.size()) return false;
    switch (text_[at_]) {
      case '{': return ReadObject(out, depth);
      case '[': return ReadArray(out, depth);
      case '"': out.kind = Kind::kString; return ReadText(out.text);
      case 't': out = Value::Bool(true); return TakeWord("true");
      case 'f': out = Value::Bool(false); return TakeWord("false");
      case 'n': out = Value::Nil(); return TakeWord("null");
      default: return ReadNumber(out);
    }
  }

  bool Digits() {
    const size_t from = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > from;
  }

  bool ReadNumber(Value& out) {
    const size_t from = at_;
    TakeWord("-");
    if (!TakeWord("0") && !Digits()) return false;
    if (TakeWord(".") && !Digits()) return false;
    if (TakeWord("e") || TakeWord("E")) {
      if (!TakeWord("+")) TakeWord("-");
      if (!Digits()) return false;
    }
    double number = 0;
    if (!ParseFloat(text_.substr(from, at_ - from), number)) return false;
    out = Value::Float(number);
    return true;
  }

  bool Hex4(uint32_t& out) {
    if (text_.size() - at_ < 4) return false;
    const char* from = text_.data() + at_;
    const auto [end, error] = std::from_chars(from, from + 4, out, 16);
    at_ += 4;
    return error == std::errc() && end == from + 4;
  }

  bool ReadEscape(std::string& out) {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
    if (at_ == text_.size()) return false;
    const char c = text_[at_++];
    if (const size_t found = kNames.find(c); found != std::string_view::npos) {
      out.push_back(kMeant[found]);
      return true;
    }
    uint32_t code = 0;
    if (c != 'u' || !Hex4(code)) return false;
    if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_).starts_with("\\u")) {
      const size_t back = at_;
      uint32_t low = 0;
      at_ += 2;
      if (!Hex4(low)) return false;
      if (low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      } else {
        at_ = back;
      }
    }
    AppendRune(out, code);
    return true;
  }

  bool ReadText(std::string_view& out) {
    ++at_;  // the quote
    Buffer text(run_);
    while (at_ < text_.size()) {
      const Decoded next = DecodeRune(text_, at_);
      at_ += next.size;
      if (next.rune == '"') {
        out = run_.Keep(*text);
        return true;
      }
      if (next.rune < ' ') return false;
      if (next.rune != '\\') {
        AppendRune(*text, next.rune);
      } else if (!ReadEscape(*text)) {
        return false;
      }
    }
    return false;
  }

  bool ReadArray(Value& out, int depth) {
    ++at_;
    ValueBuffer items(run_);
    if (!Take(']')) {
      do {
        if (!ReadValue(items->emplace_back(), depth + 1)) return false;
      } while (Take(','));
      if (!Take(']')) return false;
    }
    out = run_.NewList(*items);
    return true;
  }

  bool ReadObject(Value& out, int depth) {
    ++at_;
    Map* map = run_.NewMap();
    if (!Take('}')) {
      do {
        SkipSpaces();
        std::string_view key;
        Value value;
        if (at_ == text_.size() || text_[at_] != '"' || !ReadText(key)) return false;
        if (!Take(':') || !ReadValue(value, depth + 1)) return false;
        run_.Set(*map, key, value);
      } while (Take(','));
      if (!Take('}')) return false;
    }
    out = Value::Of(map);
    return !run_.failed();
  }

  Run& run_;
  std::string_view text_;
  size_t at_ = 0;
};

Value FromJson(Run& run, Args args) {
  Value value;
  return Reader(run, args[0].text).Read(value) ? value : Value::Nil();
}

Value MustFromJson(Run& run, Args args) {
  Value value;
  if (!Reader(run, args[0].text).Read(value)) return run.Fail("not JSON: ", args[0].text);
  return value;
}

Value Written(Run& run, const Value& value, bool escape_html, bool pretty, bool must) {
  Buffer out(run);
  if (!Writer(run, *out, escape_html, pretty).Write(value, 0)) {
    return must ? run.Fail("the value has no JSON form") : Value::String({});
  }
  return run.Text(*out);
}

Value ToJson(Run& run, Args args) { return Written(run, args[0], true, false, false); }
Value MustToJson(Run& run, Args args) { return Written(run, args[0], true, false, true); }
Value ToRawJson(Run& run, Args args) { return Written(run, args[0], false, false, true); }
Value ToPrettyJson(Run& run, Args args) { return Written(run, args[0], true, true, false); }
Value MustToPrettyJson(Run& run, Args args) { return Written(run, args[0], true, true, true); }

constexpr Function kJsonFunctions[] = {
    {"fromJson", "s", FromJson},         {"mustFromJson", "s", MustFromJson},
    {"toJson", "a", ToJson},             {"mustToJson", "a", MustToJson},
    {"toRawJson", "a", ToRawJson},       {"mustToRawJson", "a", ToRawJson},
    {"toPrettyJson", "a", ToPrettyJson}, {"mustToPrettyJson", "a", MustToPrettyJson},
};

}  // namespace

bool WriteJson(Run& run, std::string& out, const Value& value, bool escape_html) {
  return Writer(run, out, escape_html, false).Write(value, 0);
}

std::span<const Function> JsonFunctions() { return kJsonFunctions; }

}  // namespace agent::text::tmpl
