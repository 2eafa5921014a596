// SPDX-License-Identifier: Apache-2.0
// Cuts what an API server sends into objects as it comes, so that a list of thousands
// of pods is never in memory as one text:
//   kItems    one object; the elements of its member "items" are handed out, the rest of
//             it is the envelope (metadata: resourceVersion, continue)
//   kObjects  objects one after the other (a watch)
// It only follows strings and braces; whether an object is JSON, its parser says.
// Pure; chunks may be cut anywhere. Memory: the object being collected, at most
// kMaxObject, and the envelope, at most kMaxEnvelope.
// Tested by tests/kube/json_splitter_test.cc, fuzzed by tests/fuzz/kube_pods_fuzz.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace agent::kube {

class JsonSplitter {
 public:
  static constexpr size_t kMaxObject = 16 * 1024 * 1024;
  static constexpr size_t kMaxEnvelope = 64 * 1024;
  enum class Kind { kItems, kObjects };

  // `on_object` is called with each complete object; false stops the feeding.
  JsonSplitter(Kind kind, std::function<bool(std::string_view object)> on_object)
      : kind_(kind), on_object_(std::move(on_object)) {}

  // False: the text is not of this form, too large, or on_object said stop.
  bool Feed(std::string_view bytes);
  // Nothing is half-read; of a list: its end was seen.
  bool Complete() const;
  // Of a complete list: the object with an empty "items".
  const std::string& envelope() const { return envelope_; }

 private:
  enum class Where {
    kBefore,    // the list's first brace
    kEnvelope,
    kBetween,   // objects
    kObject,
    kAfter,     // the list's last brace
  };
  // Follows one character of a text with strings; false: a closing brace too many.
  bool Follow(char c);
  size_t FeedObject(std::string_view bytes);
  bool FeedEnvelope(char c);
  bool FeedBetween(char c);
  bool OpensItems() const;

  const Kind kind_;
  const std::function<bool(std::string_view)> on_object_;
  Where where_ = kind_ == Kind::kItems ? Where::kBefore : Where::kBetween;
  uint32_t depth_ = 0;  // in the envelope or in the object
  bool in_string_ = false;
  bool escaped_ = false;
  bool stopped_ = false;
  std::string object_;
  std::string envelope_;
};

}  // namespace agent::kube
