// SPDX-License-Identifier: Apache-2.0
#include "agent/config/internal/scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

namespace agent::config::internal {
namespace {

struct Word {
  std::string_view text;
  Node::ScalarType type;
  bool boolean;
  double number;
};

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
using enum Node::ScalarType;

constexpr std::array kWords{
    Word{"", kNull, false, 0},         Word{"~", kNull, false, 0},        Word{"null", kNull, false, 0},
    Word{"Null", kNull, false, 0},     Word{"NULL", kNull, false, 0},     Word{"y", kBool, true, 0},
    Word{"Y", kBool, true, 0},         Word{"yes", kBool, true, 0},       Word{"Yes", kBool, true, 0},
    Word{"YES", kBool, true, 0},       Word{"true", kBool, true, 0},      Word{"True", kBool, true, 0},
    Word{"TRUE", kBool, true, 0},      Word{"on", kBool, true, 0},        Word{"On", kBool, true, 0},
    Word{"ON", kBool, true, 0},        Word{"n", kBool, false, 0},        Word{"N", kBool, false, 0},
    Word{"no", kBool, false, 0},       Word{"No", kBool, false, 0},       Word{"NO", kBool, false, 0},
    Word{"false", kBool, false, 0},    Word{"False", kBool, false, 0},    Word{"FALSE", kBool, false, 0},
    Word{"off", kBool, false, 0},      Word{"Off", kBool, false, 0},      Word{"OFF", kBool, false, 0},
    Word{".nan", kFloat, false, kNan}, Word{".NaN", kFloat, false, kNan}, Word{".NAN", kFloat, false, kNan},
    Word{".inf", kFloat, false, kInf}, Word{".Inf", kFloat, false, kInf}, Word{".INF", kFloat, false, kInf},
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The prefix of a base-0 integer: 0x 0o 0b, or a leading zero for octal.
int TakeBase(std::string_view& digits) {
  if (digits.size() < 2 || digits[0] != '0') return 10;
  switch (digits[1]) {
    case 'x': case 'X': digits.remove_prefix(2); return 16;
    case 'o': case 'O': digits.remove_prefix(2); return 8;
    case 'b': case 'B': digits.remove_prefix(2); return 2;
    default: digits.remove_prefix(1); return 8;
  }
}

bool ParseMagnitude(std::string_view digits, uint64_t& out) {
  const int base = TakeBase(digits);
  if (digits.empty()) return false;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, out, base);
  return error == std::errc() && stop == end;
}

// Optional sign, digits with at most one point and at least one digit, optional exponent.
bool LooksLikeFloat(std::string_view text) {
  size_t i = 0;
  if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
  size_t digits = 0;
  while (i < text.size() && IsDigit(text[i])) ++i, ++digits;
  if (i < text.size() && text[i] == '.') {
    ++i;
    while (i < text.size() && IsDigit(text[i])) ++i, ++digits;
  }
  if (digits == 0) return false;
  if (i == text.size()) return true;
  if (text[i] != 'e' && text[i] != 'E') return false;
  ++i;
  if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
  const size_t exponent = i;
  while (i < text.size() && IsDigit(text[i])) ++i;
  return i == text.size() && i > exponent;
}

Scalar ResolveNumber(std::string_view text) {
  Scalar out;
  std::string plain(text);
  if (text[0] != '.') std::erase(plain, '_');  // yaml.v2 reads ._5 as text
  if (ParseGoInt(plain, out.integer)) {
    out.type = kInt;
    out.number = static_cast<double>(out.integer);
    return out;
  }
  uint64_t large = 0;
  if (!plain.empty() && IsDigit(plain[0]) && ParseMagnitude(plain, large)) {
    out.type = kInt;
    out.integer_fits = false;
    out.large = large;
    out.number = static_cast<double>(large);
    return out;
  }
  if (ParseGoFloat(plain, out.number)) {
    out.type = kFloat;
    return out;
  }
  return {};
}

}  // namespace

bool ParseGoInt(std::string_view text, int64_t& out) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  uint64_t magnitude = 0;
  if (text.empty() || !IsDigit(text[0]) || !ParseMagnitude(text, magnitude)) return false;
  const uint64_t limit = uint64_t{1} << 63;
  if (magnitude > limit || (magnitude == limit && !negative)) return false;
  out = static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
  return true;
}

bool ParseGoFloat(std::string_view text, double& out) {
  if (!LooksLikeFloat(text)) return false;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range && std::string(text).find('-', 1) != std::string::npos) {
    out = 0;  // too small for a double is zero, too large is no number
    return true;
  }
  if (error != std::errc() || stop != text.data() + text.size()) return false;
  out = value;
  return true;
}

bool SameNoCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

Scalar ResolvePlain(std::string_view text) {
  std::string_view word = text;
  const bool plus = word.starts_with("+.") || word.starts_with("-.");
  if (plus) word.remove_prefix(1);
  const auto* found = std::ranges::find(kWords, word, &Word::text);
  if (found != kWords.end() && (!plus || std::isinf(found->number))) {
    Scalar out;
    out.type = found->type;
    out.boolean = found->boolean;
    out.number = text.starts_with('-') ? -found->number : found->number;
    return out;
  }
  const char first = text.empty() ? ' ' : text[0];
  if (IsDigit(first) || first == '+' || first == '-' || first == '.') return ResolveNumber(text);
  return {};
}

}  // namespace agent::config::internal
