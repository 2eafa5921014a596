// SPDX-License-Identifier: Apache-2.0
#include "agent/label/internal/guard.h"

#include <algorithm>

#include "agent/core/log.h"
#include "agent/label/internal/hash64.h"

namespace agent::label {
namespace {

constexpr size_t kSampleLength = 64;      // of a value in a message
// Streams that are counted exactly beyond the cap: pods' own streams are never refused.
constexpr size_t kMoreStreams = 65536;

size_t ExactLimit(uint64_t budget) { return static_cast<size_t>(std::min<uint64_t>(budget, DistinctWindow::kMaxExact)); }

std::string Joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out;
}

std::string Minutes(Duration window) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(window).count()) + "s";
}

}  // namespace

Guard::Guard(PolicyOptions options)
    : options_(std::move(options)), demoted_lines_(kMaxLabels), streams_(StreamLimit()) {}

Duration Guard::PartLength() const {
  return std::max<Duration>(options_.cardinality.window / DistinctWindow::kPartsPerWindow, std::chrono::milliseconds(1));
}

size_t Guard::StreamLimit() const {
  return kMoreStreams + options_.max_active_streams;
}

uint64_t Guard::BudgetOf(std::string_view label) const {
  const auto own = options_.cardinality.labels.find(label);
  return own == options_.cardinality.labels.end() ? options_.cardinality.max_values_per_label : own->second;
}

Guard::Label* Guard::Find(std::string_view label, Moment moment) {
  const auto found = labels_.find(label);
  if (found != labels_.end()) return &found->second;
  if (labels_.size() >= kMaxLabels) return nullptr;
  const uint64_t budget = BudgetOf(label);
  Label& made = labels_.emplace(label, Label(ExactLimit(budget))).first->second;
  made.index = static_cast<uint16_t>(labels_.size() - 1);
  made.budget = budget;
  made.watched_since = moment.now;
  if (budget == 0) {
    made.demoted = true;
    made.since = moment.wall;
  }
  return &made;
}

bool Guard::Observe(std::string_view name, std::string_view value, std::string_view pod, Moment moment,
                    uint16_t& index) {
  Label* label = Find(name, moment);
  if (label == nullptr) {
    index = kMaxLabels - 1;
    return true;
  }
  index = label->index;
  const bool was_exact = label->window.exact();
  if (!label->window.Add(Hash64(value))) return label->demoted;
  label->pods.Count(pod);
  if (label->demoted && label->next_sample >= label->samples.size()) return true;
  label->samples[label->next_sample++ % label->samples.size()] = value.substr(0, kSampleLength);
  if (label->demoted) return true;
  // The exact set holds a whole budget; with one value more it has become a sketch,
  // which must not be asked: its estimate may be lower.
  const bool over = label->budget <= DistinctWindow::kMaxExact ? was_exact && !label->window.exact()
                                                               : label->window.Count() > label->budget;
  if (over) Demote(name, *label, moment);
  return over;
}

std::vector<std::string> Guard::SamplesOf(const Label& label) {
  std::vector<std::string> out;
  for (size_t i = 0; i < label.samples.size(); ++i) {  // the oldest first
    const std::string& sample = label.samples[(label.next_sample + i) % label.samples.size()];
    if (!sample.empty()) out.push_back(sample);
  }
  return out;
}

void Guard::Demote(std::string_view name, Label& label, Moment moment) {
  label.demoted = true;
  label.since = moment.wall;
  ++decisions_;
  const auto worst = label.pods.Top(1);
  LogWarn("a label has more values than its budget and is demoted",
          {{"label", name},
           {"values", std::max(label.window.Count(), label.budget + 1)},
           {"budget", label.budget},
           {"window", Minutes(options_.cardinality.window)},
           {"action", NameOf(options_.cardinality.action)},
           {"samples", Joined(SamplesOf(label))},
           {"pod", worst.empty() ? std::string() : worst.front().pod},
           {"values_of_pod", worst.empty() ? 0 : worst.front().values}});
}

