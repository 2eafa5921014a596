// SPDX-License-Identifier: Apache-2.0
#include "agent/push/internal/loki_error.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <optional>

#include "agent/push/internal/label_text.h"

namespace agent::push {
namespace {

constexpr size_t kSentence = 300;
constexpr size_t kDetail = 500;
constexpr size_t kMostItems = 20'000;  // an answer's body is bounded, and so is this

bool Contains(std::string_view text, std::string_view what) { return text.find(what) != std::string_view::npos; }

// Takes pieces off the front of the text; a template is a chain of these.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text), whole_(text) {}

  // The text, its first letter in either case (Loki 2 begins with a capital).
  bool Word(std::string_view word) {
    if (rest_.size() < word.size() || rest_.substr(1, word.size() - 1) != word.substr(1)) return false;
    if (std::tolower(static_cast<unsigned char>(rest_[0])) != word[0]) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  bool Number(uint64_t& out) {
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), out);
    if (error != std::errc()) return false;
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return true;
  }
  bool Labels(RefusedItem& item) {
    std::optional<LabelText> read = ReadLabelText(rest_);
    if (!read) return false;
    item.stream = rest_.substr(0, read->size);
    item.labels = std::move(read->labels);
    rest_.remove_prefix(read->size);
    return true;
  }
  bool Second(int64_t& out) {
    const size_t end = std::min(rest_.find_first_of(",; \n"), rest_.size());
    out = ParseRfc3339Second(rest_.substr(0, end));
    if (out == RefusedItem::kNoSecond) return false;
    rest_.remove_prefix(end);
    return true;
  }
  bool SkipTo(std::string_view what) {
    const size_t at = rest_.find(what);
    if (at == std::string_view::npos) return false;
    rest_.remove_prefix(at);
    return true;
  }
  std::string_view rest() const { return rest_; }
  std::string_view taken() const { return whole_.substr(0, whole_.size() - rest_.size()); }
  bool Reset() {
    rest_ = whole_;
    return true;
  }

 private:
  std::string_view rest_;
  std::string_view whole_;
};

// `entry for stream '{..}' has timestamp too old: T, ...`, `... too new: T`,
// `... has N label names; limit M`.
bool EntryForStream(Scanner& in, RefusedItem& item) {
  uint64_t number = 0;
  if (!in.Word("entry for stream '") || !in.Labels(item)) return false;
  if (in.Word("' has timestamp too old: ")) {
    item.reason = "greater_than_max_sample_age";
    if (!in.Second(item.second)) return false;
    int64_t oldest = 0;
    return !in.Word(", oldest acceptable timestamp is: ") || in.Second(oldest);
  }
  if (in.Word("' has timestamp too new: ")) {
    item.reason = "too_far_in_future";
    return in.Second(item.second);
  }
  item.reason = "max_label_names_per_series";
  item.whole_stream = true;
  return in.Word("' has ") && in.Number(number) && in.Word(" label names; limit ") && in.Number(number);
}

// `stream '{..}' has label name too long: '..'` and its sisters.
bool StreamHas(Scanner& in, RefusedItem& item) {
  uint64_t number = 0;
  if (!in.Word("stream '") || !in.Labels(item)) return false;
  const auto bad_label = [&](std::string_view words, const char* reason) {
    if (!in.Word(words)) return false;
    item.reason = reason;
    item.whole_stream = true;
    in.SkipTo("'");  // the name or value may hold anything; what follows is found again by its count
    return true;
  };
  if (bad_label("' has label name too long: '", "label_name_too_long") ||
      bad_label("' has label value too long: '", "label_value_too_long") ||
      bad_label("' has duplicate label name: '", "duplicate_label_names")) {
    return true;
  }
  if (in.Word("' includes structured metadata, but this feature is disallowed")) {
    item.reason = "disallowed_structured_metadata";
    return true;
  }
  if (in.Word("' has structured metadata too large: '")) {
    item.reason = "structured_metadata_too_large";
    return in.Number(number);
  }
  item.reason = "structured_metadata_too_many";
  return in.Word("' has too many structured metadata labels: '") && in.Number(number);
}

