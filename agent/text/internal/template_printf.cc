// SPDX-License-Identifier: Apache-2.0
// Go's Printf and Print, and how fmt writes floating-point numbers.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "agent/text/internal/template_format.h"
#include "agent/text/internal/template_unicode.h"

namespace agent::text::tmpl {
namespace {

constexpr int kMaxWidth = 1'000'000;  // fmt's own
constexpr int kMaxDigits = 4096;      // of a floating-point number; more are never there

// "1.5e+06" from shortest digits: Go wants %e below 1e-4 and from 1e+06 on.
void AppendShortest(std::string& out, double value, char format) {
  char text[400];
  auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
  if (format == 'g') {
    const std::string_view all(text, static_cast<size_t>(end - text));
    const size_t mark = all.rfind('e');
    int exponent = 0;
    const size_t digits = all[mark + 1] == '+' ? mark + 2 : mark + 1;
    std::from_chars(all.data() + digits, all.data() + all.size(), exponent);
    if (exponent >= -4 && exponent < 6) format = 'f';
  }
  if (format == 'f') end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed).ptr;
  out.append(text, end);
}

void AppendHexFloat(std::string& out, double value, int precision, bool upper) {
  char text[kMaxDigits + 64];
  const double magnitude = std::abs(value);
  const auto end = precision < 0 ? std::to_chars(text, text + sizeof text, magnitude, std::chars_format::hex).ptr
                                 : std::to_chars(text, text + sizeof text, magnitude, std::chars_format::hex,
                                                 std::min(precision, kMaxDigits)).ptr;
  std::string digits(text, end);
  const size_t mark = digits.find('p');
  if (mark != std::string::npos && digits.size() - mark == 3) digits.insert(mark + 2, "0");
  digits.insert(0, "0x");
  if (upper) std::transform(digits.begin(), digits.end(), digits.begin(), [](char c) { return c >= 'a' ? c - 32 : c; });
  if (std::signbit(value)) out.push_back('-');
  out.append(digits);
}

void AppendBinaryExponent(std::string& out, double value) {
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);
  const auto mantissa = static_cast<int64_t>(std::ldexp(fraction, 53));
  exponent = value == 0 ? -1074 : exponent - 53;
  out.append(std::to_string(mantissa)).push_back('p');
  if (exponent >= 0) out.push_back('+');
  out.append(std::to_string(exponent));
}

// %#g and %#e keep the point and zeros up to the precision.
void KeepZeros(std::string& text, int precision, bool general) {
  const size_t mark = text.find_first_of("eE");
  std::string tail = mark == std::string::npos ? std::string() : text.substr(mark);
  if (mark != std::string::npos) text.resize(mark);
  const bool point = text.find('.') != std::string::npos;
  if (!point) text.push_back('.');
  if (general) {
    int digits = precision < 0 ? 6 : std::max(precision, 1);
    bool counting = false;
    for (const char c : text) {
      if (c < '0' || c > '9') continue;
      counting = counting || c != '0';
      if (counting) --digits;
    }
    if (!counting) --digits;
    if (digits > 0) text.append(static_cast<size_t>(std::min(digits, kMaxDigits)), '0');
  }
  text.append(tail);
}

class FormatString {
 public:
  FormatString(Run& run, std::string& out, std::string_view format, Args args)
      : run_(run), out_(out), format_(format), args_(args) {}
  void Write();

 private:
  void Directive();
  void Flags(Spec& spec);
  void Index();
  bool Star(int& into, bool& bad);
  bool Digits(int& into);
  bool At(char c) const { return at_ < format_.size() && format_[at_] == c; }
  void Extra();

  Run& run_;
  std::string& out_;
  std::string_view format_;
  Args args_;
  size_t at_ = 0;
  size_t next_ = 0;  // argument
  bool good_index_ = true;
  bool reordered_ = false;
  bool after_index_ = false;
};

void FormatString::Write() {
  while (at_ < format_.size() && !run_.failed()) {
    const size_t percent = std::min(format_.find('%', at_), format_.size());
    out_.append(format_.substr(at_, percent - at_));
    if (!run_.Room(out_.size())) return;
    at_ = percent;
    if (at_ < format_.size()) {
      ++at_;
      Directive();
    }
  }
  if (!reordered_ && next_ < args_.size()) Extra();
}

