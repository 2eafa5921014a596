// SPDX-License-Identifier: Apache-2.0
// Literals of the template language: strings, characters, numbers.
#include <charconv>
#include <cmath>

#include "agent/text/internal/template_parser.h"
#include "agent/text/internal/template_unicode.h"
#include "agent/text/number.h"

namespace agent::text::tmpl {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Exactly `count` digits of the base at `at`.
bool TakeDigits(std::string_view text, size_t& at, size_t count, uint32_t base, uint32_t& out) {
  if (text.size() - at < count) return false;
  out = 0;
  for (size_t i = 0; i < count; ++i) {
    const int digit = HexDigit(text[at++]);
    if (digit < 0 || static_cast<uint32_t>(digit) >= base) return false;
    out = out * base + static_cast<uint32_t>(digit);
  }
  return true;
}

// The escape after a backslash at `at`.
bool TakeEscape(std::string_view text, size_t& at, char quote, std::string& out) {
  constexpr std::string_view kNames = "abfnrtv\\";
  constexpr std::string_view kMeant = "\a\b\f\n\r\t\v\\";
  if (at == text.size()) return false;
  const char c = text[at++];
  if (const size_t found = kNames.find(c); found != std::string_view::npos) {
    out.push_back(kMeant[found]);
    return true;
  }
  uint32_t value = 0;
  if (c == quote) {
    out.push_back(c);
    return true;
  }
  if (c == 'x') {
    if (!TakeDigits(text, at, 2, 16, value)) return false;
    out.push_back(static_cast<char>(value));
    return true;
  }
  if (c == 'u' || c == 'U') {
    if (!TakeDigits(text, at, c == 'u' ? 4 : 8, 16, value)) return false;
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return false;
    AppendRune(out, value);
    return true;
  }
  if (c < '0' || c > '7') return false;
  --at;
  if (!TakeDigits(text, at, 3, 8, value) || value > 255) return false;
  out.push_back(static_cast<char>(value));
  return true;
}

// Underscores stand between digits, or between a base prefix and a digit.
bool UnderscoresFit(std::string_view digits, bool after_prefix) {
  bool may = after_prefix;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (digits[i] != '_') {
      may = HexDigit(digits[i]) >= 0;
      continue;
    }
    if (!may || i + 1 == digits.size() || HexDigit(digits[i + 1]) < 0) return false;
    may = false;
  }
  return true;
}

// Of a number that may be a fraction: an underscore stands between two digits.
bool WithoutUnderscores(std::string_view text, bool hex, std::string& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out.push_back(text[i]);
      continue;
    }
    const auto digit = [&](size_t at) { return at < text.size() && HexDigit(text[at]) >= 0 && (hex || HexDigit(text[at]) < 10); };
    const bool after_prefix = hex && i > 0 && (text[i - 1] | 0x20) == 'x';
    if (i == 0 || !(digit(i - 1) || after_prefix) || !digit(i + 1)) return false;
  }
  return true;
}

}  // namespace

Whole ParseInteger(std::string_view text, int64_t& out) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  bool prefix = false;
  if (text.size() > 1 && text[0] == '0') {
    const char mark = static_cast<char>(text[1] | 0x20);
    prefix = mark == 'x' || mark == 'o' || mark == 'b';
    base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
    text.remove_prefix(prefix ? 2 : 1);
  }
  if (!UnderscoresFit(text, prefix || base == 8)) return Whole::kNo;
  std::string digits;
  for (const char c : text) {
    if (c != '_') digits.push_back(c);
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (end != digits.data() + digits.size() || digits.empty()) return Whole::kNo;
  constexpr uint64_t kMost = static_cast<uint64_t>(INT64_MAX);
  if (error != std::errc() || value > kMost + (negative ? 1 : 0)) return Whole::kTooLarge;
  out = negative ? static_cast<int64_t>(0 - value) : static_cast<int64_t>(value);
  return Whole::kYes;
}

bool Unquote(std::string_view quoted, std::string& out) {
  const char quote = quoted.front();
  const std::string_view text = quoted.substr(1, quoted.size() - 2);
  for (size_t at = 0; at < text.size();) {
    if (quote == '`') {
      if (text[at] != '\r') out.push_back(text[at]);
      ++at;
    } else if (text[at] == '\\') {
      if (!TakeEscape(text, ++at, quote, out)) return false;
    } else {
      const Decoded next = DecodeRune(text, at);
      AppendRune(out, next.rune);
      at += next.size;
    }
  }
  return true;
}

namespace {

// A real number without a fraction also stands where an integer must.
void SetWhole(Number& number) {
  if (!number.is_float || std::trunc(number.real) != number.real || std::abs(number.real) >= 9.2e18) return;
  number.is_int = true;
  number.integer = static_cast<int64_t>(number.real);
}

// `2i`, `1+2i`.
bool ParseComplex(std::string_view text, Number& out) {
  const size_t sign = text.find_last_of("+-");
  const bool of_exponent = sign != std::string_view::npos && sign > 0 &&
                           std::string_view("eEpP").find(text[sign - 1]) != std::string_view::npos;
  size_t split = sign == std::string_view::npos || of_exponent ? 0 : sign;
  if (of_exponent) {
    split = text.find_last_of("+-", sign - 1);
    if (split == std::string_view::npos) split = 0;
  }
  std::string real;
  std::string imaginary;
  const std::string_view first = text.substr(0, split);
  const std::string_view second = text.substr(split, text.size() - split - 1);
  const auto hex = [](std::string_view part) { return part.find_first_of("xX") != std::string_view::npos; };
  if (!WithoutUnderscores(second, hex(second), imaginary) || !ParseFloat(imaginary, out.complex.imaginary)) return false;
  if (!first.empty() && (!WithoutUnderscores(first, hex(first), real) || !ParseFloat(real, out.complex.real))) return false;
  out.is_complex = true;
  out.is_float = out.complex.imaginary == 0;
  out.real = out.complex.real;
  SetWhole(out);
  return true;
}

}  // namespace

bool ParseNumber(std::string_view text, Number& out) {
  if (text.ends_with('i')) return ParseComplex(text, out);
  switch (ParseInteger(text, out.integer)) {
    case Whole::kYes:
      out.is_int = out.is_float = true;
      out.real = static_cast<double>(out.integer);
      return true;
    case Whole::kTooLarge: return false;
    case Whole::kNo: break;
  }
  // What has no mark of a fraction or exponent was meant as an integer.
  if (text.find_first_of(".eEpP") == std::string_view::npos) return false;
  std::string digits;
  const bool hex = text.find_first_of("xX") != std::string_view::npos;
  if (!WithoutUnderscores(text, hex, digits) || !ParseFloat(digits, out.real)) return false;
  out.is_float = true;
  SetWhole(out);
  return true;
}

}  // namespace agent::text::tmpl
