// SPDX-License-Identifier: Apache-2.0
// The metrics of delivery: Promtail's names and labels (promtail_*), and ours (sluice_*).
// Bound to the net thread; handles are looked up once per client, tenant or status.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "agent/metrics/registry.h"

namespace agent::push {

class ClientMetrics {
 public:
  // `host` is Promtail's label, `client` ours (a client's name, else its host).
  ClientMetrics(metrics::Registry& registry, std::string host, std::string client);

  metrics::Counter& encoded_bytes;
  metrics::Counter& sent_bytes;
  metrics::Counter& sent_entries;
  metrics::Gauge& waiting_batches;
  metrics::Gauge& waiting_bytes;
  metrics::Gauge& in_flight;
  metrics::Gauge& held_streams;
  metrics::Gauge& last_accepted;  // seconds since 1970
  metrics::Gauge& backoff;        // seconds
  metrics::Histogram& batch_age;  // first line added to settled

  // status -1: no answer.
  void ObserveRequest(int status, double seconds);
  void Refused(const std::string& reason, uint64_t entries, uint64_t bytes);
  void Resent(const char* why, uint64_t entries);

 private:
  metrics::Registry& registry_;
  const std::string host_, client_;
  std::map<int, metrics::Histogram*> durations_;
  std::map<std::string, std::pair<metrics::Counter*, metrics::Counter*>> refused_;
  std::map<std::string, metrics::Counter*> resent_;
};

class TenantMetrics {
 public:
  TenantMetrics(metrics::Registry& registry, const std::string& host, const std::string& tenant);

  // `promtail_reason`: ingester_error or rate_limited.
  void Dropped(const char* promtail_reason, uint64_t entries, uint64_t bytes);

  metrics::Counter& retries;

 private:
  struct Pair {
    metrics::Counter* entries;
    metrics::Counter* bytes;
  };
  std::map<std::string, Pair> dropped_;
};

}  // namespace agent::push