void Guard::Restore(std::string_view name, Label& label, Moment moment) {
  const auto worst = label.pods.Top(1);
  LogInfo("a demoted label is a label again: its values are well under the budget",
          {{"label", name},
           {"values", label.window.Count()},
           {"budget", label.budget},
           {"window", Minutes(options_.cardinality.window)},
           {"samples", Joined(SamplesOf(label))},
           {"pod", worst.empty() ? std::string() : worst.front().pod}});
  label.demoted = false;
  label.since = 0;
  label.watched_since = moment.now;
  label.window.Clear();
  label.window.set_exact_limit(ExactLimit(label.budget));
  label.samples = {};
  label.next_sample = 0;
  label.pods.Clear();
  ++decisions_;
}

void Guard::ReviewLabel(std::string_view name, Label& label, Moment moment) {
  if (!label.demoted || label.budget == 0) return;
  if (moment.now - label.watched_since < options_.cardinality.window) return;
  if (label.window.Count() <= label.budget / 2) Restore(name, label, moment);
}

void Guard::ReviewCap() {
  const uint64_t cap = options_.max_active_streams;
  if (!capped_ || (cap > 0 && streams_.Count() > cap - cap / 5)) return;
  capped_ = false;
  ++decisions_;
  LogInfo("new streams are opened again", {{"streams", streams_.Count()}, {"max_active_streams", cap}});
}

bool Guard::AdmitStream(uint64_t stream, Moment) {
  const uint64_t cap = options_.max_active_streams;
  if (cap == 0) {
    streams_.Add(stream);
    return true;
  }
  const bool known = streams_.exact() && streams_.Contains(stream);
  if (known || (!capped_ && streams_.exact() && streams_.Count() < cap)) {
    streams_.Add(stream);
    return true;
  }
  if (!capped_) {
    capped_ = true;
    ++decisions_;
    LogWarn("the cap on active streams is reached: lines that would open another one lose their pipeline's labels",
            {{"streams", streams_.Count()}, {"max_active_streams", cap}, {"action", NameOf(options_.cardinality.action)}});
  }
  return false;
}

bool Guard::Turn(Moment moment) {
  if (next_turn_ == kNever) {
    next_turn_ = moment.now + PartLength();
    return false;
  }
  if (moment.now < next_turn_) return false;
  const auto parts = static_cast<uint64_t>((moment.now - next_turn_) / PartLength()) + 1;
  next_turn_ += PartLength() * parts;
  for (auto& [name, label] : labels_) {
    label.window.Turn(parts);
    ReviewLabel(name, label, moment);
  }
  streams_.Turn(parts);
  ReviewCap();
  return true;
}

void Guard::Reconfigure(PolicyOptions options, Moment moment) {
  options_ = std::move(options);
  streams_.set_exact_limit(StreamLimit());
  if (next_turn_ != kNever) next_turn_ = std::min(next_turn_, moment.now + PartLength());
  for (auto& [name, label] : labels_) {
    const uint64_t before = std::exchange(label.budget, BudgetOf(name));
    label.window.set_exact_limit(ExactLimit(label.budget));
    if (label.budget == 0 && !label.demoted) {
      label.demoted = true;
      label.since = moment.wall;
      ++decisions_;
    } else if (label.demoted && label.budget > before && label.window.Count() <= label.budget / 2) {
      Restore(name, label, moment);
    } else if (!label.demoted && label.window.Count() > label.budget) {
      Demote(name, label, moment);
    }
  }
  if (!options_.cardinality.enabled) {
    labels_.clear();
    for (auto& lines : demoted_lines_) lines.store(0, std::memory_order_relaxed);
  }
  ReviewCap();
}

Cardinality Guard::Snapshot() const {
  Cardinality out;
  out.enabled = options_.cardinality.enabled;
  out.window = options_.cardinality.window;
  out.action = NameOf(options_.cardinality.action);
  out.streams = streams_.Count();
  out.max_streams = options_.max_active_streams;
  out.streams_capped = capped_;
  for (const auto& [name, label] : labels_) {
    out.labels.push_back({.name = name,
                          .values = label.window.Count(),
                          .exact = label.window.exact(),
                          .budget = label.budget,
                          .demoted = label.demoted,
                          .since = label.since,
                          .demoted_lines = demoted_lines_[label.index].load(std::memory_order_relaxed),
                          .samples = SamplesOf(label),
                          .pods = label.pods.Top(3)});
  }
  std::stable_sort(out.labels.begin(), out.labels.end(),
                   [](const LabelCardinality& a, const LabelCardinality& b) { return a.values > b.values; });
  return out;
}

}  // namespace agent::label
