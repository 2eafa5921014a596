// SPDX-License-Identifier: Apache-2.0
#include "agent/config/flags.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "agent/config/decode.h"
#include "agent/config/internal/scalar.h"
#include "agent/core/check.h"

namespace agent::config {
namespace {

// Go's duration text: 1h30m0s, 250ms, 0s.
std::string DurationText(agent::Duration duration) {
  uint64_t nanos = static_cast<uint64_t>(duration.count());
  std::string sign;
  if (duration.count() < 0) sign = "-", nanos = 0 - nanos;
  const auto decimal = [](uint64_t whole, uint64_t part, size_t digits) {
    std::string text = std::to_string(whole);
    if (part == 0) return text;
    std::string fraction = std::to_string(part);
    fraction.insert(0, digits - fraction.size(), '0');
    fraction.erase(fraction.find_last_not_of('0') + 1);
    return text + "." + fraction;
  };
  if (nanos == 0) return "0s";
  if (nanos < 1'000) return sign + std::to_string(nanos) + "ns";
  if (nanos < 1'000'000) return sign + decimal(nanos / 1'000, nanos % 1'000, 3) + "us";
  if (nanos < 1'000'000'000) return sign + decimal(nanos / 1'000'000, nanos % 1'000'000, 6) + "ms";
  const uint64_t seconds = nanos / 1'000'000'000;
  std::string text = sign;
  if (seconds >= 3600) text += std::to_string(seconds / 3600) + "h";
  if (seconds >= 60) text += std::to_string(seconds / 60 % 60) + "m";
  return text + decimal(seconds % 60, nanos % 1'000'000'000, 9) + "s";
}

std::string FloatText(double value) {
  std::array<char, 32> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

Result<int64_t> ParseInt(const std::string& text) {
  std::string digits = text;
  std::erase(digits, '_');  // Go allows them between digits
  int64_t value = 0;
  if (internal::ParseGoInt(digits, value)) return value;
  return Fail(Code::kConfig, "`" + text + "` is not a whole number");
}

Result<double> ParseFloat(const std::string& text) {
  double value = 0;
  if (internal::ParseGoFloat(text, value)) return value;
  return Fail(Code::kConfig, "`" + text + "` is not a number");
}

Status CheckUrl(const std::string& text) {
  const size_t colon = text.find("://");
  const bool bare = text.find_first_of(" \t\r\n") == std::string::npos;
  const bool host = colon != std::string::npos && colon > 0 && colon + 3 < text.size() && text[colon + 3] != '/';
  if (text.empty() || (bare && host)) return {};
  return Fail(Code::kConfig, "`" + text + "` is not a URL; write one such as http://loki:3100/loki/api/v1/push");
}

template <class T>
Status Store(Result<T> value, T& out) {
  if (!value) return Forward(value);
  out = std::move(*value);
  return {};
}

Result<std::string> AsText(const std::string& text) { return text; }

}  // namespace

std::string_view FlagSet::KindName(Kind kind) {
  switch (kind) {
    case Kind::kString: return "text";
    case Kind::kBool: return "";
    case Kind::kInt: return "number";
    case Kind::kFloat: return "number";
    case Kind::kDuration: return "duration";
    case Kind::kBytes: return "size";
    case Kind::kUrl: return "url";
    case Kind::kTextList: return "text";
  }
  return "";
}

void FlagSet::Add(std::string name, Kind kind, std::string fallback, std::string help,
                  std::function<Status(const std::string&)> set) {
  CHECK(!name.empty() && name[0] != '-' && name.find('=') == std::string::npos, "a flag's name has no dash in front and no =");
  CHECK(Find(name) == nullptr, "a flag is declared twice");
  flags_.push_back({{std::move(name), kind, std::move(fallback), std::move(help)}, false, std::move(set)});
}

void FlagSet::String(std::string name, std::string& out, std::string help) {
  Add(std::move(name), Kind::kString, out, std::move(help), [&out](const std::string& t) { return Store(AsText(t), out); });
}

void FlagSet::Bool(std::string name, bool& out, std::string help) {
  Add(std::move(name), Kind::kBool, out ? "true" : "false", std::move(help),
      [&out](const std::string& t) { return Store(ParseGoBool(t), out); });
}

void FlagSet::Int(std::string name, int64_t& out, std::string help) {
  Add(std::move(name), Kind::kInt, std::to_string(out), std::move(help),
      [&out](const std::string& t) { return Store(ParseInt(t), out); });
}

void FlagSet::Float(std::string name, double& out, std::string help) {
  Add(std::move(name), Kind::kFloat, FloatText(out), std::move(help),
      [&out](const std::string& t) { return Store(ParseFloat(t), out); });
}

void FlagSet::Duration(std::string name, agent::Duration& out, std::string help) {
  Add(std::move(name), Kind::kDuration, DurationText(out), std::move(help),
      [&out](const std::string& t) { return Store(ParseGoDuration(t), out); });
}

void FlagSet::Bytes(std::string name, uint64_t& out, std::string help) {
  Add(std::move(name), Kind::kBytes, std::to_string(out), std::move(help),
      [&out](const std::string& t) { return Store(ParseBytes(t), out); });
}

void FlagSet::Url(std::string name, std::string& out, std::string help) {
  Add(std::move(name), Kind::kUrl, out, std::move(help), [&out](const std::string& t) -> Status {
    if (Status url = CheckUrl(t); !url) return url;
    out = t;
    return {};
  });
}

void FlagSet::TextList(std::string name, std::vector<std::string>& out, std::string help) {
  std::string fallback;
  for (const std::string& text : out) fallback += (fallback.empty() ? "" : ",") + text;
  Add(std::move(name), Kind::kTextList, std::move(fallback), std::move(help),
      [&out, first = true](const std::string& t) mutable -> Status {
        if (std::exchange(first, false)) out.clear();
        out.push_back(t);
        return {};
      });
}

void FlagSet::Accepted(std::string name, Kind kind) {
  std::function<Status(const std::string&)> check = [](const std::string&) -> Status { return {}; };
  const auto discard = [](const auto& parsed) -> Status {
    if (parsed) return {};
    return std::unexpected<Error>(parsed.error());
  };
  if (kind == Kind::kBool) check = [discard](const std::string& t) { return discard(ParseGoBool(t)); };
  if (kind == Kind::kInt) check = [discard](const std::string& t) { return discard(ParseInt(t)); };
  if (kind == Kind::kFloat) check = [discard](const std::string& t) { return discard(ParseFloat(t)); };
  if (kind == Kind::kDuration) check = [discard](const std::string& t) { return discard(ParseGoDuration(t)); };
  if (kind == Kind::kBytes) check = [discard](const std::string& t) { return discard(ParseBytes(t)); };
  if (kind == Kind::kUrl) check = CheckUrl;
  Add(std::move(name), kind, "", "", std::move(check));
  flags_.back().accepted_only = true;
}

const FlagSet::Flag* FlagSet::Find(std::string_view name) const {
  for (const Flag& flag : flags_) {
    if (flag.description.name == name) return &flag;
  }
  return nullptr;
}

std::unexpected<Error> FlagSet::Unknown(const std::string& name) const {
  std::vector<std::string> names;
  for (const Flag& flag : flags_) {
    if (!flag.accepted_only) names.push_back(flag.description.name);
  }
  std::string message = "there is no flag -" + name;
  const std::string meant = DidYouMean(name, names);
  if (!meant.empty()) message += "; did you mean -" + meant + "?";
  return Fail(Code::kConfig, message);
}

Status FlagSet::Parse(const std::vector<std::string>& arguments) {
  size_t next = 0;
  while (next < arguments.size()) {
    const std::string& word = arguments[next];
    if (word.size() < 2 || word[0] != '-') break;
    if (word == "--") {
      ++next;
      break;
    }
    const std::string body = word.substr(word[1] == '-' ? 2 : 1);
    if (body.empty() || body[0] == '-' || body[0] == '=') {
      return Fail(Code::kConfig, "`" + word + "` is not a flag; write -name or --name");
    }
    ++next;
    const size_t equals = body.find('=');
    Word flag{body.substr(0, equals), equals == std::string::npos ? "" : body.substr(equals + 1), equals != std::string::npos};
    if (Find(flag.name) == nullptr && (flag.name == "h" || flag.name == "help")) {
      help_wanted_ = true;
      break;
    }
    if (Status applied = Apply(std::move(flag), arguments, next); !applied) return applied;
  }
  rest_.assign(arguments.begin() + static_cast<ptrdiff_t>(next), arguments.end());
  return {};
}

Status FlagSet::Apply(Word word, const std::vector<std::string>& arguments, size_t& next) {
  const Flag* flag = Find(word.name);
  if (flag == nullptr) return Unknown(word.name);
  if (!word.has_value) {
    if (flag->description.kind == Kind::kBool) {
      word.value = "true";
    } else if (next < arguments.size()) {
      word.value = arguments[next++];
    } else {
      return Fail(Code::kConfig, "-" + word.name + " needs a value: -" + word.name + "=" + std::string(KindName(flag->description.kind)));
    }
  }
  if (Status set = flag->set(word.value); !set) {
    return Fail(Code::kConfig, "-" + word.name + ": " + set.error().what);
  }
  if (!WasSet(word.name)) set_.push_back(word.name);
  return {};
}

bool FlagSet::WasSet(std::string_view name) const { return std::ranges::find(set_, name) != set_.end(); }

std::vector<std::string> FlagSet::SetWithoutEffect() const {
  std::vector<std::string> names;
  for (const std::string& name : set_) {
    if (Find(name)->accepted_only) names.push_back(name);
  }
  return names;
}

std::vector<FlagSet::Description> FlagSet::Describe() const {
  std::vector<Description> all;
  for (const Flag& flag : flags_) {
    if (!flag.accepted_only) all.push_back(flag.description);
  }
  std::ranges::sort(all, {}, &Description::name);
  return all;
}

std::string FlagSet::Usage() const {
  std::string out = "Usage of " + program_ + ":\n";
  for (const Description& flag : Describe()) {
    out += "  -" + flag.name;
    const std::string_view kind = KindName(flag.kind);
    if (!kind.empty()) out.append(" ").append(kind);
    out += "\n        " + flag.help;
    const bool plain = flag.fallback.empty() || flag.fallback == "false" || flag.fallback == "0";
    if (!plain) out += " (default " + flag.fallback + ")";
    out += '\n';
  }
  return out;
}

}  // namespace agent::config
