// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/internal/json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <utility>

#include "agent/core/check.h"
#include "agent/core/json_text.h"

namespace agent::admin::internal {

void Json::Comma() {
  if (std::exchange(need_comma_, true)) out_ += ',';
}

Json& Json::Open(char bracket) {
  Comma();
  out_ += bracket;
  need_comma_ = false;
  ++depth_;
  return *this;
}

Json& Json::Close(char bracket) {
  out_ += bracket;
  need_comma_ = true;
  --depth_;
  return *this;
}

Json& Json::Raw(std::string_view text) {
  Comma();
  out_ += text;
  return *this;
}

Json& Json::Key(std::string_view name) {
  Comma();
  AppendJsonString(out_, name);
  out_ += ':';
  need_comma_ = false;
  return *this;
}

Json& Json::Value(std::string_view text) {
  Comma();
  AppendJsonString(out_, text);
  return *this;
}

Json& Json::Value(double value) {
  if (!std::isfinite(value)) return Null();
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return Raw({text.data(), static_cast<size_t>(end - text.data())});
}

Json& Json::Value(const LabelMap& labels) {
  Object();
  for (const auto& [name, value] : labels) Field(name, value);
  return EndObject();
}

Json& Json::Time(std::string_view name, WallNanos time) {
  Key(name);
  if (time == 0) return Null();
  constexpr WallNanos kSecond = 1'000'000'000;
  WallNanos seconds = time / kSecond;
  WallNanos rest = time % kSecond;
  if (rest < 0) --seconds, rest += kSecond;
  const std::time_t wanted = seconds;
  std::tm parts{};
  gmtime_r(&wanted, &parts);
  std::array<char, 64> text;
  const int length =
      std::snprintf(text.data(), text.size(), "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", parts.tm_year + 1900,
                    parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                    static_cast<int>(rest / 1'000'000));
  return Raw({text.data(), static_cast<size_t>(length)});
}

std::string Json::Take() {
  DCHECK(depth_ == 0, "a JSON object or list is still open");
  return std::move(out_);
}

}  // namespace agent::admin::internal