bool LineTooLong(Scanner& in, RefusedItem& item) {
  uint64_t number = 0;
  item.reason = "line_too_long";
  return in.Word("max entry size '") && in.Number(number) && in.Word("' bytes exceeded for stream '") &&
         in.Labels(item) && in.Word("' while adding an entry with length '") && in.Number(item.line_length);
}

bool MissingLabels(Scanner& in, RefusedItem& item) {
  item.whole_stream = true;
  if (in.Word("error at least one label pair is required per stream")) {
    item.reason = "missing_labels";
    item.stream = "{}";
    return true;
  }
  item.reason = "missing_enforced_labels";
  return in.Word("missing required labels ") && in.SkipTo("for stream ") && in.SkipTo("{") && in.Labels(item);
}

bool InvalidLabels(Scanner& in, RefusedItem& item) {
  item.reason = "invalid_labels";
  item.whole_stream = true;
  if (!in.Word("error parsing labels '")) return false;
  if (!in.Labels(item)) in.SkipTo("' with error: ");
  return true;
}

bool ReadItem(Scanner& in, RefusedItem& item) {
  using Template = bool (*)(Scanner&, RefusedItem&);
  static constexpr Template kTemplates[] = {EntryForStream, StreamHas, LineTooLong, MissingLabels, InvalidLabels};
  for (const Template read : kTemplates) {
    item = RefusedItem();
    in.Reset();
    if (read(in, item)) return true;
  }
  item = RefusedItem();
  return false;
}

// `N errors like: `
bool ReadCount(std::string_view text, uint64_t& count, size_t& size) {
  Scanner in(text);
  if (!in.Number(count) || !in.Word(" errors like: ")) return false;
  size = in.taken().size();
  return true;
}

// Where the next item of the list begins: behind `; ` and a count.
size_t NextItem(std::string_view text, size_t from) {
  for (;;) {
    const size_t at = text.find("; ", from);
    if (at == std::string_view::npos) return text.size();
    uint64_t count = 0;
    size_t size = 0;
    if (ReadCount(text.substr(at + 2), count, size)) return at + 2;
    from = at + 2;
  }
}

// Validation errors: one sentence, or a list `N errors like: S; M errors like: S`.
void ReadValidationErrors(std::string_view text, LokiError& error) {
  uint64_t unknown = 0;
  while (!text.empty() && error.refused.size() < kMostItems) {
    uint64_t count = 1;
    size_t skip = 0;
    const bool listed = ReadCount(text, count, skip);
    if (!listed) count = 1;
    text.remove_prefix(listed ? skip : 0);
    Scanner in(text);
    RefusedItem item;
    const bool known = ReadItem(in, item);
    const size_t next = NextItem(text, known ? in.taken().size() : 0);
    if (known) {
      item.count = count;
      item.detail = text.substr(0, std::min(next, kDetail));
      if (item.detail.ends_with("; ")) item.detail.resize(item.detail.size() - 2);
      error.refused.push_back(std::move(item));
    } else {
      unknown += count;
    }
    text.remove_prefix(next);
  }
  if (!error.refused.empty()) error.unknown += unknown;
}

// `entry with timestamp .. ignored, reason: '..',\n ... total ignored: N out of M for stream: {..}`
bool ReadIgnored(std::string_view text, LokiError& error) {
  static constexpr std::string_view kTotal = "total ignored: ";
  const size_t at = text.rfind(kTotal);
  if (at == std::string_view::npos) return false;
  Scanner in(text.substr(at));
  RefusedItem item;
  uint64_t total = 0;
  if (!in.Word(kTotal) || !in.Number(item.count) || !in.Word(" out of ") || !in.Number(total) ||
      !in.Word(" for stream: ") || !in.Labels(item)) {
    return false;
  }
  item.detail = text.substr(0, std::min(text.size(), kDetail));
  if (Contains(text.substr(0, at), "er stream rate limit exceeded")) {
    error.limited.push_back({LimitedItem::Limit::kRate, item.stream, item.labels, item.detail});
    return true;
  }
  item.reason = Contains(text, "entry too far behind") ? "too_far_behind" : "out_of_order";
  item.oldest = true;
  error.refused.push_back(std::move(item));
  return true;
}

