// SPDX-License-Identifier: Apache-2.0
#include "agent/frame/internal/docker_line.h"

#include <cstdint>
#include <cstring>

namespace agent::frame {
namespace {

constexpr int kMaxDepth = 64;

// A strict reader of one JSON value at a time; stops at the first error.
class Scanner {
 public:
  Scanner(std::string_view text, Arena& arena) : at_(text.data()), end_(at_ + text.size()), arena_(arena) {}

  bool AtEnd() {
    SkipSpace();
    return at_ == end_;
  }
  bool Take(char c) {
    SkipSpace();
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  bool String(std::string_view& out);
  // A string, or the source text of a number or bool; `present` is false for null,
  // an object or an array.
  bool Scalar(std::string_view& out, bool& present);
  bool Skip(int depth);

 private:
  void SkipSpace() {
    while (at_ < end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\n' || *at_ == '\r')) ++at_;
  }
  bool Unescape(const char* start, std::string_view& out);
  bool Hex4(uint32_t& out);
  bool Literal(std::string_view word);
  bool SkipList(char close, bool keys, int depth);

  const char* at_;
  const char* end_;
  Arena& arena_;
};

char* AppendUtf8(char* to, uint32_t rune) {
  if (rune < 0x80) {
    *to++ = static_cast<char>(rune);
  } else if (rune < 0x800) {
    *to++ = static_cast<char>(0xc0 | (rune >> 6));
    *to++ = static_cast<char>(0x80 | (rune & 0x3f));
  } else if (rune < 0x10000) {
    *to++ = static_cast<char>(0xe0 | (rune >> 12));
    *to++ = static_cast<char>(0x80 | ((rune >> 6) & 0x3f));
    *to++ = static_cast<char>(0x80 | (rune & 0x3f));
  } else {
    *to++ = static_cast<char>(0xf0 | (rune >> 18));
    *to++ = static_cast<char>(0x80 | ((rune >> 12) & 0x3f));
    *to++ = static_cast<char>(0x80 | ((rune >> 6) & 0x3f));
    *to++ = static_cast<char>(0x80 | (rune & 0x3f));
  }
  return to;
}

bool Scanner::String(std::string_view& out) {
  if (!Take('"')) return false;
  const char* const start = at_;
  for (; at_ < end_; ++at_) {
    if (*at_ == '"') {
      out = {start, static_cast<size_t>(at_ - start)};
      ++at_;
      return true;
    }
    if (*at_ == '\\') return Unescape(start, out);
    if (static_cast<uint8_t>(*at_) < 0x20) return false;
  }
  return false;
}

bool Scanner::Hex4(uint32_t& out) {
  if (end_ - at_ < 4) return false;
  out = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = *at_++;
    const char lower = static_cast<char>(c | 0x20);
    uint32_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<uint32_t>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      digit = static_cast<uint32_t>(lower - 'a') + 10;
    } else {
      return false;
    }
    out = out * 16 + digit;
  }
  return true;
}

bool Scanner::Unescape(const char* start, std::string_view& out) {
  // The unescaped text is never longer than its source.
  char* const first = static_cast<char*>(arena_.Allocate(static_cast<size_t>(end_ - start), 1));
  char* to = first;
  std::memcpy(to, start, static_cast<size_t>(at_ - start));
  to += at_ - start;
  while (at_ < end_) {
    const char c = *at_++;
    if (c == '"') {
      out = {first, static_cast<size_t>(to - first)};
      arena_.Trim(first, out.size());
      return true;
    }
    if (static_cast<uint8_t>(c) < 0x20) return false;
    if (c != '\\') {
      *to++ = c;
      continue;
    }
    if (at_ == end_) return false;
    const char escaped = *at_++;
    static constexpr std::string_view kNames = "\"\\/bfnrt";
    static constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
    if (const size_t known = kNames.find(escaped); known != std::string_view::npos) {
      *to++ = kValues[known];
      continue;
    }
    uint32_t rune = 0;
    if (escaped != 'u' || !Hex4(rune)) return false;
    if (rune >= 0xd800 && rune <= 0xdbff && end_ - at_ >= 6 && at_[0] == '\\' && at_[1] == 'u') {
      const char* const before = at_;
      uint32_t low = 0;
      at_ += 2;
      if (!Hex4(low)) return false;
      if (low >= 0xdc00 && low <= 0xdfff) {
        rune = 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
      } else {
        at_ = before;
      }
    }
    if (rune >= 0xd800 && rune <= 0xdfff) rune = 0xfffd;
    to = AppendUtf8(to, rune);
  }
  return false;
}

bool Scanner::Literal(std::string_view word) {
  if (static_cast<size_t>(end_ - at_) < word.size() || std::memcmp(at_, word.data(), word.size()) != 0) {
    return false;
  }
  at_ += word.size();
  return true;
}

bool Scanner::SkipList(char close, bool keys, int depth) {
  if (Take(close)) return true;
  do {
    std::string_view key;
    if (keys && (!String(key) || !Take(':'))) return false;
    if (!Skip(depth + 1)) return false;
  } while (Take(','));
  return Take(close);
}

bool Scanner::Skip(int depth) {
  SkipSpace();
  if (at_ == end_ || depth > kMaxDepth) return false;
  std::string_view ignored;
  switch (*at_) {
    case '"': return String(ignored);
    case '{': ++at_; return SkipList('}', true, depth);
    case '[': ++at_; return SkipList(']', false, depth);
    case 't': return Literal("true");
    case 'f': return Literal("false");
    case 'n': return Literal("null");
    default: break;
  }
  const char* const start = at_;
  while (at_ < end_ && std::strchr("+-.0123456789eE", *at_) != nullptr && *at_ != '\0') ++at_;
  return at_ > start;
}

bool Scanner::Scalar(std::string_view& out, bool& present) {
  SkipSpace();
  present = at_ < end_ && *at_ != 'n' && *at_ != '{' && *at_ != '[';
  if (at_ < end_ && *at_ == '"') return String(out);
  const char* const start = at_;
  if (!Skip(0)) return false;
  out = {start, static_cast<size_t>(at_ - start)};
  return true;
}

}  // namespace

bool ParseDockerLine(std::string_view line, Arena& arena, DockerLine& out) {
  Scanner scanner(line, arena);
  if (!scanner.Take('{')) return false;
  if (scanner.Take('}')) return scanner.AtEnd();
  do {
    std::string_view key;
    if (!scanner.String(key) || !scanner.Take(':')) return false;
    if (key == "log") {
      if (!scanner.Scalar(out.log, out.has_log)) return false;
    } else if (key == "stream") {
      if (!scanner.Scalar(out.stream, out.has_stream)) return false;
    } else if (key == "time") {
      if (!scanner.Scalar(out.time, out.has_time)) return false;
    } else if (!scanner.Skip(0)) {
      return false;
    }
  } while (scanner.Take(','));
  return scanner.Take('}') && scanner.AtEnd();
}

}  // namespace agent::frame
