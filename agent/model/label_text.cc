// SPDX-License-Identifier: Apache-2.0
// The text form of a label set, as Loki parses it and Promtail writes it: Go's
// strconv.Quote for the values, including its idea of a printable character.
#include <algorithm>
#include <cstdio>
#include <iterator>

#include "agent/model/label_set.h"

namespace agent {
namespace {

struct Range {
  uint32_t first, last;
};

constexpr Range kUnprintable[] = {
#include "agent/model/internal/unprintable.inc"
};

bool IsPrintable(uint32_t rune) {
  if (rune < 0x80) return rune >= 0x20 && rune < 0x7f;
  const auto* range = std::lower_bound(std::begin(kUnprintable), std::end(kUnprintable), rune,
                                       [](const Range& r, uint32_t value) { return r.last < value; });
  return range == std::end(kUnprintable) || rune < range->first;
}

// Decodes one UTF-8 sequence at the start of `text`. Length 0: not valid.
struct Decoded {
  uint32_t rune;
  size_t length;
};

Decoded DecodeRune(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const auto continues = [&](size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
  const uint32_t b0 = byte(0);
  if (b0 < 0x80) return {b0, 1};
  if (b0 >= 0xc2 && b0 <= 0xdf && continues(1)) return {((b0 & 0x1f) << 6) | (byte(1) & 0x3fu), 2};
  if (b0 >= 0xe0 && b0 <= 0xef && continues(1) && continues(2)) {
    const uint32_t rune = ((b0 & 0x0f) << 12) | ((byte(1) & 0x3fu) << 6) | (byte(2) & 0x3fu);
    if (rune >= 0x800 && (rune < 0xd800 || rune > 0xdfff)) return {rune, 3};
  }
  if (b0 >= 0xf0 && b0 <= 0xf4 && continues(1) && continues(2) && continues(3)) {
    const uint32_t rune =
        ((b0 & 0x07) << 18) | ((byte(1) & 0x3fu) << 12) | ((byte(2) & 0x3fu) << 6) | (byte(3) & 0x3fu);
    if (rune >= 0x10000 && rune <= 0x10ffff) return {rune, 4};
  }
  return {0, 0};
}

void AppendEscape(std::string& out, uint32_t rune) {
  static constexpr char kSimple[] = {'\a', '\b', '\f', '\n', '\r', '\t', '\v'};
  static constexpr char kLetters[] = {'a', 'b', 'f', 'n', 'r', 't', 'v'};
  for (size_t i = 0; i < sizeof kSimple; ++i) {
    if (rune != static_cast<uint32_t>(kSimple[i])) continue;
    out += '\\';
    out += kLetters[i];
    return;
  }
  char text[16];
  if (rune < 0x80) {
    std::snprintf(text, sizeof text, "\\x%02x", rune);
  } else {
    std::snprintf(text, sizeof text, rune < 0x10000 ? "\\u%04x" : "\\U%08x", rune);
  }
  out += text;
}

void AppendPair(std::string& out, std::string_view name, std::string_view value) {
  if (out.size() > 1) out += ", ";
  out.append(name) += '=';
  AppendGoQuoted(out, value);
}

}  // namespace

void AppendGoQuoted(std::string& out, std::string_view value) {
  out += '"';
  while (!value.empty()) {
    const char c = value.front();
    if (c >= 0x20 && c < 0x7f) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
      value.remove_prefix(1);
      continue;
    }
    const Decoded decoded = DecodeRune(value);
    if (decoded.length == 0) {
      char text[8];
      std::snprintf(text, sizeof text, "\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
      out += text;
      value.remove_prefix(1);
      continue;
    }
    if (IsPrintable(decoded.rune)) {
      out.append(value.substr(0, decoded.length));
    } else {
      AppendEscape(out, decoded.rune);
    }
    value.remove_prefix(decoded.length);
  }
  out += '"';
}

std::string FormatLabels(const LabelMap& labels) {
  std::string out = "{";
  for (const auto& [name, value] : labels) {
    if (name != "__tenant_id__") AppendPair(out, name, value);
  }
  return out + "}";
}

std::string FormatAllLabels(const LabelSet& labels) {
  std::string out = "{";
  for (const auto& [name, value] : labels.pairs()) AppendPair(out, name, value);
  return out + "}";
}

}  // namespace agent
