// SPDX-License-Identifier: Apache-2.0
#include "agent/push/internal/label_text.h"

#include <cctype>
#include <charconv>
#include <cstdint>
#include <string>

namespace agent::push {
namespace {

void AppendUtf8(std::string& out, uint32_t code) {
  const auto put = [&out](uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  size_t at() const { return at_; }
  bool Take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void Spaces() {
    while (Take(' ')) {
    }
  }
  // Anything but what ends a name: Loki echoes names that are not valid, too.
  std::string Name() {
    const size_t start = at_;
    while (at_ < text_.size() && text_.substr(at_, 1).find_first_of("=,{}\"' \n") == std::string_view::npos) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }
  bool Quoted(std::string& out) {
    if (!Take('"')) return false;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (c != '\\') {
        out += c;
      } else if (!Escape(out)) {
        return false;
      }
    }
    return false;
  }

 private:
  bool Escape(std::string& out) {
    if (at_ >= text_.size()) return false;
    const char c = text_[at_++];
    switch (c) {
      case 'a': out += '\a'; return true;
      case 'b': out += '\b'; return true;
      case 'f': out += '\f'; return true;
      case 'n': out += '\n'; return true;
      case 'r': out += '\r'; return true;
      case 't': out += '\t'; return true;
      case 'v': out += '\v'; return true;
      case '\\':
      case '\'':
      case '"': out += c; return true;
      case 'x': return Hex(2, false, out);
      case 'u': return Hex(4, true, out);
      case 'U': return Hex(8, true, out);
      default: return false;
    }
  }
  bool Hex(size_t digits, bool rune, std::string& out) {
    if (text_.size() - at_ < digits) return false;
    uint32_t code = 0;
    const char* from = text_.data() + at_;
    const auto [end, error] = std::from_chars(from, from + digits, code, 16);
    if (error != std::errc() || end != from + digits) return false;
    at_ += digits;
    if (!rune) {
      out += static_cast<char>(code);
    } else if (code <= 0x10ffff) {
      AppendUtf8(out, code);
    } else {
      return false;
    }
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
};

bool IsLokisOwn(const std::string& name) { return name == "service_name" || name.starts_with("__"); }

}  // namespace

std::optional<LabelText> ReadLabelText(std::string_view text) {
  Reader reader(text);
  if (!reader.Take('{')) return std::nullopt;
  LabelText out;
  reader.Spaces();
  if (!reader.Take('}')) {
    do {
      reader.Spaces();
      std::string name = reader.Name();
      std::string value;
      if (name.empty() || !reader.Take('=') || !reader.Quoted(value)) return std::nullopt;
      out.labels.insert_or_assign(std::move(name), std::move(value));
      reader.Spaces();
    } while (reader.Take(','));
    if (!reader.Take('}')) return std::nullopt;
  }
  out.size = reader.at();
  return out;
}

bool MeansStream(const LabelMap& theirs, const LabelMap& ours) {
  for (const auto& [name, value] : ours) {
    if (value.empty()) continue;
    const auto found = theirs.find(name);
    if (found == theirs.end() || found->second != value) return false;
  }
  for (const auto& [name, value] : theirs) {
    if (value.empty()) continue;
    const auto found = ours.find(name);
    const bool absent = found == ours.end() || found->second.empty();
    if (absent && !IsLokisOwn(name)) return false;
  }
  return true;
}

}  // namespace agent::push
