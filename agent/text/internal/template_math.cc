// SPDX-License-Identifier: Apache-2.0
// Sprig's arithmetic: whole numbers in 64 bits that wrap around, and floating-point
// numbers that are added, subtracted, multiplied and divided in decimal.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "agent/text/internal/template_functions.h"
#include "agent/text/internal/template_parser.h"
#include "agent/text/number.h"

namespace agent::text::tmpl {
namespace {

int64_t Wrap(unsigned __int128 value) { return static_cast<int64_t>(static_cast<uint64_t>(value)); }

Value Add(Run& /*run*/, Args args) {
  uint64_t sum = 0;
  for (const Value& arg : args) sum += static_cast<uint64_t>(ToInt64(arg));
  return Value::Int64(static_cast<int64_t>(sum));
}

Value Add1(Run& /*run*/, Args args) {
  return Value::Int64(static_cast<int64_t>(static_cast<uint64_t>(ToInt64(args[0])) + 1));
}

Value Sub(Run& /*run*/, Args args) {
  return Value::Int64(
      static_cast<int64_t>(static_cast<uint64_t>(ToInt64(args[0])) - static_cast<uint64_t>(ToInt64(args[1]))));
}

Value Mul(Run& /*run*/, Args args) {
  auto product = static_cast<unsigned __int128>(ToInt64(args[0]));
  for (const Value& arg : args.subspan(1)) product = static_cast<uint64_t>(product) * static_cast<uint64_t>(ToInt64(arg));
  return Value::Int64(Wrap(product));
}

Value Div(Run& run, Args args) {
  const int64_t by = ToInt64(args[1]);
  if (by == 0) return run.Fail("integer divide by zero");
  if (by == -1) return Value::Int64(static_cast<int64_t>(0 - static_cast<uint64_t>(ToInt64(args[0]))));
  return Value::Int64(ToInt64(args[0]) / by);
}

Value Mod(Run& run, Args args) {
  const int64_t by = ToInt64(args[1]);
  if (by == 0) return run.Fail("integer divide by zero");
  return Value::Int64(by == -1 ? 0 : ToInt64(args[0]) % by);
}

Value Max(Run& /*run*/, Args args) {
  int64_t most = ToInt64(args[0]);
  for (const Value& arg : args) most = std::max(most, ToInt64(arg));
  return Value::Int64(most);
}

Value Min(Run& /*run*/, Args args) {
  int64_t least = ToInt64(args[0]);
  for (const Value& arg : args) least = std::min(least, ToInt64(arg));
  return Value::Int64(least);
}

Value MaxFloat(Run& /*run*/, Args args) {
  double most = ToFloat64(args[0]);
  for (const Value& arg : args) most = std::fmax(most, ToFloat64(arg));
  return Value::Float(most);
}

Value MinFloat(Run& /*run*/, Args args) {
  double least = ToFloat64(args[0]);
  for (const Value& arg : args) least = std::fmin(least, ToFloat64(arg));
  return Value::Float(least);
}

Value Ceil(Run& /*run*/, Args args) { return Value::Float(std::ceil(ToFloat64(args[0]))); }
Value Floor(Run& /*run*/, Args args) { return Value::Float(std::floor(ToFloat64(args[0]))); }

Value Round(Run& /*run*/, Args args) {
  const double threshold = args.size() > 2 ? args[2].real : 0.5;
  const double power = std::pow(10, static_cast<double>(args[1].integer));
  const double scaled = power * ToFloat64(args[0]);
  double whole = 0;
  const bool up = std::modf(scaled, &whole) >= threshold;
  return Value::Float((up ? std::ceil(scaled) : std::floor(scaled)) / power);
}

// -- decimal arithmetic --

// digits x 10^exponent, as exact as 128 bits allow.
struct Decimal {
  __int128 digits = 0;
  int exponent = 0;
};

constexpr __int128 kMostDigits = static_cast<__int128>(1) << 120;

// The shortest decimal that is this double; none for NaN and infinities.
std::optional<Decimal> FromDouble(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
  Decimal decimal;
  bool negative = false;
  bool fraction = false;
  const char* at = text;
  for (; at != end && *at != 'e'; ++at) {
    if (*at == '-') {
      negative = true;
    } else if (*at == '.') {
      fraction = true;
    } else {
      decimal.digits = decimal.digits * 10 + (*at - '0');
      if (fraction) --decimal.exponent;
    }
  }
  int exponent = 0;
  ++at;
  std::from_chars(*at == '+' ? at + 1 : at, end, exponent);
  decimal.exponent += exponent;
  if (negative) decimal.digits = -decimal.digits;
  return decimal;
}

double ToDouble(const Decimal& decimal) {
  const bool negative = decimal.digits < 0;
  auto rest = static_cast<unsigned __int128>(negative ? -decimal.digits : decimal.digits);
  std::string text;
  do {
    text.push_back(static_cast<char>('0' + static_cast<int>(rest % 10)));
    rest /= 10;
  } while (rest != 0);
  if (negative) text.push_back('-');
  std::reverse(text.begin(), text.end());
  text.append("e").append(std::to_string(decimal.exponent));
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec == std::errc::result_out_of_range && decimal.exponent > 0) return negative ? -INFINITY : INFINITY;
  return value;
}

bool Scale(Decimal& decimal, int exponent) {
  while (decimal.exponent > exponent) {
    if (decimal.digits > kMostDigits / 10 || decimal.digits < -kMostDigits / 10) return false;
    decimal.digits *= 10;
    --decimal.exponent;
  }
  return true;
}

std::optional<Decimal> Plus(Decimal a, Decimal b) {
  const int exponent = std::min(a.exponent, b.exponent);
  if (!Scale(a, exponent) || !Scale(b, exponent)) return std::nullopt;
  return Decimal{a.digits + b.digits, exponent};
}

std::optional<Decimal> Times(Decimal a, Decimal b) {
  __int128 product = 0;
  if (__builtin_mul_overflow(a.digits, b.digits, &product)) return std::nullopt;
  return Decimal{product, a.exponent + b.exponent};
}

// To 16 places after the point, halves away from zero.
std::optional<Decimal> Over(Decimal a, Decimal b) {
  constexpr int kPlaces = 16;
  const int wanted = b.exponent - kPlaces;  // of the dividend
  if (a.exponent < wanted) {
    // A divisor of more than 120 bits: of a dividend so much smaller nothing is left.
    constexpr __int128 kSmall = kMostDigits >> 10;
    if (!Scale(b, a.exponent + kPlaces)) {
      return a.digits < kSmall && a.digits > -kSmall ? std::optional(Decimal{}) : std::nullopt;
    }
  } else if (!Scale(a, wanted)) {
    return std::nullopt;
  }
  const __int128 quotient = a.digits / b.digits;
  const __int128 rest = a.digits % b.digits;
  const auto size = [](__int128 n) { return n < 0 ? -n : n; };
  const bool away = 2 * size(rest) >= size(b.digits);
  const bool negative = (a.digits < 0) != (b.digits < 0);
  return Decimal{quotient + (away ? (negative ? -1 : 1) : 0), -kPlaces};
}

using Operation = std::optional<Decimal> (*)(Decimal, Decimal);

Value InDecimal(Run& run, Value first, Args rest, Operation operation, double (*plain)(double, double)) {
  constexpr std::string_view kNoDecimal = "NaN and infinities have no decimal form";
  std::optional<Decimal> total = FromDouble(ToFloat64(first));
  if (!total) return run.Fail(kNoDecimal);
  for (const Value& arg : rest) {
    const auto operand = FromDouble(ToFloat64(arg));
    if (!operand) return run.Fail(kNoDecimal);
    if (operation == Over && operand->digits == 0) return run.Fail("decimal division by 0");
    const auto exact = operation(*total, *operand);
    // Too many digits for exactness: the nearest double is as good as it gets.
    total = exact ? exact : FromDouble(plain(ToDouble(*total), ToFloat64(arg)));
    if (!total) return run.Fail(kNoDecimal);
  }
  return Value::Float(ToDouble(*total));
}

Value AddFloat(Run& run, Args args) {
  return InDecimal(run, Value::Float(0), args, Plus, [](double a, double b) { return a + b; });
}
Value Add1Float(Run& run, Args args) {
  return InDecimal(run, Value::Float(1), args, Plus, [](double a, double b) { return a + b; });
}
Value SubFloat(Run& run, Args args) {
  const Operation minus = [](Decimal a, Decimal b) { return Plus(a, {-b.digits, b.exponent}); };
  return InDecimal(run, args[0], args.subspan(1), minus, [](double a, double b) { return a - b; });
}
Value MulFloat(Run& run, Args args) {
  return InDecimal(run, args[0], args.subspan(1), Times, [](double a, double b) { return a * b; });
}
Value DivFloat(Run& run, Args args) {
  return InDecimal(run, args[0], args.subspan(1), Over, [](double a, double b) { return a / b; });
}

// -- conversions --

Value Atoi(Run& /*run*/, Args args) {
  const std::string_view text = args[0].text;
  long long number = 0;
  if (ParseInt(text, number)) return Value::Int(number);
  // Out of range gives the nearest, anything else 0.
  const bool negative = text.starts_with('-');
  const std::string_view digits = text.substr(negative || text.starts_with('+') ? 1 : 0);
  const bool numeric = !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
  return Value::Int(!numeric ? 0 : negative ? INT64_MIN : INT64_MAX);
}

Value Int(Run& /*run*/, Args args) { return Value::Int(ToInt64(args[0])); }
Value Int64(Run& /*run*/, Args args) { return Value::Int64(ToInt64(args[0])); }
Value Float64(Run& /*run*/, Args args) { return Value::Float(ToFloat64(args[0])); }

// Reads octal digits.
Value ToDecimal(Run& run, Args args) {
  Buffer text(run);
  AppendValue(run, *text, args[0]);
  std::string_view digits = *text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 8);
  return Value::Int64(end == digits.data() + digits.size() && error == std::errc() ? number : 0);
}

