// SPDX-License-Identifier: Apache-2.0
// Go's fmt for the values of templates: printing one value with one verb. The walk
// over the format string is in template_printf.cc.
#include "agent/text/internal/template_format.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "agent/text/internal/template_unicode.h"

namespace agent::text::tmpl {
namespace {

constexpr int kMaxFormatDepth = 100;

void AppendHexText(std::string& out, std::string_view text, const Spec& spec) {
  const char* digits = spec.verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
  const std::string_view prefix = !spec.sharp ? "" : spec.verb == 'X' ? "0X" : "0x";
  size_t length = text.size();
  if (spec.precision >= 0) length = std::min(length, static_cast<size_t>(spec.precision));
  if (length > 0) out.append(prefix);
  for (size_t i = 0; i < length; ++i) {
    if (spec.space && i > 0) {
      out.push_back(' ');
      out.append(prefix);
    }
    const auto byte = static_cast<unsigned char>(text[i]);
    out.push_back(digits[byte >> 4]);
    out.push_back(digits[byte & 15]);
  }
}

bool CanBackquote(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Decoded next = DecodeRune(text, at);
    if (IsInvalid(next) || next.rune == 0xFEFF || next.rune == '`' || next.rune == 0x7F) return false;
    if (next.rune < ' ' && next.rune != '\t') return false;
    at += next.size;
  }
  return true;
}

// The first `runes` characters.
std::string_view CutRunes(std::string_view text, int runes) {
  size_t at = 0;
  for (int i = 0; i < runes && at < text.size(); ++i) at += DecodeRune(text, at).size;
  return text.substr(0, at);
}

void AppendEscape(std::string& out, char32_t rune) {
  char text[16];
  const int width = rune < 0x100 ? 2 : rune < 0x10000 ? 4 : 8;
  out.append(rune < 0x100 ? "\\x" : rune < 0x10000 ? "\\u" : "\\U");
  for (int i = width; i-- > 0; rune >>= 4) text[i] = "0123456789abcdef"[rune & 15];
  out.append(text, static_cast<size_t>(width));
}

void AppendQuotedRune(std::string& out, char32_t rune, char quote, bool ascii) {
  constexpr std::string_view kNamed = "\a\b\f\n\r\t\v";
  constexpr std::string_view kNames = "abfnrtv";
  if (rune == static_cast<char32_t>(quote) || rune == '\\') {
    out.push_back('\\');
    out.push_back(static_cast<char>(rune));
  } else if (rune < 0x80 ? IsPrint(rune) : !ascii && IsPrint(rune)) {
    AppendRune(out, rune);
  } else if (const size_t found = rune < 0x80 ? kNamed.find(static_cast<char>(rune)) : std::string_view::npos;
             found != std::string_view::npos) {
    out.push_back('\\');
    out.push_back(kNames[found]);
  } else if (rune < ' ' || rune == 0x7F) {
    AppendEscape(out, rune);
  } else if (rune < 0x100) {  // \u0085: two digits would be a byte
    out.append("\\u00");
    out.push_back("0123456789abcdef"[rune >> 4]);
    out.push_back("0123456789abcdef"[rune & 15]);
  } else {
    AppendEscape(out, rune);
  }
}

}  // namespace

void AppendQuoted(std::string& out, std::string_view text, bool ascii) {
  out.push_back('"');
  for (size_t at = 0; at < text.size();) {
    const Decoded next = DecodeRune(text, at);
    if (IsInvalid(next)) {
      AppendEscape(out, static_cast<unsigned char>(text[at]));
    } else {
      AppendQuotedRune(out, next.rune, '"', ascii);
    }
    at += next.size;
  }
  out.push_back('"');
}

void Formatter::Pad(std::string_view text) {
  const size_t width = spec_.width < 0 ? 0 : static_cast<size_t>(spec_.width);
  const size_t have = width == 0 ? 0 : CountRunes(text);
  const size_t fill = width > have ? width - have : 0;
  if (!run_.Room(fill)) return;
  if (!spec_.minus) out_.append(fill, spec_.zero ? '0' : ' ');
  out_.append(text);
  if (spec_.minus) out_.append(fill, ' ');
}

