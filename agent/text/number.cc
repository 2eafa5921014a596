// SPDX-License-Identifier: Apache-2.0
#include "agent/text/number.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>

namespace agent::text {
namespace {

constexpr double kExactInteger = 9007199254740992.0;  // 2^53

// Shortest digits and the power of ten of the first one: 0.00123 = "123", -3.
struct Digits {
  char text[24];
  int count = 0;
  int exponent = 0;
};

Digits ShortestDigits(double magnitude) {
  char scientific[40];
  const auto end =
      std::to_chars(scientific, scientific + sizeof scientific, magnitude, std::chars_format::scientific).ptr;
  Digits digits;
  const char* at = scientific;
  for (; at < end && *at != 'e'; ++at) {
    if (*at != '.') digits.text[digits.count++] = *at;
  }
  if (at < end) {
    ++at;
    if (*at == '+') ++at;
    std::from_chars(at, end, digits.exponent);
  }
  while (digits.count > 1 && digits.text[digits.count - 1] == '0') --digits.count;
  return digits;
}

size_t CopyLiteral(const char* literal, char* out) {
  const size_t size = std::strlen(literal);
  std::memcpy(out, literal, size);
  return size;
}

size_t LayOutFixed(const Digits& digits, char* out) {
  char* at = out;
  if (digits.exponent < 0) {
    *at++ = '0';
    *at++ = '.';
    for (int i = -1; i > digits.exponent; --i) *at++ = '0';
    std::memcpy(at, digits.text, static_cast<size_t>(digits.count));
    return static_cast<size_t>(at + digits.count - out);
  }
  const int whole = digits.exponent + 1;
  for (int i = 0; i < whole; ++i) *at++ = i < digits.count ? digits.text[i] : '0';
  if (digits.count > whole) {
    *at++ = '.';
    for (int i = whole; i < digits.count; ++i) *at++ = digits.text[i];
  }
  return static_cast<size_t>(at - out);
}

// `text` without sign is a Go hexadecimal literal; from_chars wants it without 0x.
bool ParseHex(std::string_view text, double& out) {
  text.remove_prefix(2);
  if (text.find_first_of("pP") == std::string_view::npos) return false;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), out, std::chars_format::hex);
  return error == std::errc() && end == text.data() + text.size();
}

// Go's literals may have single underscores between digits, or between `0x` and a digit.
bool TakeUnderscores(std::string_view text, std::string& out) {
  const bool hex = text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == 'x';
  const auto digit = [&](size_t at) {
    const char c = text[at];
    if (c >= '0' && c <= '9') return true;
    return hex && (at == 1 || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'));
  };
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '_') {
      out += text[at];
    } else if (at == 0 || at + 1 == text.size() || !digit(at - 1) || !digit(at + 1)) {
      return false;
    }
  }
  return true;
}

bool EqualsNoCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

}  // namespace

size_t FormatDecimal(double value, char* out) {
  if (std::isnan(value)) return CopyLiteral("NaN", out);
  if (std::isinf(value)) return CopyLiteral(value > 0 ? "+Inf" : "-Inf", out);
  char* at = out;
  if (std::signbit(value)) {
    *at++ = '-';
    value = -value;
  }
  if (value < kExactInteger && value == std::floor(value)) {
    return static_cast<size_t>(std::to_chars(at, at + 20, static_cast<long long>(value)).ptr - out);
  }
  return static_cast<size_t>(at - out) + LayOutFixed(ShortestDigits(value), at);
}

size_t FormatJsonNumber(double value, char* out) {
  if (!std::isfinite(value)) return 0;
  const double magnitude = std::fabs(value);
  if (magnitude == 0 || (magnitude >= 1e-6 && magnitude < 1e21)) return FormatDecimal(value, out);
  // Like Go, to_chars writes at least two digits of exponent.
  return static_cast<size_t>(
      std::to_chars(out, out + kMaxNumberText, value, std::chars_format::scientific).ptr - out);
}

bool ParseFloat(std::string_view text, double& out) {
  bool negative = false;
  const bool has_sign = !text.empty() && (text[0] == '+' || text[0] == '-');
  if (has_sign) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  std::string digits;
  if (text.find('_') != std::string_view::npos) {
    if (!TakeUnderscores(text, digits)) return false;
    text = digits;
  }
  double magnitude = 0;
  if (text.empty() || text[0] == '+' || text[0] == '-') return false;
  if (EqualsNoCase(text, "inf") || EqualsNoCase(text, "infinity")) {
    magnitude = HUGE_VAL;
  } else if (!has_sign && EqualsNoCase(text, "nan")) {
    magnitude = NAN;
  } else if (text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == 'x') {
    if (!ParseHex(text, magnitude)) return false;
  } else {
    if (text[0] != '.' && (text[0] < '0' || text[0] > '9')) return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), magnitude);
    if (end != text.data() + text.size() || error == std::errc::invalid_argument) return false;
    // A number too small to be written is zero in Go, one too large is an error;
    // from_chars does not say which.
    if (error != std::errc()) magnitude = std::strtod(std::string(text).c_str(), nullptr);
    if (std::isinf(magnitude)) return false;
  }
  out = negative ? -magnitude : magnitude;
  return true;
}

bool ParseInt(std::string_view text, long long& out) {
  if (!text.empty() && text[0] == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text[0] == '-') return false;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace agent::text
