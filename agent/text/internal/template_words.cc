// SPDX-License-Identifier: Apache-2.0
// Sprig's functions that look at words: case styles, initials, abbreviation, wrapping.
#include <algorithm>

#include "agent/text/internal/template_functions.h"
#include "agent/text/internal/template_unicode.h"

namespace agent::text::tmpl {
namespace {

// -- case --

// Go's old strings.Title: what follows a letter, digit or underscore stays.
bool SeparatesTitles(char32_t rune) {
  if (rune < 0x80) return !IsAlphanumeric(rune);
  return !IsLetter(rune) && !IsDigit(rune) && IsSpace(rune);
}

Value ByRune(Run& run, std::string_view text, char32_t (*change)(char32_t before, char32_t rune)) {
  Buffer out(run);
  char32_t before = ' ';
  for (size_t at = 0; at < text.size();) {
    const Decoded next = DecodeRune(text, at);
    AppendRune(*out, change(before, next.rune));
    before = next.rune;
    at += next.size;
  }
  return run.Text(*out);
}

Value Title(Run& run, Args args) {
  return ByRune(run, args[0].text,
                [](char32_t before, char32_t rune) { return SeparatesTitles(before) ? ToTitle(rune) : rune; });
}

Value Untitle(Run& run, Args args) {
  return ByRune(run, args[0].text, [](char32_t before, char32_t rune) { return IsSpace(before) ? ToLower(rune) : rune; });
}

Value Swapcase(Run& run, Args args) {
  return ByRune(run, args[0].text, [](char32_t before, char32_t rune) {
    if (IsLower(rune)) return IsSpace(before) ? ToTitle(rune) : ToUpper(rune);
    return ToLower(rune);
  });
}

// The first byte of each word, taken for a character, as Sprig does.
// Sprig takes each byte for a character: 0x85 and 0xA0 are spaces, within others too.
Value Initials(Run& run, Args args) {
  Buffer out(run);
  bool start = true;
  for (const char byte : args[0].text) {
    const auto rune = static_cast<unsigned char>(byte);
    const bool space = IsSpace(rune);
    if (start && !space) AppendRune(*out, rune);
    start = space;
  }
  return run.Text(*out);
}

// -- snake_case, kebab-case, PascalCase --

enum class Class { kUpper, kLower, kDigit, kConnector, kPunctuation, kOther };

bool IsPunctuation(char32_t rune) {
  if (rune >= 0x80) return IsPrint(rune) && !IsLetter(rune) && !IsNumber(rune) && rune < 0x2070 && rune >= 0x2010;
  return std::string_view("!\"#%&'()*,-./:;?@[\\]_{}").find(static_cast<char>(rune)) != std::string_view::npos;
}

Class ClassOf(char32_t rune) {
  if (rune == '_' || rune == '-' || IsSpace(rune)) return Class::kConnector;
  if (IsUpper(rune)) return Class::kUpper;
  if (IsLower(rune)) return Class::kLower;
  if (IsNumber(rune)) return Class::kDigit;
  return IsPunctuation(rune) ? Class::kPunctuation : Class::kOther;
}

class LowerCaseWords {
 public:
  LowerCaseWords(std::string_view text, char connector) : text_(text), connector_(connector) {}

  void Write(std::string& out) {
    while (at_ < text_.size()) {
      const Decoded next = DecodeRune(text_, at_);
      const Class kind = ClassOf(next.rune);
      if (kind == Class::kConnector) {
        out.push_back(connector_);
        at_ += next.size;
        start_ = true;
      } else if (kind == Class::kPunctuation) {
        Punctuation(out);
      } else {
        const bool splits = !start_ && Splits(kind, next.size);
        if (splits) out.push_back(connector_);
        if (splits || start_) number_ = kind == Class::kDigit;
        start_ = false;
        before_ = kind;
        AppendRune(out, kind == Class::kUpper ? ToLower(next.rune) : next.rune);
        at_ += next.size;
      }
    }
  }

 private:
  // A run of punctuation stays as it is, with the connectors in it, and ends a word.
  void Punctuation(std::string& out) {
    while (at_ < text_.size()) {
      const Decoded next = DecodeRune(text_, at_);
      if (!IsPunctuation(next.rune)) break;
      AppendRune(out, next.rune);
      at_ += next.size;
    }
    start_ = true;
  }

  // Whether a word begins with the character of this class at at_.
  bool Splits(Class kind, size_t size) const {
    const bool other = before_ == Class::kOther;
    switch (kind) {
      case Class::kOther: return !other;
      case Class::kLower: return other;
      case Class::kUpper: {
        if (before_ != Class::kUpper) return true;
        const size_t after = at_ + size;  // the last capital of several begins the next word
        return after < text_.size() && IsLower(DecodeRune(text_, after).rune);
      }
      case Class::kDigit: {
        if (before_ == Class::kDigit || number_) return false;
        size_t end = at_;  // digits belong to the small letters that follow them
        while (end < text_.size() && IsNumber(DecodeRune(text_, end).rune)) end += DecodeRune(text_, end).size;
        return end < text_.size() && IsLower(DecodeRune(text_, end).rune);
      }
      default: return false;
    }
  }