void Formatter::Text(std::string_view text, const Value& value) {
  Buffer buffer(run_);
  switch (spec_.verb) {
    case 'v':
      if (!spec_.sharp_v) return Pad(spec_.precision < 0 ? text : CutRunes(text, spec_.precision));
      AppendQuoted(*buffer, text);
      return Pad(*buffer);
    case 's': return Pad(spec_.precision < 0 ? text : CutRunes(text, spec_.precision));
    case 'x':
    case 'X': AppendHexText(*buffer, text, spec_); return Pad(*buffer);
    case 'q':
      if (spec_.precision >= 0) text = CutRunes(text, spec_.precision);
      if (spec_.sharp && CanBackquote(text)) {
        buffer->append("`").append(text).append("`");
      } else {
        AppendQuoted(*buffer, text, spec_.plus);
      }
      return Pad(*buffer);
    default: return BadVerb(value);
  }
}

void Formatter::Integer(int64_t value, int base, char mark) {
  const bool negative = value < 0;
  uint64_t rest = negative ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  int precision = spec_.precision < 0 ? 0 : spec_.precision;
  if (spec_.precision == 0 && value == 0) {
    Spec spaces = spec_;
    spaces.zero = false;
    return Formatter(run_, out_, spaces).Pad({});
  }
  const bool zeros = spec_.zero && !spec_.minus && spec_.precision < 0 && spec_.width > 0;
  if (zeros) precision = spec_.width - (negative || spec_.plus || spec_.space ? 1 : 0);
  if (!run_.Room(static_cast<size_t>(precision) + 80)) return;
  Buffer buffer(run_);
  std::string& text = *buffer;  // backwards
  const char* digits = mark == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
  do {
    text.push_back(digits[rest % static_cast<uint64_t>(base)]);
    rest /= static_cast<uint64_t>(base);
  } while (rest != 0);
  if (text.size() < static_cast<size_t>(precision)) text.append(static_cast<size_t>(precision) - text.size(), '0');
  if (spec_.sharp) {
    if (base == 2) text.append("b0");
    if (base == 8 && text.back() != '0') text.push_back('0');
    if (base == 16) text.append(mark == 'X' ? "X0" : "x0");
  }
  if (mark == 'O') text.append("o0");
  if (negative) {
    text.push_back('-');
  } else if (spec_.plus) {
    text.push_back('+');
  } else if (spec_.space) {
    text.push_back(' ');
  }
  std::reverse(text.begin(), text.end());
  Spec spaces = spec_;
  spaces.zero = false;
  Formatter(run_, out_, spaces).Pad(text);
}

void Formatter::Character(int64_t value) {
  const auto rune = value < 0 || value > 0x10FFFF ? kReplacement : static_cast<char32_t>(value);
  Buffer buffer(run_);
  if (spec_.verb == 'q') {
    buffer->push_back('\'');
    AppendQuotedRune(*buffer, rune, '\'', spec_.plus);
    buffer->push_back('\'');
  } else if (spec_.verb == 'c') {
    AppendRune(*buffer, rune);
  } else {
    char hex[20];
    const auto number = static_cast<uint64_t>(value);
    const auto end = std::to_chars(hex, hex + sizeof hex, number, 16).ptr;
    std::string digits(hex, end);
    std::transform(digits.begin(), digits.end(), digits.begin(), [](char c) { return c >= 'a' ? c - 32 : c; });
    const size_t least = static_cast<size_t>(std::clamp(spec_.precision, 4, 1000));
    buffer->append("U+");
    if (digits.size() < least) buffer->append(least - digits.size(), '0');
    buffer->append(digits);
    if (spec_.sharp && value >= 0 && value <= 0x10FFFF && IsPrint(rune)) {
      buffer->append(" '");
      AppendRune(*buffer, rune);
      buffer->push_back('\'');
    }
    Spec spaces = spec_;
    spaces.zero = false;
    return Formatter(run_, out_, spaces).Pad(*buffer);
  }
  Pad(*buffer);
}

void Formatter::Int(const Value& value) {
  switch (spec_.verb) {
    case 'v':
      if (spec_.sharp_v && value.int_type == IntType::kUint8) {
        Spec hex = spec_;
        hex.sharp = true;
        return Formatter(run_, out_, hex).Integer(value.integer, 16, 'x');
      }
      [[fallthrough]];
    case 'd': return Integer(value.integer, 10, 'd');
    case 'b': return Integer(value.integer, 2, 'b');
    case 'o':
    case 'O': return Integer(value.integer, 8, static_cast<char>(spec_.verb));
    case 'x':
    case 'X': return Integer(value.integer, 16, static_cast<char>(spec_.verb));
    case 'c':
    case 'q':
    case 'U': return Character(value.integer);
    default: return BadVerb(value);
  }
}

