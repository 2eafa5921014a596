// SPDX-License-Identifier: Apache-2.0
// Base64 and base32. What cannot be decoded comes out as Go's message about it,
// because Sprig returns that.
#include <string>

#include "agent/text/internal/template_functions.h"

namespace agent::text::tmpl {
namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

// `bits` per character; groups of `group` characters, padded.
Value Encode(Run& run, std::string_view text, std::string_view alphabet, unsigned bits, size_t group) {
  Buffer out(run);
  uint32_t pending = 0;
  unsigned have = 0;
  for (const char c : text) {
    pending = (pending << 8) | static_cast<unsigned char>(c);
    have += 8;
    while (have >= bits) {
      have -= bits;
      out->push_back(alphabet[(pending >> have) & (alphabet.size() - 1)]);
    }
    pending &= (1u << have) - 1;
  }
  if (have > 0) out->push_back(alphabet[(pending << (bits - have)) & (alphabet.size() - 1)]);
  while (out->size() % group != 0) out->push_back('=');
  return run.Text(*out);
}

Value Corrupt(Run& run, std::string_view base, size_t at) {
  std::string message = "illegal ";
  message.append(base).append(" data at input byte ").append(std::to_string(at));
  return run.Text(message);
}

bool IsLineEnd(char c) { return c == '\n' || c == '\r'; }

size_t SkipLineEnds(std::string_view text, size_t at) {
  while (at < text.size() && IsLineEnd(text[at])) ++at;
  return at;
}

// Where base64 text with `have` characters of its last group ends in padding that is
// right: the end of the text; else where Go sees the mistake, with `ok` unset.
size_t CheckPadding64(std::string_view text, size_t at, size_t have, bool& ok) {
  ok = false;
  if (have < 2) return at - 1;
  if (have == 2) {  // a second one belongs to it
    at = SkipLineEnds(text, at);
    if (at == text.size()) return text.size();
    if (text[at] != '=') return at - 1;
    ++at;
  }
  at = SkipLineEnds(text, at);
  ok = at == text.size();
  return at;
}

Value DecodeBase64(Run& run, Args args) {
  const std::string_view text = args[0].text;
  Buffer out(run);
  uint32_t pending = 0;
  size_t have = 0;  // characters of the group
  for (size_t at = 0; at < text.size();) {
    const char c = text[at++];
    if (IsLineEnd(c)) continue;
    const size_t digit = kBase64.find(c);
    if (c == '=') {
      bool ok = false;
      const size_t stop = CheckPadding64(text, at, have, ok);
      if (!ok) return Corrupt(run, "base64", stop);
      pending <<= 6 * (4 - have);
      for (size_t i = 0; i + 1 < have; ++i) out->push_back(static_cast<char>(pending >> (16 - 8 * i)));
      return run.Text(*out);
    }
    if (digit == std::string_view::npos) return Corrupt(run, "base64", at - 1);
    pending = (pending << 6) | static_cast<uint32_t>(digit);
    if (++have == 4) {
      for (int shift = 16; shift >= 0; shift -= 8) out->push_back(static_cast<char>(pending >> shift));
      pending = 0;
      have = 0;
    }
  }
  if (have != 0) return Corrupt(run, "base64", text.size() - have);
  return run.Text(*out);
}

// Padding may only make up groups of 2, 4, 5 or 7 characters.
bool CheckPadding32(std::string_view text, size_t at, size_t have, size_t& stop) {
  const size_t needed = 8 - have;
  const size_t there = text.size() - at + 1;  // with the one before `at`
  if (there < needed) {
    stop = text.size();
    return false;
  }
  for (size_t i = 1; i < needed; ++i) {
    if (text[at + i - 1] != '=') {
      stop = at + i - 2;
      return false;
    }
  }
  stop = at - 1;
  return have != 3 && have != 6 && have != 1;
}

Value DecodeBase32(Run& run, Args args) {
  Buffer clean(run), out(run);
  for (const char c : args[0].text) {
    if (!IsLineEnd(c)) clean->push_back(c);
  }
  const std::string_view text = *clean;
  uint64_t pending = 0;
  size_t have = 0;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at++];
    if (c == '=' && have >= 2 && text.size() - at < 8) {
      size_t stop = 0;
      if (!CheckPadding32(text, at, have, stop)) return Corrupt(run, "base32", stop);
      pending <<= 5 * (8 - have);
      for (size_t i = 0; i < have * 5 / 8; ++i) out->push_back(static_cast<char>(pending >> (32 - 8 * i)));
      return run.Text(*out);
    }
    const size_t digit = kBase32.find(c);
    if (digit == std::string_view::npos) return Corrupt(run, "base32", at - 1);
    pending = (pending << 5) | digit;
    if (++have == 8) {
      for (int shift = 32; shift >= 0; shift -= 8) out->push_back(static_cast<char>(pending >> shift));
      pending = 0;
      have = 0;
    }
  }
  if (have != 0) return Corrupt(run, "base32", text.size() - have);
  return run.Text(*out);
}

Value EncodeBase64(Run& run, Args args) { return Encode(run, args[0].text, kBase64, 6, 4); }
Value EncodeBase32(Run& run, Args args) { return Encode(run, args[0].text, kBase32, 5, 8); }

constexpr Function kEncodingFunctions[] = {
    {"b64enc", "s", EncodeBase64},
    {"b64dec", "s", DecodeBase64},
    {"b32enc", "s", EncodeBase32},
    {"b32dec", "s", DecodeBase32},
};

}  // namespace

std::span<const Function> EncodingFunctions() { return kEncodingFunctions; }

}  // namespace agent::text::tmpl
