// SPDX-License-Identifier: Apache-2.0
#include "agent/text/charset.h"

#include <iconv.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/text/utf8.h"

namespace agent::text {
namespace {

using Kind = Charset::Kind;

struct Entry {
  std::string_view name;
  Kind kind;
  const char* iconv_name;
  std::span<const char16_t> table;
};

#include "agent/text/internal/charset_tables.inc"

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

iconv_t Closed() { return reinterpret_cast<iconv_t>(-1); }

iconv_t Open(const char* name) { return name == nullptr ? Closed() : iconv_open("UTF-8", name); }

char16_t Unit(const char* at, bool big_endian) {
  const auto first = static_cast<uint8_t>(at[0]);
  const auto second = static_cast<uint8_t>(at[1]);
  return static_cast<char16_t>(big_endian ? first << 8 | second : second << 8 | first);
}

// What Promtail's tables make of a single byte 0x80, where iconv knows nothing.
std::string_view OfByte80(std::string_view iconv_name) {
  if (iconv_name == "GB18030") return "\u20ac";
  return iconv_name == "CP932" ? "\u0080" : kReplacement;
}

// iconv takes stray bytes from 0x80 to 0x9f for control characters; Promtail's tables
// have none there.
void ReplaceControls(std::string& text) {
  for (size_t at = text.find('\xc2'); at != std::string::npos; at = text.find('\xc2', at + 1)) {
    if (at + 1 < text.size() && static_cast<uint8_t>(text[at + 1]) < 0xa0) text.replace(at, 2, kReplacement);
  }
}

std::string Trimmed(std::string_view name) {
  const size_t first = name.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  std::string out(name.substr(first, name.find_last_not_of(" \t\r\n") + 1 - first));
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace

Result<std::shared_ptr<const Charset>> Charset::Find(std::string_view name) {
  const std::string wanted = Trimmed(name);
  const auto* const found = std::find_if(std::begin(kEntries), std::end(kEntries),
                                         [&](const Entry& entry) { return entry.name == wanted; });
  if (found == std::end(kEntries)) {
    return Fail(Code::kConfig, "\"" + std::string(name) +
                                   "\" is no character set that Sluice reads; write one of IANA's names, "
                                   "such as iso-8859-1, windows-1252, shift_jis or utf-16le");
  }
  if (found->iconv_name != nullptr) {
    const iconv_t opened = Open(found->iconv_name);
    if (opened == Closed()) {
      return Fail(Code::kConfig, "\"" + std::string(name) +
                                     "\" is read by the C library, whose conversion modules (gconv) are not installed here");
    }
    iconv_close(opened);
  }
  auto made = std::make_shared<Charset>();
  made->kind_ = found->kind;
  made->iconv_name_ = found->iconv_name;
  made->table_ = found->table;
  return std::shared_ptr<const Charset>(std::move(made));
}

CharsetDecoder::CharsetDecoder(std::shared_ptr<const Charset> charset)
    : charset_(std::move(charset)), iconv_(Open(charset_->iconv_name_)), big_endian_(charset_->kind_ != Kind::kUtf16Le) {}

CharsetDecoder::~CharsetDecoder() {
  if (iconv_ != Closed()) iconv_close(iconv_);
}

void CharsetDecoder::BeginFile(std::string_view head, bool at_start) {
  if (charset_->kind_ != Kind::kUtf16) return;
  big_endian_ = true;
  if (at_start && head.size() >= 2 && (head.starts_with("\xff\xfe") || head.starts_with("\xfe\xff"))) {
    big_endian_ = head[0] == '\xfe';
    return;
  }
  for (size_t at = 0; at + 1 < head.size(); at += 2) {
    if (Unit(&head[at], true) == '\n') return;
    if (Unit(&head[at], false) == '\n') {
      big_endian_ = false;
      return;
    }
  }
}

size_t CharsetDecoder::FindLineEnd(std::string_view bytes) const {
  if (charset_->unit() == 1) return bytes.find('\n');
  for (size_t at = bytes.find('\n'); at != std::string_view::npos; at = bytes.find('\n', at + 1)) {
    const size_t begin = at & ~size_t{1};
    if (begin + 1 < bytes.size() && Unit(&bytes[begin], big_endian_) == '\n') return begin;
  }
  return std::string_view::npos;
}

std::string_view CharsetDecoder::Decode(std::string_view line, bool first, Arena& arena) {
  switch (charset_->kind_) {
    case Kind::kTable:
      return charset_->table_.size() == 128 && IsAscii(line) ? line : DecodeTable(line, arena);
    case Kind::kAscii:
    case Kind::kUtf8:
      return DecodeAscii(line, arena);
    case Kind::kUtf16:
      if (first && line.size() >= 2 && Unit(line.data(), big_endian_) == 0xfeff) line.remove_prefix(2);
      return DecodeUtf16(line, arena);
    case Kind::kUtf16Be:
    case Kind::kUtf16Le:
      return DecodeUtf16(line, arena);
    case Kind::kIconv:
      return DecodeIconv(line, arena);
    case Kind::kHz:
      return DecodeHz(line, arena);
  }
  return line;
}

std::string_view CharsetDecoder::DecodeTable(std::string_view line, Arena& arena) const {
  const std::span<const char16_t> table = charset_->table_;
  const size_t lowest = 256 - table.size();
  char* const first = static_cast<char*>(arena.Allocate(line.size() * 3, 1));
  char* to = first;
  for (const char c : line) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < lowest) {
      *to++ = c;
    } else {
      to += EncodeRune(table[byte - lowest], to);
    }
  }
  const std::string_view out(first, static_cast<size_t>(to - first));
  arena.Trim(first, out.size());
  return out;
}

// ASCII and UTF-8: what is valid stays, every other byte is U+FFFD.
std::string_view CharsetDecoder::DecodeAscii(std::string_view line, Arena& arena) const {
  const bool ascii = charset_->kind_ == Kind::kAscii;
  if (ascii ? IsAscii(line) : IsValidUtf8(line)) return line;
  std::string out;
  while (!line.empty()) {
    const Rune rune = DecodeRune(line);
    if (rune.valid && !(ascii && rune.size > 1)) {
      out.append(line.substr(0, rune.size));
      line.remove_prefix(rune.size);
    } else {
      out.append(kReplacement);
      line.remove_prefix(1);
    }
  }
  return arena.Copy(out);
}

std::string_view CharsetDecoder::DecodeUtf16(std::string_view line, Arena& arena) const {
  char* const first = static_cast<char*>(arena.Allocate(line.size() / 2 * 3 + 3, 1));
  char* to = first;
  size_t at = 0;
  for (; at + 1 < line.size(); at += 2) {
    const char16_t unit = Unit(&line[at], big_endian_);
    if (unit >= 0xd800 && unit < 0xdc00 && at + 3 < line.size()) {
      const char16_t low = Unit(&line[at + 2], big_endian_);
      if (low >= 0xdc00 && low < 0xe000) {
        to += EncodeRune(0x10000U + ((unit - 0xd800U) << 10) + (low - 0xdc00U), to);
        at += 2;
        continue;
      }
    }
    to += EncodeRune(unit, to);  // a lone surrogate becomes U+FFFD
  }
  if (at < line.size()) to += EncodeRune(0xfffd, to);
  const std::string_view out(first, static_cast<size_t>(to - first));
  arena.Trim(first, out.size());
  return out;
}

// Appends what iconv makes of the bytes to scratch_.
void CharsetDecoder::Convert(std::string_view bytes) {
  iconv(iconv_, nullptr, nullptr, nullptr, nullptr);
  std::string copy(bytes);  // iconv takes what it does not change by a pointer to char
  char* in = copy.data();
  size_t left = copy.size();
  char buffer[1024];
  while (left > 0) {
    char* out = buffer;
    size_t room = sizeof buffer;
    const size_t done = iconv(iconv_, &in, &left, &out, &room);
    scratch_.append(buffer, static_cast<size_t>(out - buffer));
    if (done != static_cast<size_t>(-1) || errno == E2BIG) continue;
    scratch_.append(*in == '\x80' ? OfByte80(charset_->iconv_name_) : kReplacement);
    ++in;
    --left;
  }
}

std::string_view CharsetDecoder::DecodeIconv(std::string_view line, Arena& arena) {
  // ISO-2022-JP is written in ASCII bytes.
  if (IsAscii(line) && line.find_first_of("\x1b\x0e\x0f") == std::string_view::npos) return line;
  scratch_.clear();
  Convert(line);
  if (std::string_view(charset_->iconv_name_) != "CP932") ReplaceControls(scratch_);
  return arena.Copy(scratch_);
}

// HZ: GB 2312 in seven bits between `~{` and `~}`; `~~` is one `~`.
std::string_view CharsetDecoder::DecodeHz(std::string_view line, Arena& arena) {
  if (IsAscii(line) && line.find('~') == std::string_view::npos) return line;
  scratch_.clear();
  bool wide = false;
  for (size_t at = 0; at < line.size(); ++at) {
    const auto byte = static_cast<uint8_t>(line[at]);
    const char next = at + 1 < line.size() ? line[at + 1] : '\0';
    if (byte == '~' && (next == '{' || next == '}' || (next == '~' && !wide))) {
      if (next == '~') scratch_ += '~';
      wide = next == '{';
      ++at;
    } else if (byte >= 0x80 || (byte == '~' && !wide) || (wide && at + 1 >= line.size())) {
      scratch_.append(kReplacement);
    } else if (wide && byte >= 0x21 && next >= 0x21) {
      const char pair[] = {static_cast<char>(byte | 0x80), static_cast<char>(next | 0x80)};
      Convert({pair, sizeof pair});
      ++at;
    } else if (wide) {
      scratch_.append(kReplacement);
      ++at;
    } else {
      scratch_ += line[at];
    }
  }
  return arena.Copy(scratch_);
}

}  // namespace agent::text
