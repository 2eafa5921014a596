// SPDX-License-Identifier: Apache-2.0
#include "agent/push/internal/push_metrics.h"

#include <utility>

namespace agent::push {
namespace {

metrics::Labels Host(const std::string& host) { return {{"host", host}}; }
metrics::Labels OfClient(const std::string& client) { return {{"client", client}}; }

const std::vector<double>& AgeBuckets() {
  static const std::vector<double> kBuckets = {0.25, 0.5, 1, 1.5, 2.5, 5, 10, 30, 60, 300, 1800, 7200};
  return kBuckets;
}

}  // namespace

ClientMetrics::ClientMetrics(metrics::Registry& registry, std::string host, std::string client)
    : encoded_bytes(registry.GetCounter("promtail_encoded_bytes_total", "Bytes encoded and ready to send, compressed.",
                                        Host(host))),
      sent_bytes(registry.GetCounter("promtail_sent_bytes_total", "Bytes that were accepted, compressed.", Host(host))),
      sent_entries(registry.GetCounter("promtail_sent_entries_total", "Log entries that were accepted.", Host(host))),
      waiting_batches(registry.GetGauge("sluice_push_waiting_batches", "Batches that are not yet settled.",
                                        OfClient(client))),
      waiting_bytes(registry.GetGauge("sluice_push_waiting_bytes", "Compressed size of the batches that are not yet settled.",
                                      OfClient(client))),
      in_flight(registry.GetGauge("sluice_push_requests_in_flight", "Requests without an answer yet.", OfClient(client))),
      held_streams(registry.GetGauge("sluice_push_held_streams", "Streams that are limited and retried alone.",
                                     OfClient(client))),
      last_accepted(registry.GetGauge("sluice_push_last_accepted_timestamp_seconds",
                                      "When a request was accepted last.", OfClient(client))),
      backoff(registry.GetGauge("sluice_push_backoff_seconds", "The longest wait before a retry that is running now.",
                                OfClient(client))),
      batch_age(registry.GetHistogram("sluice_push_batch_age_seconds",
                                      "Time from a batch's first line until it was settled.", OfClient(client),
                                      AgeBuckets())),
      registry_(registry),
      host_(std::move(host)),
      client_(std::move(client)) {}

void ClientMetrics::ObserveRequest(int status, double seconds) {
  metrics::Histogram*& histogram = durations_[status];
  if (histogram == nullptr) {
    histogram = &registry_.GetHistogram("promtail_request_duration_seconds", "Duration of push requests.",
                                        {{"host", host_}, {"status_code", std::to_string(status)}});
  }
  histogram->Observe(seconds);
}

void ClientMetrics::Refused(const std::string& reason, uint64_t entries, uint64_t bytes) {
  auto& [entry_counter, byte_counter] = refused_[reason];
  if (entry_counter == nullptr) {
    const metrics::Labels labels = {{"client", client_}, {"reason", reason}};
    entry_counter = &registry_.GetCounter("sluice_push_refused_entries_total",
                                          "Log entries that were refused for good, by reason.", labels);
    byte_counter = &registry_.GetCounter("sluice_push_refused_bytes_total",
                                         "Bytes of log lines that were refused for good, by reason.", labels);
  }
  entry_counter->Add(static_cast<double>(entries));
  byte_counter->Add(static_cast<double>(bytes));
}

void ClientMetrics::Resent(const char* why, uint64_t entries) {
  metrics::Counter*& counter = resent_[why];
  if (counter == nullptr) {
    counter = &registry_.GetCounter("sluice_push_resent_entries_total",
                                    "Log entries that were sent again, by the reason of the answer before.",
                                    {{"client", client_}, {"reason", why}});
  }
  counter->Add(static_cast<double>(entries));
}

TenantMetrics::TenantMetrics(metrics::Registry& registry, const std::string& host, const std::string& tenant)
    : retries(registry.GetCounter("promtail_batch_retries_total", "Failed attempts of sending that were retried.",
                                  {{"host", host}, {"tenant", tenant}})) {
  // Promtail shows all four from the start; the last two are counted where lines are batched.
  for (const char* reason : {"ingester_error", "rate_limited", "stream_limited", "line_too_long"}) {
    const metrics::Labels labels = {{"host", host}, {"tenant", tenant}, {"reason", reason}};
    dropped_[reason] = {
        &registry.GetCounter("promtail_dropped_entries_total", "Log entries that were dropped, by reason.", labels),
        &registry.GetCounter("promtail_dropped_bytes_total", "Bytes that were dropped, by reason.", labels)};
  }
}

void TenantMetrics::Dropped(const char* promtail_reason, uint64_t entries, uint64_t bytes) {
  const Pair& pair = dropped_.at(promtail_reason);
  pair.entries->Add(static_cast<double>(entries));
  pair.bytes->Add(static_cast<double>(bytes));
}

}  // namespace agent::push
