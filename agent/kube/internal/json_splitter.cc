// SPDX-License-Identifier: Apache-2.0
#include "agent/kube/internal/json_splitter.h"

namespace agent::kube {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

bool JsonSplitter::Follow(char c) {
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
  if (c == '"') in_string_ = true;
  if (c == '{' || c == '[') ++depth_;
  if (c == '}' || c == ']') return depth_-- > 0;
  return true;
}

// Whether the '[' that has come is the value of "items" in the outermost object.
bool JsonSplitter::OpensItems() const {
  std::string_view before = envelope_;
  const auto strip = [&before](char c) {
    while (!before.empty() && (IsSpace(before.back()) || before.back() == c)) before.remove_suffix(1);
  };
  strip('[');
  if (!before.ends_with(':')) return false;
  strip(':');
  return before.ends_with("\"items\"") && !before.ends_with("\\\"items\"");
}

bool JsonSplitter::FeedEnvelope(char c) {
  if (envelope_.size() >= kMaxEnvelope || !Follow(c)) return false;
  envelope_ += c;
  if (c == '[' && !in_string_ && depth_ == 2 && OpensItems()) {
    where_ = Where::kBetween;
    depth_ = 0;
  } else if (depth_ == 0) {
    where_ = Where::kAfter;
  }
  return true;
}

bool JsonSplitter::FeedBetween(char c) {
  if (IsSpace(c)) return true;
  if (kind_ == Kind::kItems) {
    if (c == ',') return true;
    if (c == ']') {
      envelope_ += c;
      where_ = Where::kEnvelope;
      depth_ = 1;
      return true;
    }
  }
  if (c != '{') return false;
  where_ = Where::kObject;
  object_.clear();
  return true;
}

// How many bytes of it belong to the object; 0: stop.
size_t JsonSplitter::FeedObject(std::string_view bytes) {
  size_t at = 0;
  bool complete = false;
  while (at < bytes.size() && !complete) {
    if (!Follow(bytes[at])) return 0;
    ++at;
    complete = depth_ == 0;
  }
  if (object_.size() + at > kMaxObject) return 0;
  object_.append(bytes.substr(0, at));
  if (!complete) return at;
  where_ = Where::kBetween;
  return on_object_(object_) ? at : 0;
}

bool JsonSplitter::Feed(std::string_view bytes) {
  while (!bytes.empty() && !stopped_) {
    size_t used = 1;
    const char c = bytes.front();
    switch (where_) {
      case Where::kBefore:
        stopped_ = !IsSpace(c) && c != '{';
        if (c != '{') break;
        where_ = Where::kEnvelope;
        [[fallthrough]];
      case Where::kEnvelope: stopped_ = !FeedEnvelope(c); break;
      case Where::kBetween:
        stopped_ = !FeedBetween(c);
        if (where_ != Where::kObject) break;
        [[fallthrough]];
      case Where::kObject:
        used = FeedObject(bytes);
        stopped_ = used == 0;
        break;
      case Where::kAfter: stopped_ = !IsSpace(c); break;
    }
    bytes.remove_prefix(used);
  }
  return !stopped_;
}

bool JsonSplitter::Complete() const {
  if (stopped_) return false;
  return where_ == (kind_ == Kind::kItems ? Where::kAfter : Where::kBetween);
}

}  // namespace agent::kube
