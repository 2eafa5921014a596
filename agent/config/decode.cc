// SPDX-License-Identifier: Apache-2.0
#include "agent/config/decode.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "agent/config/internal/scalar.h"

namespace agent::config {
namespace {

constexpr size_t kShown = 60;  // of an offending text

std::string Quote(std::string_view text) {
  std::string shown(text.substr(0, kShown));
  if (text.size() > kShown) shown += "...";
  return "`" + shown + "`";
}

std::string Describe(const Node& node) {
  if (node.is_map()) return "a map";
  if (node.is_sequence()) return "a list";
  if (node.is_null()) return "nothing";
  return Quote(node.scalar);
}

std::string Join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

// mapstructure's weak text of a scalar: numbers in their shortest form, booleans 1 and 0.
std::string WeakText(const Node& node) {
  if (node.quoted) return node.scalar;
  const internal::Scalar value = internal::ResolvePlain(node.scalar);
  switch (value.type) {
    case Node::ScalarType::kBool: return value.boolean ? "1" : "0";
    case Node::ScalarType::kInt: return value.integer_fits ? std::to_string(value.integer) : node.scalar;
    case Node::ScalarType::kFloat: {
      if (std::isinf(value.number)) return value.number < 0 ? "-Inf" : "+Inf";
      if (std::isnan(value.number)) return "NaN";
      std::array<char, 400> digits;  // the longest double is 309 digits, or 0.000...
      const auto end = std::to_chars(digits.begin(), digits.end(), value.number, std::chars_format::fixed).ptr;
      return {digits.begin(), end};
    }
    case Node::ScalarType::kString:
    case Node::ScalarType::kNull: break;
  }
  return node.scalar;
}

// The text of a scalar under the rules of `mode`; an error says what stands there instead.
Result<std::string> TextOf(const Node& node, Mode mode) {
  if (!node.is_scalar()) return Fail(Code::kConfig, "expected text, got " + Describe(node));
  if (node.is_null()) return std::string();
  if (mode == Mode::kWeakStage) return WeakText(node);
  if (mode == Mode::kStrictStage && node.type() != Node::ScalarType::kString) {
    const bool boolean = node.type() == Node::ScalarType::kBool;
    return Fail(Code::kConfig, "expected text, but " + Quote(node.scalar) + " is a " + (boolean ? "boolean" : "number") +
                                   " in YAML; write \"" + node.scalar + "\" with quotes");
  }
  return node.scalar;
}

Result<int64_t> IntOf(const Node& node, Mode mode) {
  const auto bad = [&node](std::string_view hint) {
    return Fail(Code::kConfig, "expected a whole number, got " + Describe(node) + std::string(hint));
  };
  if (!node.is_scalar()) return bad("");
  const internal::Scalar value = node.quoted ? internal::Scalar{} : internal::ResolvePlain(node.scalar);
  if (value.type == Node::ScalarType::kInt && value.integer_fits) return value.integer;
  if (value.type == Node::ScalarType::kFloat && std::abs(value.number) < 9.2e18) {
    return static_cast<int64_t>(value.number);  // the fraction goes, as in Promtail
  }
  int64_t number = 0;
  if (mode == Mode::kWeakStage) {
    if (value.type == Node::ScalarType::kBool) return value.boolean ? 1 : 0;
    if (node.quoted && (node.scalar.empty() || internal::ParseGoInt(node.scalar, number))) return number;
  } else if (node.quoted && internal::ParseGoInt(node.scalar, number)) {
    return bad(" in quotes, which makes it text; remove the quotes");
  }
  return bad("");
}

Result<uint64_t> UnsignedOf(const Node& node, Mode mode) {
  const internal::Scalar value = node.is_scalar() && !node.quoted ? internal::ResolvePlain(node.scalar) : internal::Scalar{};
  if (value.type == Node::ScalarType::kInt && !value.integer_fits) return value.large;
  constexpr double kHalf = 9223372036854775808.0;  // 2^63
  if (value.type == Node::ScalarType::kFloat && value.number >= kHalf && value.number < 2 * kHalf) {
    return static_cast<uint64_t>(value.number);
  }
  Result<int64_t> number = IntOf(node, mode);
  if (!number) return Forward(number);
  if (*number < 0) return Fail(Code::kConfig, Quote(node.scalar) + " is negative; write a whole number from 0");
  return static_cast<uint64_t>(*number);
}

Result<double> DoubleOf(const Node& node, Mode mode) {
  const auto bad = [&node](std::string_view hint) {
    return Fail(Code::kConfig, "expected a number, got " + Describe(node) + std::string(hint));
  };
  if (!node.is_scalar()) return bad("");
  const internal::Scalar value = node.quoted ? internal::Scalar{} : internal::ResolvePlain(node.scalar);
  if (value.type == Node::ScalarType::kInt || value.type == Node::ScalarType::kFloat) return value.number;
  double number = 0;
  if (mode == Mode::kWeakStage) {
    if (value.type == Node::ScalarType::kBool) return value.boolean ? 1 : 0;
    if (node.quoted && (node.scalar.empty() || internal::ParseGoFloat(node.scalar, number))) return number;
  } else if (node.quoted && internal::ParseGoFloat(node.scalar, number)) {
    return bad(" in quotes, which makes it text; remove the quotes");
  }
  return bad("");
}

Result<bool> BoolOf(const Node& node, Mode mode) {
  const auto bad = [&node](std::string_view hint) {
    return Fail(Code::kConfig, "expected true or false, got " + Describe(node) + std::string(hint));
  };
  if (!node.is_scalar()) return bad("");
  const internal::Scalar value = node.quoted ? internal::Scalar{} : internal::ResolvePlain(node.scalar);
  if (value.type == Node::ScalarType::kBool) return value.boolean;
  const Result<bool> parsed = ParseGoBool(node.scalar);
  if (mode == Mode::kWeakStage) {
    if (value.type == Node::ScalarType::kInt || value.type == Node::ScalarType::kFloat) return value.number != 0;
    if (node.scalar.empty()) return false;
    if (parsed) return *parsed;
  } else if (node.quoted && parsed) {
    return bad(" in quotes, which makes it text; remove the quotes");
  }
  return bad("");
}

}  // namespace

MapReader::MapReader(const Node& node, std::string path, Diagnostics& diagnostics, Mode mode)
    : node_(node), path_(std::move(path)), diagnostics_(diagnostics), mode_(mode) {
  if (!node.is_null() && !node.is_map()) {
    diagnostics_.AddError(node.place, path_, "expected a map (`key: value` lines), got " + Describe(node));
  }
}

const Node* MapReader::Known(std::string_view key) {
  if (std::ranges::find(known_, key) == known_.end()) known_.emplace_back(key);
  const Node* found = mode_ == Mode::kTyped ? node_.Find(key) : node_.FindNoCase(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::string MapReader::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

Place MapReader::PlaceOf(std::string_view key) const {
  const Node* value = mode_ == Mode::kTyped ? node_.Find(key) : node_.FindNoCase(key);
  return value != nullptr ? value->place : node_.place;
}

bool MapReader::String(std::string_view key, std::string& out) {
  const Node* value = Known(key);
  if (value == nullptr) return false;
  Store(key, TextOf(*value, mode_), out);
  return true;
}

bool MapReader::Bool(std::string_view key, bool& out) {
  const Node* value = Known(key);
  if (value == nullptr) return false;
  Store(key, BoolOf(*value, mode_), out);
  return true;
}

bool MapReader::Int(std::string_view key, int64_t& out) {
  const Node* value = Known(key);
  if (value == nullptr) return false;
  const auto number = IntOf(*value, mode_);
  if (number && value->type() == Node::ScalarType::kFloat &&
      internal::ResolvePlain(value->scalar).number != static_cast<double>(*number)) {
    Warning(key, "this is a whole number; `" + value->scalar + "` is taken as " + std::to_string(*number));
  }
  Store(key, number, out);
  return true;
}

bool MapReader::Unsigned(std::string_view key, uint64_t& out) {
  const Node* value = Known(key);
  if (value == nullptr) return false;
  Store(key, UnsignedOf(*value, mode_), out);
  return true;
}

bool MapReader::Double(std::string_view key, double& out) {
  const Node* value = Known(key);
  if (value == nullptr) return false;
  Store(key, DoubleOf(*value, mode_), out);
  return true;
}

bool MapReader::GoDuration(std::string_view key, Duration& out) {
  const Node* value = Known(key);
  if (value == nullptr) return false;
  const Node::ScalarType type = value->type();
  // yaml.v2 puts a bare number into time.Duration's integer: nanoseconds. Stage
  // options are text, and a number there lacks its unit.
  if (mode_ == Mode::kTyped && (type == Node::ScalarType::kInt || type == Node::ScalarType::kFloat)) {
    const Result<int64_t> nanos = IntOf(*value, mode_);
    if (nanos && *nanos != 0) {
      Warning(key, Quote(value->scalar) + " has no unit and means nanoseconds, as in Promtail; write " + value->scalar +
                       "s if seconds are meant");
    }
    if (nanos) out = Duration(*nanos);
    if (!nanos) Error(key, nanos.error().what);
    return true;
  }
  Result<std::string> text = TextOf(*value, mode_);
  Store(key, text ? ParseGoDuration(*text) : Result<Duration>(Forward(text)), out);
  return true;
}

bool MapReader::PrometheusDuration(std::string_view key, Duration& out) {
  const Node* value = Known(key);
  if (value == nullptr) return false;
  Result<std::string> text = TextOf(*value, mode_);
  Store(key, text ? ParsePrometheusDuration(*text) : Result<Duration>(Forward(text)), out);
  return true;
}

bool MapReader::Bytes(std::string_view key, uint64_t& out) {
  const Node* value = Known(key);
  if (value == nullptr) return false;
  Result<std::string> text = TextOf(*value, mode_);
  Store(key, text ? ParseBytes(*text) : Result<uint64_t>(Forward(text)), out);
  return true;
}

bool MapReader::StringList(std::string_view key, std::vector<std::string>& out) {
  const Node* value = Known(key);
  if (value == nullptr) return false;
  std::vector<std::string> list;
  const auto add = [&](const Node& item, const std::string& path) {
    Result<std::string> text = TextOf(item, mode_);
    if (!text) diagnostics_.AddError(item.place, path, text.error().what);
    if (text) list.push_back(std::move(*text));
    return text.has_value();
  };
  bool good = true;
  if (value->is_sequence()) {
    for (size_t i = 0; i < value->items.size(); ++i) {
      good = add(value->items[i], PathOf(key) + "[" + std::to_string(i) + "]") && good;
    }
  } else if (mode_ == Mode::kWeakStage && value->is_scalar()) {
    good = add(*value, PathOf(key));
  } else {
    good = false;
    Error(key, "expected a list, got " + Describe(*value) + "; write one `- item` a line, or [a, b]");
  }
  if (good) out = std::move(list);
  return true;
}

bool MapReader::StringMap(std::string_view key, LabelMap& out) {
  const Node* value = Known(key);
  if (value == nullptr) return false;
  if (!value->is_map()) {
    Error(key, "expected a map (`name: text` lines), got " + Describe(*value));
    return true;
  }
  LabelMap map;
  bool good = true;
  for (const auto& [name, member] : value->members) {
    Result<std::string> text = member.is_null() ? Result<std::string>(std::string()) : TextOf(member, mode_);
    if (!text) diagnostics_.AddError(member.place, PathOf(key) + "." + name.scalar, text.error().what);
    good = good && text.has_value();
    if (text) map.insert_or_assign(name.scalar, std::move(*text));
  }
  if (good) out = std::move(map);
  return true;
}

const Node* MapReader::Child(std::string_view key) { return Known(key); }

void MapReader::Ignore(std::string_view key, std::string_view why) {
  if (Known(key) != nullptr) Warning(key, "has no effect: " + std::string(why));
}

void MapReader::Refuse(std::string_view key, std::string_view why) {
  if (Known(key) != nullptr) Error(key, "is not supported: " + std::string(why));
}

void MapReader::Error(std::string_view key, std::string_view message) {
  diagnostics_.AddError(PlaceOf(key), PathOf(key), message);
}

void MapReader::Warning(std::string_view key, std::string_view message) {
  diagnostics_.AddWarning(PlaceOf(key), PathOf(key), message);
}

void MapReader::Require(std::string_view key, bool present) {
  if (!present) Error(key, "is required");
}

void MapReader::Finish() {
  for (const auto& [key, value] : node_.members) {
    const auto same = [&name = key.scalar, this](const std::string& known) {
      if (mode_ == Mode::kTyped) return known == name;
      return internal::SameNoCase(known, name);
    };
    if (std::ranges::any_of(known_, same)) continue;
    std::string message = "unknown key " + Quote(key.scalar);
    const std::string meant = DidYouMean(key.scalar, known_);
    if (!meant.empty()) {
      message += "; did you mean " + Quote(meant) + "?";
    } else {
      message += known_.empty() ? "; no keys are allowed here" : "; the keys here are " + Join(known_);
    }
    if (mode_ == Mode::kTyped) {
      diagnostics_.AddError(key.place, PathOf(key.scalar), message);
    } else {
      diagnostics_.AddWarning(key.place, PathOf(key.scalar), message + "; it is ignored");
    }
  }
}

}  // namespace agent::config