void FormatString::Extra() {
  out_.append("%!(EXTRA ");
  for (size_t i = next_; i < args_.size(); ++i) {
    if (i > next_) out_.append(", ");
    if (args_[i].is_nothing()) {
      out_.append("<nil>");
    } else {
      out_.append(TypeName(args_[i])).push_back('=');
      AppendValue(run_, out_, args_[i]);
    }
  }
  out_.push_back(')');
}

void FormatString::Flags(Spec& spec) {
  for (; at_ < format_.size(); ++at_) {
    switch (format_[at_]) {
      case '#': spec.sharp = true; break;
      case '0': spec.zero = true; break;
      case '+': spec.plus = true; break;
      case '-': spec.minus = true; break;
      case ' ': spec.space = true; break;
      default: return;
    }
  }
}

bool FormatString::Digits(int& into) {
  const size_t from = at_;
  int64_t number = 0;
  while (at_ < format_.size() && format_[at_] >= '0' && format_[at_] <= '9') {
    number = std::min<int64_t>(number * 10 + (format_[at_++] - '0'), kMaxWidth + 1);
  }
  if (at_ == from || number > kMaxWidth) return false;
  into = static_cast<int>(number);
  return true;
}

// `[3]` chooses the argument.
void FormatString::Index() {
  if (!At('[')) return;
  reordered_ = true;
  const size_t close = format_.find(']', at_);
  if (close == std::string_view::npos) {
    good_index_ = false;
    ++at_;
    return;
  }
  const size_t digits = ++at_;
  int number = 0;
  const bool ok = Digits(number) && at_ == close && digits != close;
  at_ = close + 1;
  if (!ok || number < 1 || static_cast<size_t>(number) > args_.size()) {
    good_index_ = false;
    return;
  }
  next_ = static_cast<size_t>(number - 1);
  after_index_ = true;
}

// `*` takes a width or precision from the arguments.
bool FormatString::Star(int& into, bool& bad) {
  if (!At('*')) return false;
  ++at_;
  bad = true;
  if (next_ < args_.size()) {
    const Value& value = args_[next_++];
    if (value.kind == Kind::kInt && value.integer >= -kMaxWidth && value.integer <= kMaxWidth) {
      into = static_cast<int>(value.integer);
      bad = false;
    }
  }
  after_index_ = false;
  return true;
}

void FormatString::Directive() {
  Spec spec;
  good_index_ = true;
  after_index_ = false;
  Flags(spec);
  Index();
  bool bad = false;
  bool have_width = true;
  if (Star(spec.width, bad)) {
    if (bad) out_.append("%!(BADWIDTH)");
    if (spec.width < -1 || (spec.width == -1 && !bad)) {
      spec.width = -spec.width;
      spec.minus = true;
      spec.zero = false;
    }
  } else {
    have_width = Digits(spec.width);
    if (after_index_ && have_width) good_index_ = false;  // "%[3]2d"
  }
  if (At('.')) {
    ++at_;
    if (after_index_) good_index_ = false;  // "%[3].2d"
    Index();
    if (Star(spec.precision, bad)) {
      if (spec.precision < 0 && !bad) bad = true;
      if (bad) {
        spec.precision = -1;
        out_.append("%!(BADPREC)");
      }
    } else if (!Digits(spec.precision)) {
      spec.precision = 0;
    }
  }
  if (!after_index_) Index();
  if (at_ == format_.size()) {
    out_.append("%!(NOVERB)");
    return;
  }
  const Decoded verb = DecodeRune(format_, at_);
  at_ += verb.size;
  spec.verb = verb.rune;
  if (spec.minus) spec.zero = false;
  const auto complain = [this, &verb](std::string_view what) {
    out_.append("%!");
    AppendRune(out_, verb.rune);
    out_.append(what);
  };
  if (verb.rune == '%') {
    out_.push_back('%');
  } else if (!good_index_) {
    complain("(BADINDEX)");
  } else if (next_ >= args_.size()) {
    complain("(MISSING)");
  } else {
    if (verb.rune == 'v' && spec.sharp) {
      spec.sharp = false;
      spec.sharp_v = true;
    }
    if (verb.rune == 'v') spec.plus = false;
    Formatter(run_, out_, spec).One(args_[next_++]);
  }
}

}  // namespace