bool ReadLimits(std::string_view text, LokiError& error) {
  const auto limited = [&](LimitedItem::Limit limit, size_t at, std::string_view before) {
    RefusedItem named;
    Scanner in(text.substr(at));
    if (in.SkipTo(before) && in.Word(before)) in.Labels(named);
    error.limited.push_back(
        {limit, named.stream, named.labels, std::string(text.substr(0, std::min(text.size(), kDetail)))});
    return true;
  };
  if (const size_t at = text.find("aximum active stream limit exceeded"); at != std::string_view::npos) {
    return limited(LimitedItem::Limit::kStreams, at, "when trying to create stream ");
  }
  if (const size_t at = text.find("er stream rate limit exceeded"); at != std::string_view::npos) {
    return limited(LimitedItem::Limit::kRate, at, "while attempting to ingest for stream '");
  }
  if (Contains(text, "ngestion rate limit exceeded")) return error.tenant_rate = true;
  return false;
}

std::string OneLine(std::string_view body) {
  std::string out;
  for (const char c : body.substr(0, kSentence)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else {
      out += c;
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  if (body.size() > kSentence) {
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xc0) == 0x80) out.pop_back();
    if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xc0) out.pop_back();
    out += " ...";
  }
  return out;
}

}  // namespace

int64_t ParseRfc3339Second(std::string_view text) {
  const auto number = [&](size_t at, size_t digits, int& out) {
    if (text.size() < at + digits) return false;
    const char* from = text.data() + at;
    return std::from_chars(from, from + digits, out).ptr == from + digits && out >= 0;
  };
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!number(0, 4, year) || !number(5, 2, month) || !number(8, 2, day) || !number(11, 2, hour) ||
      !number(14, 2, minute) || !number(17, 2, second)) {
    return RefusedItem::kNoSecond;
  }
  if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') {
    return RefusedItem::kNoSecond;
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return RefusedItem::kNoSecond;
  const std::chrono::sys_days days = date;
  int64_t offset = 0;
  const size_t zone = text.find_first_of("+-", 19);
  if (zone != std::string_view::npos) {
    int hours = 0, minutes = 0;
    if (!number(zone + 1, 2, hours) || !number(zone + 4, 2, minutes)) return RefusedItem::kNoSecond;
    offset = (hours * 60 + minutes) * 60 * (text[zone] == '-' ? -1 : 1);
  } else if (text.back() != 'Z') {
    return RefusedItem::kNoSecond;
  }
  return days.time_since_epoch().count() * 86400LL + hour * 3600 + minute * 60 + second - offset;
}

LokiError ParseLokiError(std::string_view body) {
  LokiError error;
  while (!body.empty() && std::isspace(static_cast<unsigned char>(body.back())) != 0) body.remove_suffix(1);
  while (!body.empty() && std::isspace(static_cast<unsigned char>(body.front())) != 0) body.remove_prefix(1);
  error.sentence = OneLine(body);
  // Before the validation errors: these sentences stand alone.
  if (ReadIgnored(body, error)) return error;
  ReadValidationErrors(body, error);
  if (!error.refused.empty()) return error;
  if (ReadLimits(body, error)) return error;
  error.bad_labels = Contains(body, "couldn't parse labels") || Contains(body, "rror parsing labels");
  error.blocked = Contains(body, "ngestion blocked for user");
  error.empty_request = Contains(body, "at least one valid stream is required");
  error.too_large = Contains(body, "request body too large") || Contains(body, "message larger than max") ||
                    (Contains(body, "message size") && (Contains(body, "exceeds limit") || Contains(body, "too large")));
  return error;
}

}  // namespace agent::push
