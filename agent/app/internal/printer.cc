// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/printer.h"

#include <fmt/format.h>

#include <ctime>

#include "agent/core/json_text.h"
#include "agent/core/time_text.h"

namespace agent::app {
namespace {

constexpr size_t kShownValues = 3;

// Promtail's form: the host's zone, the fraction without trailing zeros.
std::string FormatTime(WallNanos time) {
  const SplitTime split = Split(time);
  const std::time_t seconds = split.seconds;
  std::tm local{};
  localtime_r(&seconds, &local);
  std::string out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", local.tm_year + 1900, local.tm_mon + 1,
                                local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec);
  AppendFraction(out, split.nanos);
  const long minutes = local.tm_gmtoff / 60;
  return out + fmt::format("{}{:02}{:02}", minutes < 0 ? '-' : '+', std::labs(minutes) / 60, std::labs(minutes) % 60);
}

std::string SummaryText(const flow::LaneStats& stats, uint64_t lines, uint64_t bytes, size_t streams,
                        const std::map<std::string, std::set<std::string>>& values, const Plans& plans, const DryGuard& guard) {
  std::string out = fmt::format("\n{} lines read, {} entries in {} streams, {} bytes\n", stats.lines_read.load(),
                                lines, streams, bytes);
  if (stats.not_in_format > 0) {
    out += fmt::format("{} lines were not in the runtime's format and go as they are\n", stats.not_in_format.load());
  }
  for (const auto& plan : plans) {
    for (const auto& drop : plan->drop_reasons) {
      if (drop->lines > 0) out += fmt::format("{} lines dropped by {} ({})\n", drop->lines.load(), drop->stage, drop->reason);
    }
  }
  out += guard.Text();
  for (const auto& [name, seen] : values) {
    out += fmt::format("label {}: {} {}:", name, seen.size(), seen.size() == 1 ? "value" : "values");
    size_t shown = 0;
    for (const std::string& value : seen) {
      if (++shown > kShownValues) break;
      out += shown == 1 ? " " : ", ";
      AppendGoQuoted(out, value);
    }
    out += seen.size() > kShownValues ? ", ...\n" : "\n";
  }
  return out;
}

std::string SummaryJson(const flow::LaneStats& stats, uint64_t lines, uint64_t bytes, size_t streams,
                        const std::map<std::string, std::set<std::string>>& values, const Plans& plans, const DryGuard& guard) {
  uint64_t dropped = 0;
  for (const auto& plan : plans) {
    for (const auto& drop : plan->drop_reasons) dropped += drop->lines;
  }
  std::string out = fmt::format(
      "{{\"summary\":{{\"lines_read\":{},\"entries\":{},\"bytes\":{},\"streams\":{},\"dropped\":{},"
      "\"not_in_format\":{},\"labels\":{{",
      stats.lines_read.load(), lines, bytes, streams, dropped, stats.not_in_format.load());
  bool first = true;
  for (const auto& [name, seen] : values) {
    if (!std::exchange(first, false)) out += ',';
    AppendJsonString(out, name);
    out += ":" + std::to_string(seen.size());
  }
  return out + "}," + guard.JsonMembers() + "}}\n";
}

}  // namespace

void Printer::Out(uint32_t, const std::vector<Record*>& records, MonoTime) {
  for (const Record* record : records) {
    Count(*record);
    buffer_.clear();
    if (json_) {
      AppendJson(*record);
    } else {
      AppendText(*record);
    }
    std::fwrite(buffer_.data(), 1, buffer_.size(), output_.out);
  }
  std::fflush(output_.out);
}

void Printer::Count(const Record& record) {
  ++sums_.lines;
  sums_.bytes += record.line.size();
  if (texts_.size() <= record.labels->id()) texts_.resize(record.labels->id() + 1);
  if (!texts_[record.labels->id()].empty()) return;
  texts_[record.labels->id()] = FormatAllLabels(*record.labels);
  sums_.streams.insert(texts_[record.labels->id()]);
  for (const auto& [name, value] : record.labels->pairs()) sums_.values[name].insert(value);
}

void Printer::AppendText(const Record& record) {
  const bool colour = output_.colour;
  if (colour) buffer_ += "\x1b[34m";
  buffer_ += FormatTime(record.time);
  if (colour) buffer_ += "\x1b[0m";
  buffer_ += colour ? "\t\x1b[33m" : "\t";
  buffer_ += texts_[record.labels->id()];
  if (colour) buffer_ += "\x1b[0m";
  buffer_ += '\t';
  buffer_ += record.line;
  for (const MetadataPair* pair = output_.entries_only ? nullptr : record.metadata; pair != nullptr; pair = pair->next) {
    buffer_ += '\t';
    buffer_.append(pair->name) += '=';
    buffer_ += pair->value;
  }
  buffer_ += '\n';
}

void Printer::AppendJson(const Record& record) {
  buffer_ += "{\"ts\":\"" + std::to_string(record.time) + "\",\"labels\":{";
  for (const auto& [name, value] : record.labels->pairs()) AppendMember(name, value);
  buffer_ += "},\"line\":";
  AppendJsonString(buffer_, record.line);
  buffer_ += ",\"structured_metadata\":{";
  for (const MetadataPair* pair = record.metadata; pair != nullptr; pair = pair->next) {
    AppendMember(pair->name, pair->value);
  }
  buffer_ += "}}\n";
}

void Printer::AppendMember(std::string_view name, std::string_view value) {
  if (buffer_.back() != '{') buffer_ += ',';
  AppendJsonString(buffer_, name);
  buffer_ += ':';
  AppendJsonString(buffer_, value);
}

void Printer::Summary(const flow::LaneStats& stats, const Plans& plans) {
  const std::string text =
      json_ ? SummaryJson(stats, sums_.lines, sums_.bytes, sums_.streams.size(), sums_.values, plans, guard_)
            : SummaryText(stats, sums_.lines, sums_.bytes, sums_.streams.size(), sums_.values, plans, guard_);
  std::fwrite(text.data(), 1, text.size(), output_.out);
}

}  // namespace agent::app