void AppendFloat(std::string& out, double value, char format, int precision) {
  if (std::isnan(value)) {
    out.append("NaN");
    return;
  }
  if (std::isinf(value)) {
    out.append(value < 0 ? "-Inf" : "+Inf");
    return;
  }
  if (format == 'x' || format == 'X') return AppendHexFloat(out, value, precision, format == 'X');
  if (format == 'b') return AppendBinaryExponent(out, value);
  const bool upper = format == 'E' || format == 'G';
  const char lower = static_cast<char>(format | 0x20);
  const size_t from = out.size();
  if (precision < 0) {
    AppendShortest(out, value, lower);
  } else {
    const auto style = lower == 'e'   ? std::chars_format::scientific
                       : lower == 'f' ? std::chars_format::fixed
                                      : std::chars_format::general;
    char text[kMaxDigits + 400];
    out.append(text, std::to_chars(text, text + sizeof text, value, style, std::min(precision, kMaxDigits)).ptr);
  }
  if (upper) std::replace(out.begin() + static_cast<ptrdiff_t>(from), out.end(), 'e', 'E');
}

void Formatter::Float(const Value& value) {
  char format = 'g';
  int precision = spec_.precision;
  switch (spec_.verb) {
    case 'v': break;
    case 'b': case 'g': case 'G': case 'x': case 'X': format = static_cast<char>(spec_.verb); break;
    case 'e': case 'E': case 'f': case 'F':
      format = spec_.verb == 'F' ? 'f' : static_cast<char>(spec_.verb);
      if (precision < 0) precision = 6;
      break;
    default: return BadVerb(value);
  }
  Buffer buffer(run_);
  std::string& text = *buffer;
  AppendFloat(text, value.real, format, precision);
  const bool finite = std::isfinite(value.real);
  if (spec_.sharp && finite && format != 'b') KeepZeros(text, spec_.precision, (format | 0x20) == 'g');
  std::string_view sign;
  if (text[0] == '-' || text[0] == '+') {
    sign = text[0] == '-' ? "-" : spec_.plus ? "+" : spec_.space ? " " : finite ? "" : "+";
    text.erase(0, 1);
  } else if (spec_.plus || spec_.space) {
    sign = spec_.plus ? "+" : " ";
  }
  if (std::isnan(value.real) && !spec_.plus && !spec_.space) sign = {};
  const size_t width = spec_.width < 0 ? 0 : static_cast<size_t>(spec_.width);
  if (spec_.zero && finite && width > text.size() + sign.size()) {
    if (!run_.Room(width)) return;
    out_.append(sign).append(width - text.size() - sign.size(), '0').append(text);
    return;
  }
  text.insert(0, sign);
  Spec spaces = spec_;
  spaces.zero = false;
  Formatter(run_, out_, spaces).Pad(text);
}

// Both parts as real numbers of the same verb; the second always with its sign.
void Formatter::Complex(const Value& value) {
  if (std::u32string_view(U"vbgGxXfFeE").find(spec_.verb) == std::u32string_view::npos) return BadVerb(value);
  Spec signed_part = spec_;
  signed_part.plus = true;
  out_.push_back('(');
  Float(Value::Float(value.complex->real));
  Formatter(run_, out_, signed_part, depth_).Float(Value::Float(value.complex->imaginary));
  out_.append("i)");
}

void Printf(Run& run, std::string& out, std::string_view format, Args args) {
  FormatString(run, out, format, args).Write();
}

void Print(Run& run, std::string& out, Args args, bool line) {
  for (size_t i = 0; i < args.size() && !run.failed(); ++i) {
    // A space stands between two values of which neither is a text.
    if (i > 0 && (line || (!args[i].is_string() && !args[i - 1].is_string()))) out.push_back(' ');
    if (!run.Room(out.size())) return;
    AppendValue(run, out, args[i]);
  }
  if (line) out.push_back('\n');
}

}  // namespace agent::text::tmpl
