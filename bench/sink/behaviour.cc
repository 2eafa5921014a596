// SPDX-License-Identifier: Apache-2.0
#include "bench/sink/behaviour.h"

#include <simdjson.h>

#include <algorithm>
#include <ctime>
#include <span>

namespace bench {
namespace {

struct Refusal {
  std::string_view name;
  int status;
  bool whole;  // the whole request is refused, else the streams that match
};
constexpr Refusal kRefusals[] = {
    {"ingestion_rate", 429, true},  {"stream_rate", 429, false},    {"stream_limit", 429, false},
    {"too_far_behind", 400, false}, {"line_too_long", 400, false},  {"too_old", 400, false},
    {"too_new", 400, false},        {"label_names", 400, false},    {"too_large", 413, true},
};

const Refusal* FindRefusal(std::string_view name) {
  for (const Refusal& refusal : kRefusals) {
    if (refusal.name == name) return &refusal;
  }
  return nullptr;
}

std::string TimeText(int64_t nanos) {
  const std::time_t seconds = nanos / 1'000'000'000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S +0000 UTC", &parts);
  return text;
}

uint64_t LineBytes(const StreamView& stream) {
  uint64_t bytes = 0;
  for (const EntryView& entry : stream.entries) bytes += entry.line.size();
  return bytes;
}

std::string IgnoredEntries(std::string_view tenant, const StreamView& stream, const std::string& reason) {
  std::string text;
  const size_t shown = std::min<size_t>(stream.entries.size(), 10);
  for (size_t i = 0; i < shown; ++i) {
    text += "entry with timestamp " + TimeText(stream.entries[i].nanos) + " ignored, reason: '" + reason + "',\n";
  }
  const std::string count = std::to_string(stream.entries.size());
  return text + "user '" + std::string(tenant) + "', total ignored: " + count + " out of " + count +
         " for stream: " + std::string(stream.labels);
}

// Loki's sentence about one stream.
std::string SentenceFor(std::string_view as, std::string_view tenant, const StreamView& stream) {
  const std::string labels(stream.labels);
  if (as == "stream_rate") {
    return IgnoredEntries(tenant, stream,
                          "Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '" +
                              labels + "' totaling " + std::to_string(LineBytes(stream)) + "B");
  }
  if (as == "too_far_behind") {
    const int64_t oldest = stream.entries.empty() ? 0 : stream.entries.front().nanos + 3'600'000'000'000;
    return IgnoredEntries(tenant, stream,
                          "entry too far behind, entry timestamp is: " +
                              TimeText(stream.entries.empty() ? 0 : stream.entries.front().nanos) +
                              ", oldest acceptable timestamp is: " + TimeText(oldest));
  }
  if (as == "stream_limit") {
    return "maximum active stream limit exceeded when trying to create stream " + labels + ", user: '" +
           std::string(tenant) + "'";
  }
  if (as == "line_too_long") {
    return "max entry size '262144' bytes exceeded for stream '" + labels + "' while adding an entry with length '" +
           std::to_string(stream.entries.empty() ? 0 : stream.entries.front().line.size()) + "' bytes";
  }
  const std::string time = TimeText(stream.entries.empty() ? 0 : stream.entries.front().nanos);
  if (as == "too_old") {
    return "entry for stream '" + labels + "' has timestamp too old: " + time +
           ", oldest acceptable timestamp is: " + time;
  }
  if (as == "too_new") return "entry for stream '" + labels + "' has timestamp too new: " + time;
  return "entry for stream '" + labels + "' has 16 label names; limit 15";
}

std::string SentenceForAll(std::string_view as, std::string_view tenant, const PushDecoder& push) {
  if (as == "too_large") {
    return "request body too large: " + std::to_string(push.raw_bytes()) + " bytes, limit: " +
           std::to_string(push.raw_bytes() / 2) + " bytes";
  }
  uint64_t lines = 0, bytes = 0;
  for (size_t i = 0; i < push.stream_count(); ++i) {
    lines += push.streams()[i].entries.size();
    bytes += LineBytes(push.streams()[i]);
  }
  return "ingestion rate limit exceeded for user " + std::string(tenant) +
         " (limit: 4194304 bytes/sec) while attempting to ingest '" + std::to_string(lines) + "' lines totaling '" +
         std::to_string(bytes) + "' bytes";
}

// Exceptions of simdjson end in Behaviour::Set.
Step ReadStep(simdjson::dom::object object, std::string* wrong) {
  Step step;
  for (const auto [key, value] : object) {
    if (key == "status") step.status = static_cast<int>(value.get_int64());
    else if (key == "as") step.as = std::string_view(value);
    else if (key == "body") step.body = std::string_view(value);
    else if (key == "match") step.match = std::string_view(value);
    else if (key == "count") step.count = value.get_uint64();
    else if (key == "delay_ms") step.delay_ms = value.get_uint64();
    else if (key == "retry_after") step.retry_after = value.get_uint64();
    else if (key == "chance") step.chance = value.get_double();
    else if (key == "store") step.store = value.get_bool();
    else if (key == "drop_answer") step.drop_answer = value.get_bool();
    else if (key == "close") step.close = value.get_bool();
    else *wrong = "unknown word \"" + std::string(key) + "\" in a step";
  }
  if (!step.as.empty() && FindRefusal(step.as) == nullptr) *wrong = "no refusal is called \"" + step.as + "\"";
  return step;
}

}  // namespace

std::string Behaviour::Set(std::string_view json) try {
  simdjson::dom::parser parser;
  const simdjson::dom::element root = parser.parse(json.data(), json.size());
  std::deque<Step> steps;
  std::string wrong;
  if (root.is_array()) {
    const simdjson::dom::array items = root;
    for (const simdjson::dom::element item : items) steps.push_back(ReadStep(item, &wrong));
  } else if (root.get_object().value().size() != 0) {
    steps.push_back(ReadStep(root, &wrong));
  }
  if (wrong.empty()) steps_ = std::move(steps);
  return wrong;
} catch (const simdjson::simdjson_error& error) {
  return std::string("the step is no JSON of the right shape: ") + error.what();
}

const Step* Behaviour::Next(const PushDecoder& push) {
  if (steps_.empty()) return nullptr;
  const Step& first = steps_.front();
  const auto streams = std::span(push.streams()).first(push.stream_count());
  const bool matches = first.match.empty() || std::any_of(streams.begin(), streams.end(), [&](const auto& stream) {
                         return stream.labels.find(first.match) != std::string_view::npos;
                       });
  if (!matches) return nullptr;
  // A request of one entry cannot be split: refused as too large it would be lost for good.
  if (first.as == "too_large" && streams.size() == 1 && streams[0].entries.size() == 1) return nullptr;
  if (first.chance < 1 && std::uniform_real_distribution<>(0, 1)(random_) >= first.chance) return nullptr;
  current_ = first;
  if (first.count != 0 && --steps_.front().count == 0) steps_.pop_front();
  return &current_;
}

Decision Behaviour::Decide(std::string_view tenant, const PushDecoder& push, const Store& store) {
  Decision decision;
  decision.store.assign(push.stream_count(), true);
  decision.answer.status = 204;
  const Step* step = Next(push);
  if (step == nullptr) return decision;

  Answer& answer = decision.answer;
  answer.delay = std::chrono::milliseconds(step->delay_ms);
  answer.silent = step->drop_answer || step->close;
  if (step->status != 0) answer.status = step->status;
  const Refusal* refusal = FindRefusal(step->as);
  if (refusal != nullptr) answer.status = refusal->status;
  const bool failed = answer.status >= 300;
  if (step->retry_after != 0) answer.headers = "Retry-After: " + std::to_string(step->retry_after) + "\r\n";
  if (refusal != nullptr && !refusal->whole) {
    bool refused = false;
    for (size_t i = 0; i < push.stream_count(); ++i) {
      const StreamView& stream = push.streams()[i];
      if (!step->match.empty() && stream.labels.find(step->match) == std::string_view::npos) continue;
      if (refusal->name == "stream_limit" && store.Knows(tenant, stream.labels)) continue;
      decision.store[i] = false;
      if (!answer.body.empty()) answer.body += "\n";
      answer.body += SentenceFor(refusal->name, tenant, stream);
      refused = true;
    }
    if (!refused) answer.status = 204;
  } else {
    if (refusal != nullptr) answer.body = SentenceForAll(refusal->name, tenant, push);
    else if (failed) answer.body = "the sink was told to answer " + std::to_string(answer.status);
    if (step->close || (failed && !step->store)) decision.store.assign(push.stream_count(), false);
  }
  if (!step->body.empty()) answer.body = step->body;
  if (!answer.body.empty()) answer.body += "\n";
  return decision;
}

}  // namespace bench
