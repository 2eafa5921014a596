// SPDX-License-Identifier: Apache-2.0
// The guard's state as text, one line each:
//   sluice-labels 1
//   time <wall nanoseconds>
//   label <name, quoted> <wall nanoseconds of the demotion, or 0> <window>
//   streams <1 if the cap is reached, else 0> <window>
// A window is what DistinctWindow::ToText writes. Budgets and actions are not in it:
// they are the configuration's.
#include <charconv>

#include "agent/label/internal/guard.h"

namespace agent::label {
namespace {

constexpr std::string_view kHead = "sluice-labels 1";

std::string_view Take(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return taken;
}

template <class Number>
bool ReadNumber(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

// Every other byte as %XX, so that a name is one word.
std::string QuoteName(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (IsPlain(c)) {
      out += c;
      continue;
    }
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

bool UnquoteName(std::string_view text, std::string& out) {
  while (!text.empty()) {
    if (text.front() != '%') {
      if (!IsPlain(text.front())) return false;
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    unsigned byte = 0;
    if (text.size() < 3) return false;
    const auto [end, error] = std::from_chars(text.data() + 1, text.data() + 3, byte, 16);
    if (error != std::errc() || end != text.data() + 3) return false;
    out += static_cast<char>(byte);
    text.remove_prefix(3);
  }
  return !out.empty();
}

}  // namespace

std::string Guard::SaveState(WallNanos wall) const {
  std::string out = std::string(kHead) + "\ntime " + std::to_string(wall) + "\n";
  for (const auto& [name, label] : labels_) {
    if (label.budget == 0) continue;  // demoted by the configuration
    out += "label " + QuoteName(name) + " " + std::to_string(label.demoted ? std::max<WallNanos>(label.since, 1) : 0) +
           " " + label.window.ToText() + "\n";
  }
  return out + "streams " + (capped_ ? "1 " : "0 ") + streams_.ToText() + "\n";
}

Status Guard::LoadLine(std::string_view line, uint64_t parts, Moment moment) {
  const std::string_view kind = Take(line, ' ');
  if (kind == "streams") {
    const std::string_view capped = Take(line, ' ');
    if ((capped != "0" && capped != "1") || !streams_.FromText(line, parts)) {
      return Fail(Code::kCorrupt, "the count of streams is malformed");
    }
    capped_ = capped == "1" && options_.max_active_streams > 0;
    ReviewCap();
    return {};
  }
  std::string name;
  WallNanos since = 0;
  if (kind != "label" || !UnquoteName(Take(line, ' '), name) || !ReadNumber(Take(line, ' '), since) || since < 0) {
    return Fail(Code::kCorrupt, "it is neither \"label NAME TIME WINDOW\" nor \"streams CAPPED WINDOW\"");
  }
  Label* label = options_.cardinality.enabled ? Find(name, moment) : nullptr;
  if (label == nullptr || label->budget == 0) return {};
  if (!label->window.FromText(line, parts)) return Fail(Code::kCorrupt, "the count of label \"" + name + "\" is malformed");
  label->demoted = since != 0;
  label->since = since;
  return {};
}

void Guard::Reset(Moment moment) {
  labels_.clear();
  streams_.Clear();
  capped_ = false;
  next_turn_ = moment.now + PartLength();
}

Status Guard::LoadState(std::string_view text, Moment moment) {
  Reset(moment);
  WallNanos saved = 0;
  size_t number = 0;
  std::string problem;
  uint64_t parts = 0;
  while (!text.empty() && problem.empty()) {
    std::string_view line = Take(text, '\n');
    ++number;
    if (number == 1) {
      if (line != kHead) problem = "it does not begin with \"" + std::string(kHead) + "\"";
    } else if (number == 2) {
      if (Take(line, ' ') != "time" || !ReadNumber(line, saved) || saved < 0) problem = "it is not \"time NANOSECONDS\"";
      if (moment.wall > saved) parts = static_cast<uint64_t>((moment.wall - saved) / PartLength().count());
    } else if (const Status read = LoadLine(line, std::min<uint64_t>(parts, DistinctWindow::kParts), moment); !read) {
      problem = read.error().what;
    }
  }
  if (problem.empty() && number < 2) problem = "it ends too early";
  if (problem.empty()) return {};
  Reset(moment);
  return Fail(Code::kCorrupt, "line " + std::to_string(number) + " of the labels' state: " + problem);
}

}  // namespace agent::label
