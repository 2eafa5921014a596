// SPDX-License-Identifier: Apache-2.0
// Character sets of log files: one line's bytes to UTF-8, as Promtail decodes them
// (`encoding` in a scrape config takes the names of IANA's registry). What is not a
// character in the set becomes U+FFFD; decoding never fails.
//
// Single-byte sets are tables of ours; those of East Asia are read by the C library's
// iconv, whose modules must be installed (Find says so if they are not).
// Threads: a Charset is immutable and shared; a CharsetDecoder is one lane's.
// Cost: ASCII lines are not copied (except in UTF-16 and EBCDIC).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "agent/core/arena.h"
#include "agent/core/result.h"

namespace agent::text {

class Charset {
 public:
  enum class Kind : uint8_t { kTable, kAscii, kUtf8, kUtf16, kUtf16Be, kUtf16Le, kIconv, kHz };

  // By any of its names, in any case. An error says what is wrong with the name.
  static Result<std::shared_ptr<const Charset>> Find(std::string_view name);

  // A line break is one of these: 2 in UTF-16, else 1.
  size_t unit() const { return kind_ >= Kind::kUtf16 && kind_ <= Kind::kUtf16Le ? 2 : 1; }
  Kind kind() const { return kind_; }

 private:
  friend class CharsetDecoder;
  Kind kind_ = Kind::kUtf8;
  const char* iconv_name_ = nullptr;
  std::span<const char16_t> table_;
};

class CharsetDecoder {
 public:
  explicit CharsetDecoder(std::shared_ptr<const Charset> charset);
  ~CharsetDecoder();
  CharsetDecoder(const CharsetDecoder&) = delete;
  CharsetDecoder& operator=(const CharsetDecoder&) = delete;

  const Charset& charset() const { return *charset_; }

  // UTF-16 without a fixed byte order has one per file: from its mark, or from the
  // first line break, which `head` should hold. Does nothing for other sets.
  void BeginFile(std::string_view head, bool at_start);
  // The length of the first line without its line break; npos if there is none.
  size_t FindLineEnd(std::string_view bytes) const;
  // The line as UTF-8: itself, or in the arena. `first` if it begins the file.
  std::string_view Decode(std::string_view line, bool first, Arena& arena);

 private:
  std::string_view DecodeTable(std::string_view line, Arena& arena) const;
  std::string_view DecodeAscii(std::string_view line, Arena& arena) const;
  std::string_view DecodeUtf16(std::string_view line, Arena& arena) const;
  std::string_view DecodeIconv(std::string_view line, Arena& arena);
  std::string_view DecodeHz(std::string_view line, Arena& arena);
  void Convert(std::string_view bytes);

  const std::shared_ptr<const Charset> charset_;
  void* iconv_;
  bool big_endian_;
  std::string scratch_;
};

}  // namespace agent::text