void Formatter::BadVerb(const Value& value) {
  out_.append("%!");
  AppendRune(out_, spec_.verb);
  out_.push_back('(');
  if (value.is_nothing()) {
    out_.append("<nil>");
  } else {
    out_.append(TypeName(value)).push_back('=');
    Spec plain = spec_;
    plain.verb = 'v';
    Formatter(run_, out_, plain, depth_).One(value);
  }
  out_.push_back(')');
}

void Formatter::Listing(const Value& value) {
  const List& list = *value.list;
  if (spec_.sharp_v) {
    out_.append(TypeName(value));
    if (list.null) {
      out_.append("(nil)");
      return;
    }
  }
  out_.push_back(spec_.sharp_v ? '{' : '[');
  for (size_t i = 0; i < list.items.size() && !run_.failed(); ++i) {
    if (i > 0) out_.append(spec_.sharp_v ? ", " : " ");
    Element(list.items[i]);
  }
  out_.push_back(spec_.sharp_v ? '}' : ']');
}

void Formatter::Mapping(const Value& value) {
  const Map& map = run_.Fill(*value.map);
  if (spec_.sharp_v) {
    out_.append(TypeName(value)).append(map.null ? "(nil)" : "{");
    if (map.null) return;
  } else {
    out_.append("map[");
  }
  for (uint32_t i = 0; i < map.size && !run_.failed(); ++i) {
    if (i > 0) out_.append(spec_.sharp_v ? ", " : " ");
    Element(Value::String(map.entries[i].key));
    out_.push_back(':');
    Element(map.entries[i].value);
  }
  out_.push_back(spec_.sharp_v ? '}' : ']');
}

void Formatter::Element(const Value& value) {
  if (!run_.Charge() || !run_.Room(out_.size())) return;
  if (value.is_nothing()) {
    out_.append(spec_.sharp_v ? "interface {}(nil)" : "<nil>");
    return;
  }
  Formatter(run_, out_, spec_, depth_ + 1).One(value);
}

// Types with a String method of their own.
bool Formatter::Named(const Value& value) {
  if (spec_.sharp_v || std::string_view("vsxXq").find(static_cast<char>(spec_.verb)) == std::string_view::npos) {
    return false;
  }
  Buffer text(run_);
  if (value.kind == Kind::kTime) {
    AppendTimeText(*text, *value.time);
  } else if (value.kind == Kind::kVersion) {
    AppendVersion(*text, *value.version);
  } else if (value.kind == Kind::kInt && value.int_type == IntType::kDuration) {
    AppendDuration(*text, value.integer);
  } else if (value.kind == Kind::kInt && value.int_type == IntType::kMonth) {
    text->append(MonthName(value.integer));
  } else if (value.kind == Kind::kInt && value.int_type == IntType::kWeekday) {
    text->append(WeekdayName(value.integer));
  } else {
    return false;
  }
  Text(*text, value);
  return true;
}

void Formatter::One(const Value& value) {
  if (depth_ > kMaxFormatDepth) {
    run_.Fail("a value is nested too deeply to be printed");
    return;
  }
  if (spec_.verb == 'T') {
    Spec text = spec_;
    text.verb = 's';
    return Formatter(run_, out_, text).Text(TypeName(value), value);
  }
  if (value.is_nothing()) return spec_.verb == 'v' ? Pad("<nil>") : BadVerb(value);
  if (spec_.verb == 'p' || Named(value)) return spec_.verb == 'p' ? BadVerb(value) : void();
  switch (value.kind) {
    case Kind::kBool:
      return spec_.verb == 't' || spec_.verb == 'v' ? Pad(value.flag ? "true" : "false") : BadVerb(value);
    case Kind::kInt: return Int(value);
    case Kind::kFloat: return Float(value);
    case Kind::kComplex: return Complex(value);
    case Kind::kString: return Text(value.text, value);
    case Kind::kList: return Listing(value);
    case Kind::kMap: return Mapping(value);
    case Kind::kTime: {
      Buffer text(run_);
      AppendTimeText(*text, *value.time);
      return Pad(*text);
    }
    case Kind::kVersion: {
      Buffer text(run_);
      AppendVersion(*text, *value.version);
      return Pad(*text);
    }
    default: return;
  }
}

void AppendValue(Run& run, std::string& out, const Value& value) {
  if (value.is_string()) {
    out.append(value.text);
    return;
  }
  Formatter(run, out, Spec()).One(value);
}

}  // namespace agent::text::tmpl
