// SPDX-License-Identifier: Apache-2.0
#include "agent/app/observer.h"

#include <algorithm>

#include "agent/app/internal/pushers.h"
#include "agent/http/options.h"

namespace agent::app {
namespace {

std::string PodOfRecord(const Record& record) { return PodOf(record.labels->ToMap()); }

std::string PodOfFile(const TailedFile& file) {
  return file.labels.contains("pod") ? PodOf(file.labels) : file.path;
}

// As push/ has it, which shows the dropped ones from the start.
std::string Help(std::string_view name) {
  if (name == "promtail_mutated_entries_total") return "Log entries that were changed before sending, by reason.";
  if (name == "promtail_mutated_bytes_total") return "Bytes that were cut off before sending, by reason.";
  return name.ends_with("_entries_total") ? "Log entries that were dropped, by reason." : "Bytes that were dropped, by reason.";
}

// The pod of a stream's label text, `{namespace="a", pod="b"}`; else the text.
std::string PodOfStream(const std::string& stream) {
  const auto value = [&stream](const std::string& name) -> std::string {
    for (const char* before : {"{", " "}) {
      const std::string key = before + name + "=\"";
      const size_t at = stream.find(key);
      if (at == std::string::npos) continue;
      const size_t start = at + key.size();
      return stream.substr(start, stream.find('"', start) - start);
    }
    return {};
  };
  const std::string pod = value("pod");
  if (pod.empty()) return stream;
  const std::string name_space = value("namespace");
  return name_space.empty() ? pod : name_space + "/" + pod;
}

}  // namespace

AgentObserver::AgentObserver(Ledger& ledger, metrics::Registry& registry, Clock& clock,
                             const std::vector<push::ClientOptions>& clients, const Limits& limits, uint32_t lanes)
    : ledger_(ledger),
      registry_(registry),
      clock_(clock),
      delivery_seconds_(registry.GetHistogram("sluice_delivery_seconds",
                                              "From the first entry of a batch to Loki having stored it", {},
                                              {.05, .1, .25, .5, 1, 1.1, 1.5, 2, 5, 10, 30, 60, 300})),
      loss_marker_(limits.loss_marker),
      policy_(limits.policy, lanes, registry,
              [this](const Record& record, std::string_view reason) {
                Drop(record, reason, "limits_config.cardinality or max_active_streams");
              }) {
  UseNames(clients);
  UseShares(limits.share);
}

void AgentObserver::UseNames(const std::vector<push::ClientOptions>& clients) {
  auto names = std::make_unique<Names>();
  for (const push::ClientOptions& client : clients) {
    names->push_back({http::HostOf(client.url), client.tenant_id});
    for (const char* what : {"promtail_mutated_entries_total", "promtail_mutated_bytes_total"}) {
      registry_.GetCounter(what, Help(what), {{"host", names->back().host}, {"tenant", client.tenant_id}, {"reason", "line_too_long"}});
    }
  }
  clients_.store(names.get(), std::memory_order_release);
  all_names_.push_back(std::move(names));
}

void AgentObserver::UseShares(const label::ShareOptions& options) {
  auto shares = std::make_unique<label::Shares>(options, [this](const Record& record, std::string_view reason) {
    registry_.GetCounter("logentry_dropped_lines_total", "Lines dropped on purpose by a stage of a pipeline or by a limit.",
                         {{"reason", std::string(reason)}}).Add();
    Drop(record, reason, "limits_config.readline_rate or namespaces");
  });
  shares_.store(shares.get(), std::memory_order_release);
  all_shares_.push_back(std::move(shares));
}

void AgentObserver::Reconfigure(const std::vector<push::ClientOptions>& clients, const Limits& limits,
                                const Limits& before) {
  UseNames(clients);
  if (!(limits.share == before.share)) UseShares(limits.share);
  loss_marker_.store(limits.loss_marker, std::memory_order_relaxed);
  policy_.Reconfigure(limits.policy, clock_.Wall(), clock_.Now());
}

void AgentObserver::Count(const char* what, uint32_t client, const Record& record, const char* reason, double entries,
                          double bytes) {
  const Names& names = *clients_.load(std::memory_order_acquire);
  const uint32_t index = ClientRef::IndexOf(client);
  if (index >= names.size()) return;  // of a client that has just been taken away
  const std::string* own = record.labels->Find("__tenant_id__");
  const metrics::Labels labels = {{"host", names[index].host},
                                  {"tenant", own != nullptr ? *own : names[index].tenant},
                                  {"reason", reason}};
  for (const auto& [unit, amount] : {std::pair("_entries_total", entries), std::pair("_bytes_total", bytes)}) {
    const std::string name = std::string("promtail_") + what + unit;
    registry_.GetCounter(name, Help(name), labels).Add(amount);
  }
}

void AgentObserver::Finalize(uint32_t lane, std::vector<Record*>& records, stage::StageContext& context) {
  if (label::Shares* shares = shares_.load(std::memory_order_acquire); shares->limits_lines()) {
    context.pause_until = std::max(context.pause_until, shares->Apply(records, context.now));
  }
  policy_.Apply(lane, records, context.arena, context.labels, context.wall, context.now);
}

void AgentObserver::Out(uint32_t, const std::vector<Record*>& records, MonoTime) {
  if (tail_.Wanted()) [[unlikely]] tail_.Offer(records);
}

void AgentObserver::Drop(const Record& record, std::string_view reason, std::string_view detail) {
  ledger_.Lose(PodOfRecord(record), reason, 1, record.line.size(), detail, true, clock_.Now(), clock_.Wall());
  if (record.origin.file != nullptr && record.origin.file->tally != nullptr) {
    record.origin.file->tally->lines_dropped.fetch_add(1, std::memory_order_relaxed);
  }
}

void AgentObserver::Limited(uint32_t client, batch::BatchEvents::Kind kind, const Record& record, uint64_t bytes) {
  using Kind = batch::BatchEvents::Kind;
  if (kind == Kind::kLineTruncated) {
    Count("mutated", client, record, "line_too_long", 1, static_cast<double>(bytes));
    return;
  }
  const char* reason = kind == Kind::kLineTooLong ? "line_too_long" : "stream_limited";
  Count("dropped", client, record, reason, 1, static_cast<double>(bytes));
  ledger_.Lose(PodOfRecord(record), reason, 1, bytes,
               kind == Kind::kLineTooLong ? "longer than limits_config.max_line_size"
                                          : "more streams in a batch than limits_config.max_streams",
               true, clock_.Now(), clock_.Wall());
}

void AgentObserver::Refused(const PushBatch& batch, const Refusal& refusal) {
  ledger_.Lose(PodOfStream(refusal.stream), refusal.reason, refusal.entries, refusal.bytes, refusal.detail, false,
               clock_.Now(), clock_.Wall());
  if (!Marks()) return;
  const Names& names = *clients_.load(std::memory_order_acquire);
  const uint32_t index = ClientRef::IndexOf(batch.client);
  const bool own_tenant = index < names.size() && names[index].tenant != batch.tenant;
  markers_->Refused(batch, refusal, own_tenant ? batch.tenant : "", clock_.Now());
}

void AgentObserver::Stored(const PushBatch& batch, MonoTime now) {
  if (Marks()) markers_->Tick(now);
  last_stored_.store(clock_.Wall(), std::memory_order_relaxed);
  if (batch.client == 0) {
    entries_stored_.fetch_add(batch.entries, std::memory_order_relaxed);
    bytes_stored_.fetch_add(batch.line_bytes, std::memory_order_relaxed);
  }
  delivery_seconds_.Observe(std::chrono::duration<double>(now - batch.opened).count());
}

void AgentObserver::Abandoned(const TailedFile&, uint64_t) {
  // source/ has reported the loss with its reason (Lost); the lane only stops reading.
}

void AgentObserver::Lost(const source::Loss& loss) {
  const std::string pod = loss.file != nullptr ? PodOfFile(*loss.file) : loss.path;
  const MonoTime now = clock_.Now();
  ledger_.Lose(pod, source::NameOf(loss.reason), 0, loss.bytes, loss.path, false, now, clock_.Wall());
  if (!Marks() || loss.file == nullptr) return;
  markers_->Unread(loss.file->labels, loss.path, source::NameOf(loss.reason), loss.bytes, now);
}

}  // namespace agent::app