constexpr Function kMathFunctions[] = {
    {"add", "a*", Add},       {"add1", "a", Add1},       {"sub", "aa", Sub},       {"mul", "aa*", Mul},
    {"div", "aa", Div},       {"mod", "aa", Mod},        {"max", "aa*", Max},      {"biggest", "aa*", Max},
    {"min", "aa*", Min},      {"maxf", "aa*", MaxFloat}, {"minf", "aa*", MinFloat}, {"ceil", "a", Ceil},
    {"floor", "a", Floor},    {"round", "aif*", Round},  {"addf", "a*", AddFloat}, {"add1f", "a", Add1Float},
    {"subf", "aa*", SubFloat}, {"mulf", "aa*", MulFloat}, {"divf", "aa*", DivFloat}, {"atoi", "s", Atoi},
    {"int", "a", Int},        {"int64", "a", Int64},     {"float64", "a", Float64}, {"toDecimal", "a", ToDecimal},
};

// The largest double below 2^63; beyond it, Go on amd64 gives the smallest integer.
int64_t Truncate(double value) {
  if (!(value < 9223372036854775808.0) || !(value >= -9223372036854775808.0)) return INT64_MIN;
  return static_cast<int64_t>(value);
}

// "12.00" counts as "12".
std::string_view WithoutZeroFraction(std::string_view text) {
  const size_t point = text.rfind('.');
  if (point == std::string_view::npos || point + 1 == text.size()) return text;
  return text.substr(point + 1).find_first_not_of('0') == std::string_view::npos ? text.substr(0, point) : text;
}

}  // namespace

int64_t ToInt64(const Value& value) {
  switch (value.kind) {
    case Kind::kInt: return value.int_type == IntType::kDuration ? 0 : value.integer;
    case Kind::kFloat: return Truncate(value.real);
    case Kind::kBool: return value.flag ? 1 : 0;
    case Kind::kString: {
      int64_t number = 0;
      return ParseInteger(WithoutZeroFraction(value.text), number) == Whole::kYes ? number : 0;
    }
    default: return 0;
  }
}

double ToFloat64(const Value& value) {
  switch (value.kind) {
    case Kind::kInt: return value.int_type == IntType::kDuration ? 0 : static_cast<double>(value.integer);
    case Kind::kFloat: return value.real;
    case Kind::kBool: return value.flag ? 1 : 0;
    case Kind::kString: {
      double number = 0;
      return ParseFloat(value.text, number) ? number : 0;
    }
    default: return 0;
  }
}

std::span<const Function> MathFunctions() { return kMathFunctions; }

}  // namespace agent::text::tmpl
