// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/tail.h"

#include <algorithm>

#include "agent/core/arena.h"
#include "agent/text/regex.h"

namespace agent::admin {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool ContainsNoCase(std::string_view text, std::string_view lowered) {
  return std::ranges::search(text, lowered, {}, Lower).begin() != text.end() || lowered.empty();
}

bool Has(const LabelSet& labels, std::string_view name, std::string_view value) {
  const std::string* found = labels.Find(name);
  return found != nullptr && *found == value;
}

}  // namespace

struct TailHub::Watcher::Sieve {
  TailFilter filter;  // `text` in lower case
  std::unique_ptr<const text::Regex> grep;

  bool LabelsPass(const LabelSet& labels) const {
    if (!filter.ns.empty() && !Has(labels, "namespace", filter.ns)) return false;
    if (!filter.pod.empty() && !Has(labels, "pod", filter.pod)) return false;
    return std::ranges::all_of(filter.labels, [&](const auto& label) { return Has(labels, label.first, label.second); });
  }
  bool LinePasses(std::string_view line, Arena& arena) const {
    return (filter.text.empty() || ContainsNoCase(line, filter.text)) && (grep == nullptr || grep->Contains(line, arena));
  }
};

TailHub::Watcher::Watcher() = default;

TailHub::Watcher::~Watcher() {
  if (state_ == nullptr) return;
  state_->count.fetch_sub(1, std::memory_order_relaxed);
  MutexLock lock(state_->mutex);
  Watchers alive;
  for (const auto& watcher : *state_->watchers) {
    if (!watcher.expired()) alive.push_back(watcher);
  }
  state_->watchers = std::make_shared<const Watchers>(std::move(alive));
}

void TailHub::Watcher::Offer(std::span<Record* const> records) {
  const auto count = static_cast<int64_t>(records.size());
  if (allowance_.fetch_sub(count, std::memory_order_relaxed) < count) {
    allowance_.store(0, std::memory_order_relaxed);
    skipped_.fetch_add(records.size(), std::memory_order_relaxed);
    return;
  }
  Arena arena;  // for lines that are not UTF-8; takes memory only then
  const LabelSet* last = nullptr;
  bool passes = false;
  for (const Record* record : records) {
    if (record->labels == nullptr) continue;
    if (record->labels != last) {
      last = record->labels;
      passes = sieve_->LabelsPass(*last);
    }
    if (passes && sieve_->LinePasses(record->line, arena)) Keep(*record);
  }
}

void TailHub::Watcher::Keep(const Record& record) {
  TailLine line;
  line.time = record.time;
  line.labels = record.labels->ToMap();
  for (const MetadataPair* pair = record.metadata; pair != nullptr; pair = pair->next) {
    line.metadata.emplace_back(pair->name, pair->value);
  }
  line.cut = record.line.size() > kLongestLine;
  line.line = record.line.substr(0, kLongestLine);
  MutexLock lock(mutex_);
  if (kept_.size() >= kKeptLines || kept_bytes_ + line.line.size() > kKeptBytes) {
    skipped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  kept_bytes_ += line.line.size();
  kept_.push_back(std::move(line));
}

void TailHub::Watcher::Drain(std::vector<TailLine>& lines, uint64_t& skipped) {
  lines.clear();
  {
    MutexLock lock(mutex_);
    lines.swap(kept_);
    kept_bytes_ = 0;
  }
  skipped = skipped_.exchange(0, std::memory_order_relaxed);
  allowance_.store(kExaminedPerDrain, std::memory_order_relaxed);
}

TailHub::TailHub() : state_(std::make_shared<State>()) {
  MutexLock lock(state_->mutex);
  state_->watchers = std::make_shared<const Watchers>();
}

TailHub::~TailHub() = default;

void TailHub::Offer(std::span<Record* const> records) {
  if (!Wanted() || records.empty()) return;
  std::shared_ptr<const Watchers> watchers;
  {
    MutexLock lock(state_->mutex);
    watchers = state_->watchers;
  }
  for (const auto& weak : *watchers) {
    if (const std::shared_ptr<Watcher> watcher = weak.lock()) watcher->Offer(records);
  }
}

Result<std::shared_ptr<TailHub::Watcher>> TailHub::Watch(const TailFilter& filter) {
  auto sieve = std::make_unique<Watcher::Sieve>();
  sieve->filter = filter;
  std::ranges::transform(filter.text, sieve->filter.text.begin(), Lower);
  if (!filter.grep.empty()) {
    Result<std::unique_ptr<const text::Regex>> regex = text::Regex::Compile(filter.grep);
    if (!regex) return Fail(Code::kConfig, "`" + filter.grep + "` is not a regular expression: " + regex.error().what);
    sieve->grep = std::move(*regex);
  }
  std::shared_ptr<Watcher> watcher(new Watcher);
  watcher->sieve_ = std::move(sieve);
  MutexLock lock(state_->mutex);
  if (state_->count.load(std::memory_order_relaxed) >= kMostWatchers) {
    return Fail(Code::kLimit, "there are " + std::to_string(kMostWatchers) + " live tails already; close one of them");
  }
  watcher->state_ = state_;
  state_->count.fetch_add(1, std::memory_order_relaxed);
  Watchers all = *state_->watchers;
  all.push_back(watcher);
  state_->watchers = std::make_shared<const Watchers>(std::move(all));
  return watcher;
}

}  // namespace agent::admin
