// SPDX-License-Identifier: Apache-2.0
#include "agent/kube/internal/json_splitter.h"

namespace agent::kube {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

// Whether the '[' that comes is the value of "items" in the outermost object.
bool JsonSplitter::OpensItems() const {
  std::string_view before = envelope_;
  const auto strip = [&before] {
    while (!before.empty() && IsSpace(before.back())) before.remove_suffix(1);
  };
  strip();
  if (!before.ends_with(':')) return false;
  before.remove_suffix(1);
  strip();
  return before.ends_with("\"items\"") && !before.ends_with("\\\"items\"");
}

bool JsonSplitter::Open(char c) {
  if (c == '[' && kind_ == Kind::kItems && depth_ == 1 && OpensItems()) in_items_ = true;
  const bool may_begin = kind_ == Kind::kObjects || in_items_;
  if (c == '{' && !collecting_ && may_begin && depth_ == ObjectDepth()) {
    collecting_ = true;
    object_.clear();
  }
  ++depth_;
  return true;
}

bool JsonSplitter::Close(char) {
  if (depth_ == 0) return false;
  --depth_;
  if (in_items_ && depth_ == 1) in_items_ = false;
  if (kind_ == Kind::kItems && depth_ == 0) done_ = true;
  return true;
}

// A character between objects.
bool JsonSplitter::Outside(char c) {
  if (done_ || kind_ == Kind::kObjects) {
    // After a list, and between the objects of a watch, only white space may stand.
    return IsSpace(c) || (c == '}' && done_ && depth_ == 0 && envelope_.size() < kMaxEnvelope);
  }
  if (in_items_ && depth_ == 2 && c != '[') return IsSpace(c) || c == ',';
  if (depth_ == 0 && !done_ && !IsSpace(c)) return false;
  return true;
}

bool JsonSplitter::Structural(char c) {
  if (in_string_) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
    }
    return true;
  }
  if (c == '"') {
    in_string_ = true;
    return collecting_ || !(in_items_ && depth_ == 2);
  }
  if (c == '{' || c == '[') return (!done_ || kind_ == Kind::kObjects) && Open(c);
  if (c == '}' || c == ']') return Close(c);
  return true;
}

bool JsonSplitter::Feed(std::string_view bytes) {
  for (const char c : bytes) {
    const bool was_collecting = collecting_;
    const bool was_done = done_;
    const bool was_string = in_string_;
    if (was_done && !IsSpace(c)) return false;
    if (!Structural(c)) return false;
    if (collecting_) {
      object_ += c;
      if (object_.size() > kMaxObject) return false;
      if (was_collecting && depth_ == ObjectDepth() && !in_string_) {
        collecting_ = false;
        if (!on_object_(object_)) return false;
      }
      continue;
    }
    if (kind_ == Kind::kObjects) {
      if (!IsSpace(c)) return false;
      continue;
    }
    const bool between_items = in_items_ && depth_ == 2 && c != '[';
    if (between_items && !was_string) {
      if (!IsSpace(c) && c != ',') return false;
      continue;
    }
    if (depth_ == 0 && !done_ && !IsSpace(c)) return false;
    if (envelope_.size() >= kMaxEnvelope) return false;
    if (!was_done) envelope_ += c;
  }
  return true;
}

bool JsonSplitter::Complete() const {
  return kind_ == Kind::kItems ? done_ : depth_ == 0 && !in_string_;
}

}  // namespace agent::kube
