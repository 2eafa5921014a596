// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/forecast.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "agent/app/ledger.h"
#include "agent/core/json_text.h"

namespace agent::app {
namespace {

// A value that the file itself has is not the pipeline's: the guard leaves it alone.
bool IsOwn(const Record& record, const LabelSet::Pair& pair) {
  if (pair.first == "stream" || pair.first == "__tenant_id__") return true;
  const TailedFile* file = record.origin.file;
  if (file == nullptr) return false;
  const auto own = file->labels.find(pair.first);
  return own != file->labels.end() && own->second == pair.second;
}

std::string_view Plural(uint64_t count) { return count == 1 ? "" : "s"; }

}  // namespace

void Forecast::Count(const Record& record) {
  ++entries_;
  if (!before_.insert(record.labels->hash()).second) return;
  for (const LabelSet::Pair& pair : record.labels->pairs()) {
    Label& label = labels_[pair.first];
    if (!label.values.insert(std::hash<std::string>{}(pair.second)).second || IsOwn(record, pair)) continue;
    Offender& offender = label.pods[record.origin.file == nullptr ? std::string() : PodOf(record.origin.file->labels)];
    ++offender.values;
    offender.sample = pair.second.substr(0, 64);
  }
}

void Forecast::Finalize(uint32_t lane, std::vector<Record*>& records, stage::StageContext& context) {
  for (const Record* record : records) Count(*record);
  guard_.Apply(lane, records, context);
}

void Forecast::Out(uint32_t, const std::vector<Record*>& records, MonoTime) {
  for (const Record* record : records) after_.insert(record->labels->hash());
}

std::vector<Forecast::Row> Forecast::Worst() const {
  std::vector<Row> rows;
  for (const auto& [name, label] : labels_) {
    for (const auto& [pod, offender] : label.pods) rows.push_back({name, pod, offender});
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row& a, const Row& b) { return a.offender.values > b.offender.values; });
  if (rows.size() > kWorst) rows.resize(kWorst);
  return rows;
}

std::string Forecast::Text(const flow::LaneStats& stats) const {
  const label::Cardinality guard = guard_.Snapshot();
  std::string out = fmt::format("{} line{} read, {} entries\n", stats.lines_read.load(), Plural(stats.lines_read.load()),
                                entries_);
  out += fmt::format("streams without the guard: {}\nstreams with the guard:    {}", before_.size(), after_.size());
  out += options_.max_active_streams > 0
             ? fmt::format("  (max_active_streams: {}{})\n", options_.max_active_streams,
                           guard.streams_capped ? ", reached" : "")
             : "\n";
  if (guard_.dropped() > 0) out += fmt::format("entries that the guard would drop: {}\n", guard_.dropped());
  out += fmt::format("\n{:<24} {:>10} {:>8}  {}\n", "label", "values", "budget", "what the guard would do");
  for (const auto& [name, label] : labels_) {
    const auto known = std::find_if(guard.labels.begin(), guard.labels.end(),
                                    [&name](const label::LabelCardinality& one) { return one.name == name; });
    std::string verdict = "nothing: the pipeline does not set it";
    std::string budget = "-";
    if (known != guard.labels.end()) {
      budget = std::to_string(known->budget);
      verdict = known->demoted ? fmt::format("demote it: {}, {} lines", guard.action, known->demoted_lines) : "nothing";
    } else if (!label.pods.empty()) {
      verdict = options_.cardinality.enabled ? "nothing: it is exempt" : "nothing: it is off";
    }
    out += fmt::format("{:<24} {:>10} {:>8}  {}\n", name, label.values.size(), budget, verdict);
  }
  const std::vector<Row> worst = Worst();
  if (!worst.empty()) out += "\nmost values by pod:\n";
  for (const Row& row : worst) {
    out += fmt::format("  {}: {} value{} of {}, for example ", row.pod, row.offender.values, Plural(row.offender.values),
                       row.label);
    AppendJsonString(out, row.offender.sample);
    out += '\n';
  }
  return out + fmt::format("\nAll lines count as if they came within one window ({} s).\n",
                           std::chrono::duration_cast<std::chrono::seconds>(guard.window).count());
}

std::string Forecast::Json(const flow::LaneStats& stats) const {
  const label::Cardinality guard = guard_.Snapshot();
  std::string out = fmt::format(
      "{{\"lines_read\":{},\"entries\":{},\"streams_without_guard\":{},\"streams\":{},\"max_active_streams\":{},"
      "\"streams_capped\":{},\"dropped\":{},\"action\":\"{}\",\"labels\":[",
      stats.lines_read.load(), entries_, before_.size(), after_.size(), options_.max_active_streams,
      guard.streams_capped, guard_.dropped(), guard.action);
  bool first = true;
  for (const auto& [name, label] : labels_) {
    const auto known = std::find_if(guard.labels.begin(), guard.labels.end(),
                                    [&name](const label::LabelCardinality& one) { return one.name == name; });
    const bool guarded = known != guard.labels.end();
    out += std::exchange(first, false) ? "{\"name\":" : ",{\"name\":";
    AppendJsonString(out, name);
    out += fmt::format(",\"values\":{},\"guarded\":{},\"budget\":{},\"demoted\":{},\"demoted_lines\":{}}}",
                       label.values.size(), guarded, guarded ? known->budget : 0, guarded && known->demoted,
                       guarded ? known->demoted_lines : 0);
  }
  out += "],\"worst\":[";
  first = true;
  for (const Row& row : Worst()) {
    out += std::exchange(first, false) ? "{\"label\":" : ",{\"label\":";
    AppendJsonString(out, row.label);
    out += ",\"pod\":";
    AppendJsonString(out, row.pod);
    out += fmt::format(",\"values\":{},\"sample\":", row.offender.values);
    AppendJsonString(out, row.offender.sample);
    out += '}';
  }
  return out + "]}\n";
}

}  // namespace agent::app
