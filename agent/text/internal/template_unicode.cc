// SPDX-License-Identifier: Apache-2.0
#include "agent/text/internal/template_unicode.h"

#include <algorithm>
#include <iterator>

namespace agent::text::tmpl {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
  uint32_t stride;
};
struct CaseRange {
  uint32_t first;
  uint32_t last;
  uint32_t stride;
  int32_t add;
};

#include "agent/text/internal/template_unicode_tables.inc"

template <class Row, size_t kRows>
const Row* FindRow(const Row (&rows)[kRows], char32_t rune) {
  const Row* row = std::lower_bound(std::begin(rows), std::end(rows), rune,
                                    [](const Row& r, char32_t value) { return r.last < value; });
  if (row == std::end(rows) || rune < row->first || (rune - row->first) % row->stride != 0) return nullptr;
  return row;
}

bool AsciiLetter(char32_t r) { return (r | 0x20) >= 'a' && (r | 0x20) <= 'z'; }

}  // namespace

bool IsLetter(char32_t r) { return r < 0x80 ? AsciiLetter(r) : FindRow(kLetters, r) != nullptr; }
bool IsDigit(char32_t r) { return r < 0x80 ? r >= '0' && r <= '9' : FindRow(kDigits, r) != nullptr; }
bool IsNumber(char32_t r) { return r < 0x80 ? r >= '0' && r <= '9' : FindRow(kNumbers, r) != nullptr; }
bool IsUpper(char32_t r) { return r < 0x80 ? r >= 'A' && r <= 'Z' : FindRow(kUpper, r) != nullptr; }
bool IsLower(char32_t r) { return r < 0x80 ? r >= 'a' && r <= 'z' : FindRow(kLower, r) != nullptr; }
bool IsPrint(char32_t r) { return r < 0x80 ? r >= 0x20 && r < 0x7F : FindRow(kPrintable, r) != nullptr; }

bool IsSpace(char32_t r) {
  if (r < 0x80) return r == ' ' || (r >= '\t' && r <= '\r');
  return r == 0x85 || r == 0xA0 || r == 0x1680 || (r >= 0x2000 && r <= 0x200A) || r == 0x2028 || r == 0x2029 ||
         r == 0x202F || r == 0x205F || r == 0x3000;
}

char32_t ToUpper(char32_t r) {
  if (r < 0x80) return r >= 'a' && r <= 'z' ? r - 0x20 : r;
  const CaseRange* row = FindRow(kToUpper, r);
  return row == nullptr ? r : static_cast<char32_t>(static_cast<int32_t>(r) + row->add);
}

char32_t ToLower(char32_t r) {
  if (r < 0x80) return r >= 'A' && r <= 'Z' ? r + 0x20 : r;
  const CaseRange* row = FindRow(kToLower, r);
  return row == nullptr ? r : static_cast<char32_t>(static_cast<int32_t>(r) + row->add);
}

char32_t ToTitle(char32_t r) {
  const CaseRange* row = r < 0x80 ? nullptr : FindRow(kToTitle, r);
  return row == nullptr ? ToUpper(r) : static_cast<char32_t>(static_cast<int32_t>(r) + row->add);
}

}  // namespace agent::text::tmpl
