// SPDX-License-Identifier: Apache-2.0
// A small JSON writer: commas and escapes are its business, nesting is the caller's.
// Bytes that are no UTF-8 are written as U+FFFD, one for each. Thread-compatible.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

void AppendJsonString(std::string* out, std::string_view text);

class JsonWriter {
 public:
  explicit JsonWriter(std::string* out) : out_(out) {}

  JsonWriter& Key(std::string_view name) {
    Comma();
    AppendJsonString(out_, name);
    out_->push_back(':');
    fresh_ = true;
    return *this;
  }
  JsonWriter& Open(char bracket) {
    Comma();
    out_->push_back(bracket);
    fresh_ = true;
    return *this;
  }
  JsonWriter& Close(char bracket) {
    out_->push_back(bracket);
    fresh_ = false;
    return *this;
  }
  JsonWriter& Value(std::string_view text) {
    Comma();
    AppendJsonString(out_, text);
    return *this;
  }
  JsonWriter& Value(const char* text) { return Value(std::string_view(text)); }
  JsonWriter& Value(double number);
  JsonWriter& Value(bool flag) { return Raw(flag ? "true" : "false"); }
  template <std::integral T>
  JsonWriter& Value(T number) {
    return Raw(std::to_string(number));
  }
  JsonWriter& Raw(std::string_view text) {
    Comma();
    out_->append(text);
    return *this;
  }
  template <class T>
  JsonWriter& Field(std::string_view name, const T& value) {
    return Key(name).Value(value);
  }

 private:
  void Comma() {
    if (!fresh_) out_->push_back(',');
    fresh_ = false;
  }
  std::string* const out_;
  bool fresh_ = true;
};

}  // namespace bench
