// SPDX-License-Identifier: Apache-2.0
#include "bench/sink/api.h"

#include <charconv>
#include <chrono>

#include "bench/common/json.h"

namespace bench {
namespace {

int64_t WallNow() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

uint64_t NumberOr(std::string_view text, uint64_t fallback) {
  uint64_t value = fallback;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc{} ? value : fallback;
}

Answer Plain(int status, std::string body) {
  Answer answer;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}

Answer Json(std::string body) {
  Answer answer = Plain(200, std::move(body));
  answer.type = "application/json";
  return answer;
}

void WriteLabels(JsonWriter& json, std::string_view text) {
  std::vector<std::pair<std::string, std::string>> labels;
  json.Field("text", text);
  if (!ReadLabels(text, &labels)) return;  // what cannot be read is there as text only
  json.Key("labels").Open('{');
  for (const auto& [name, value] : labels) json.Field(name, value);
  json.Close('}');
}

void WriteLine(JsonWriter& json, int64_t nanos, std::string_view line, std::string_view metadata) {
  json.Field("ts", std::to_string(nanos)).Field("line", line);
  if (metadata.empty()) return;
  json.Key("metadata").Open('{');
  ReadMetadata(metadata, [&](std::string_view name, std::string_view value) { json.Field(name, value); });
  json.Close('}');
}

}  // namespace

Api::Api(ApiOptions options) : options_(options), behaviour_(options.seed), store_(options.store) {}

void Api::Handle(Server::ConnectionId id, const Request& request) {
  if (request.path == "/wait") return Wait(id, request);
  const bool loki = request.path == "/loki/api/v1/push" || request.path == "/api/prom/push";
  const bool otlp = request.path == "/otlp/v1/logs" || request.path == "/v1/logs";
  if ((loki || otlp) && request.method == "POST") {
    server_->Respond(id, Push(request, otlp));
    return WakeWaiters();
  }
  server_->Respond(id, Route(request));
}

Answer Api::Push(const Request& request, bool otlp) {
  const int64_t now = WallNow();
  if (requests_++ == 0) first_push_ = now;
  last_push_ = now;
  body_bytes_ += request.body.size();
  const std::string_view tenant = request.tenant.empty() ? "fake" : request.tenant;
  if (options_.max_body != 0 && request.body.size() > options_.max_body) {
    ++answers_[413];
    return Plain(413, "request body too large: " + std::to_string(request.body.size()) +
                          " bytes, limit: " + std::to_string(options_.max_body) + " bytes\n");
  }
  const std::string wrong = otlp ? decoder_.DecodeOtlp(request.body, request.content_encoding)
                                 : decoder_.Decode(request.body, request.content_type, request.content_encoding);
  if (!wrong.empty()) {
    ++malformed_;
    ++answers_[400];
    return Plain(400, wrong + "\n");
  }
  raw_bytes_ += decoder_.raw_bytes();
  Decision decision = behaviour_.Decide(tenant, decoder_, store_);
  for (size_t i = 0; i < decoder_.stream_count(); ++i) {
    if (!decision.store[i]) continue;
    store_.Add(tenant, decoder_.streams()[i], now);
    if (options_.dump != nullptr) Dump(tenant, decoder_.streams()[i]);
  }
  if (options_.dump != nullptr) std::fflush(options_.dump);
  decision.answer.delay += std::chrono::milliseconds(options_.delay_ms);
  ++answers_[decision.answer.silent ? 0 : decision.answer.status];
  if (otlp && decision.answer.status == 204) {
    decision.answer.status = 200;
    decision.answer.type = "application/x-protobuf";
  }
  return std::move(decision.answer);
}

void Api::Dump(std::string_view tenant, const StreamView& stream) {
  for (const EntryView& entry : stream.entries) {
    dump_line_.clear();
    JsonWriter json(&dump_line_);
    json.Open('{').Field("tenant", tenant);
    WriteLabels(json, stream.labels);
    WriteLine(json, entry.nanos, entry.line, entry.metadata);
    json.Close('}');
    dump_line_.push_back('\n');
    std::fwrite(dump_line_.data(), 1, dump_line_.size(), options_.dump);
  }
}

Answer Api::Route(const Request& request) {
  if (request.path == "/ready") return Plain(200, "ready\n");
  if (request.path == "/stats") return Json(Stats(!QueryValue(request.query, "brief").empty()));
  if (request.path == "/streams") return Json(Streams(NumberOr(QueryValue(request.query, "limit"), 100)));
  if (request.path == "/control" && request.method == "POST") {
    const std::string wrong = behaviour_.Set(request.body);
    return wrong.empty() ? Json("{\"steps\":" + std::to_string(behaviour_.steps_left()) + "}\n")
                         : Plain(400, wrong + "\n");
  }
  if (request.path == "/control") return Json("{\"steps\":" + std::to_string(behaviour_.steps_left()) + "}\n");
  if (request.path == "/down" && request.method == "POST") {
    server_->GoAway(std::chrono::milliseconds(NumberOr(QueryValue(request.query, "ms"), 1000)));
    return Json("{}\n");
  }
  if (request.path == "/reset" && request.method == "POST") {
    store_.Clear();
    requests_ = body_bytes_ = raw_bytes_ = malformed_ = 0;
    first_push_ = last_push_ = 0;
    answers_.clear();
    return Json("{}\n");
  }
  return Plain(404, "no such page; there are /loki/api/v1/push /stats /streams /wait /control /down /reset /ready\n");
}

void Api::Wait(Server::ConnectionId id, const Request& request) {
  const uint64_t marks = NumberOr(QueryValue(request.query, "marks"), 0);
  const uint64_t entries = NumberOr(QueryValue(request.query, "entries"), 0);
  const uint64_t timeout = NumberOr(QueryValue(request.query, "timeout_ms"), 60'000);
  waiters_[id] = {marks, entries};
  server_->At(Server::Clock::now() + std::chrono::milliseconds(timeout), [this, id] {
    if (waiters_.erase(id) != 0) server_->Respond(id, Json(Stats(true)));
  });
  WakeWaiters();
}

void Api::WakeWaiters() {
  for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
    if (store_.marks() >= waiter->second.marks && store_.entries() >= waiter->second.entries) {
      server_->Respond(waiter->first, Json(Stats(true)));
      waiter = waiters_.erase(waiter);
    } else {
      ++waiter;
    }
  }
}

std::string Api::Stats(bool brief) const {
  std::string out;
  JsonWriter json(&out);
  uint64_t duplicates = 0, duplicate_bytes = 0, different = 0, reordered = 0, missing = 0;
  const auto writers = store_.writers();
  for (const WriterState* writer : writers) {
    duplicates += writer->duplicates;
    duplicate_bytes += writer->duplicate_bytes;
    different += writer->different;
    reordered += writer->reordered;
    missing += writer->last + 1 - writer->lines;
  }
  json.Open('{').Field("requests", requests_).Field("body_bytes", body_bytes_).Field("raw_bytes", raw_bytes_);
  json.Field("malformed", malformed_).Field("connections", server_->accepted());
  json.Key("answers").Open('{');
  for (const auto& [status, count] : answers_) json.Field(status == 0 ? "none" : std::to_string(status), count);
  json.Close('}').Field("streams", store_.streams().size()).Field("entries", store_.entries());
  json.Field("line_bytes", store_.line_bytes()).Field("marks", store_.marks()).Field("unmarked", store_.unmarked());
  json.Field("missing", missing).Field("duplicates", duplicates).Field("reordered", reordered);
  json.Field("duplicate_bytes", duplicate_bytes).Field("different", different);
  json.Field("first_push_ns", first_push_).Field("last_push_ns", last_push_);
  for (const auto& [key, latency] : {std::pair{"latency_ms", &store_.latency()},
                                     std::pair{"latency_of_others_ms", &store_.latency_of_others()}}) {
    json.Key(key).Open('{').Field("count", latency->count());
    for (const auto& [name, share] : {std::pair{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}}) {
      json.Field(name, static_cast<double>(latency->Quantile(share)) / 1e6);
    }
    json.Field("max", static_cast<double>(latency->max()) / 1e6).Close('}');
  }
  if (!brief) {
    json.Key("writers").Open('[');
    for (const WriterState* writer : writers) {
      json.Open('{').Field("writer", writer->writer).Field("lines", writer->lines).Field("first", writer->first);
      json.Field("last", writer->last).Field("missing", writer->last + 1 - writer->lines);
      json.Field("duplicates", writer->duplicates).Field("duplicate_bytes", writer->duplicate_bytes);
      json.Field("different", writer->different).Field("reordered", writer->reordered).Close('}');
    }
    json.Close(']');
  }
  json.Close('}');
  return out + "\n";
}

std::string Api::Streams(size_t limit) const {
  std::string out;
  JsonWriter json(&out);
  json.Open('[');
  for (const StreamState& stream : store_.streams()) {
    if (limit-- == 0) break;
    json.Open('{').Field("tenant", stream.tenant);
    WriteLabels(json, stream.labels);
    json.Field("entries", stream.entries).Field("line_bytes", stream.line_bytes);
    json.Field("first_ts", std::to_string(stream.first_nanos)).Field("last_ts", std::to_string(stream.last_nanos));
    json.Field("time_went_back", stream.time_went_back).Key("last").Open('[');
    for (const LastLine& line : stream.last) {
      json.Open('{');
      WriteLine(json, line.nanos, line.line, line.metadata);
      json.Close('}');
    }
    json.Close(']').Close('}');
  }
  json.Close(']');
  return out + "\n";
}

}  // namespace bench