  std::string_view text_;
  char connector_;
  size_t at_ = 0;
  bool start_ = true;     // of a word
  bool number_ = false;   // the word began with a digit
  Class before_ = Class::kOther;
};

Value Snakecase(Run& run, Args args) {
  Buffer out(run);
  LowerCaseWords(args[0].text, '_').Write(*out);
  return run.Text(*out);
}

Value Kebabcase(Run& run, Args args) {
  Buffer out(run);
  LowerCaseWords(args[0].text, '-').Write(*out);
  return run.Text(*out);
}

size_t SkipConnectors(std::string_view text, size_t at, size_t& last) {
  while (at < text.size()) {
    const Decoded next = DecodeRune(text, at);
    if (ClassOf(next.rune) != Class::kConnector) break;
    last = at;
    at += next.size;
  }
  return at;
}

// Of several connectors inside the text the last one goes; those around it stay.
Value Camelcase(Run& run, Args args) {
  const std::string_view text = args[0].text;
  Buffer out(run);
  size_t last = 0;
  size_t at = SkipConnectors(text, 0, last);
  out->append(text.substr(0, at));
  if (at == text.size()) {
    out->append(text.substr(last));
    return run.Text(*out);
  }
  bool start = true;
  bool lowering = false;  // the rest of a run of capitals
  while (at < text.size()) {
    const size_t word = SkipConnectors(text, at, last);
    if (word != at) {
      out->append(text.substr(at, (word == text.size() ? word : last) - at));
      at = word;
      start = true;
      continue;
    }
    const Decoded next = DecodeRune(text, at);
    if (start) {
      lowering = IsUpper(next.rune);
      AppendRune(*out, ToUpper(next.rune));
    } else {
      lowering = lowering && IsUpper(next.rune);
      AppendRune(*out, lowering ? ToLower(next.rune) : next.rune);
    }
    start = false;
    at += next.size;
  }
  return run.Text(*out);
}

// -- shortening --

Value Shorten(Run& run, std::string_view text, int64_t offset, int64_t width) {
  const auto size = static_cast<int64_t>(text.size());
  if (text.empty() || size <= width) return Value::String(text);
  offset = std::min(offset, size);
  if (size - offset < width - 3) offset = size - (width - 3);
  Buffer out(run);
  if (offset <= 4) {
    out->append(text.substr(0, static_cast<size_t>(width - 3))).append("...");
    return run.Text(*out);
  }
  out->append("...");
  if (offset + width - 3 < size) {
    const std::string_view rest = text.substr(static_cast<size_t>(offset));
    out->append(rest.substr(0, static_cast<size_t>(width - 6))).append("...");
  } else {
    out->append(text.substr(static_cast<size_t>(size - (width - 3))));
  }
  return run.Text(*out);
}

Value Abbrev(Run& run, Args args) {
  return args[0].integer < 4 ? args[1] : Shorten(run, args[1].text, 0, args[0].integer);
}

Value AbbrevBoth(Run& run, Args args) {
  const int64_t left = args[0].integer;
  const int64_t right = args[1].integer;
  if (right < 4 || (left > 0 && right < 7)) return args[2];
  return Shorten(run, args[2].text, left, right);
}

// Lines of at most `width` bytes, broken at spaces; `force` breaks long words too.
Value WrapLines(Run& run, std::string_view text, int64_t width, std::string_view line_end, bool force) {
  const auto length = static_cast<size_t>(std::max<int64_t>(width, 1));
  if (line_end.empty()) line_end = "\n";
  Buffer out(run);
  size_t at = 0;
  while (text.size() - at > length) {
    if (!run.Charge() || !run.Room(out->size())) return {};
    if (text[at] == ' ') {
      ++at;
      continue;
    }
    size_t space = text.substr(at, length + 1).rfind(' ');
    if (space == std::string_view::npos && force) {
      out->append(text.substr(at, length)).append(line_end);
      at += length;
      continue;
    }
    if (space == std::string_view::npos) space = text.substr(at).find(' ', length);
    if (space == std::string_view::npos) break;
    out->append(text.substr(at, space)).append(line_end);
    at += space + 1;
  }
  out->append(text.substr(at));
  return run.Text(*out);
}

Value Wrap(Run& run, Args args) { return WrapLines(run, args[1].text, args[0].integer, "\n", false); }
Value WrapWith(Run& run, Args args) { return WrapLines(run, args[2].text, args[0].integer, args[1].text, true); }

constexpr Function kWordFunctions[] = {
    {"title", "s", Title},           {"untitle", "s", Untitle},     {"swapcase", "s", Swapcase},
    {"initials", "s", Initials},     {"snakecase", "s", Snakecase}, {"kebabcase", "s", Kebabcase},
    {"camelcase", "s", Camelcase},   {"abbrev", "is", Abbrev},      {"abbrevboth", "iis", AbbrevBoth},
    {"wrap", "is", Wrap},            {"wrapWith", "iss", WrapWith},
};

}  // namespace

std::span<const Function> WordFunctions() { return kWordFunctions; }

}  // namespace agent::text::tmpl
