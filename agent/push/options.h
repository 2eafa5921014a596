// SPDX-License-Identifier: Apache-2.0
// One entry of `clients:` (Promtail's keys and rules, and a few of ours).
// Plain data; const once a Pusher has been made from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/config/decode.h"
#include "agent/core/diagnostics.h"
#include "agent/core/time.h"
#include "agent/http/options.h"
#include "agent/model/label_set.h"

namespace agent::push {

struct BackoffOptions {
  Duration min_period = std::chrono::milliseconds(500);
  Duration max_period = std::chrono::minutes(5);
  // Promtail's meaning: the most attempts of one batch; then it is dropped and counted.
  // 0 = for ever, which is the default here (Promtail's is 10 and loses data).
  uint64_t max_retries = 0;

  bool operator==(const BackoffOptions&) const = default;
};

struct ClientOptions {
  std::string name;  // only tells clients apart
  std::string url;   // the full push URL; `user:password@` in it is basic auth
  std::string tenant_id;
  Duration batch_wait = std::chrono::seconds(1);  // for BatcherOptions
  uint64_t batch_size = 1024 * 1024;              // for BatcherOptions
  Duration timeout = std::chrono::seconds(10);    // of a whole request
  BackoffOptions backoff;
  bool drop_rate_limited_batches = false;
  LabelMap external_labels;  // for BatcherOptions; an entry's own labels win
  LabelMap headers;          // sent with every request
  http::ClientOptions http;

  // -- Sluice's own --
  // `parallel`: requests of one tenant that may be in flight at once. The streams of a
  // tenant are spread over this many sequences (for BatcherOptions::shards), and each
  // sequence is sent in order, so that no stream is ever reordered.
  uint32_t parallel = 1;
  // `drop_refused_batches`: drop a batch that is answered with an unexpected 4xx (401,
  // 403, 404 ...), as Promtail does. Off: such an answer means that a person must
  // change something, so the batch is retried until that has happened.
  bool drop_refused_batches = false;

  bool single_block = false;  // from `client:`, which the flags -client.* change

  bool operator==(const ClientOptions&) const = default;
};

// Reads `clients[...]` (path for messages, e.g. "clients[0]").
ClientOptions DecodeClient(const config::Node& node, const std::string& path, Diagnostics& diagnostics,
                           bool needs_url = true);
// Reads the whole list, and `client:` (deprecated; used if it has a url), and reports
// clients that are the same or have the same name. `extra_labels` are those of
// -client.external-labels: added to every client, a client's own win, and instead of
// those of `client:`. Without them the ones of `client:` are added to every client.
std::vector<ClientOptions> DecodeClients(const config::Node* clients, const config::Node* client,
                                         const LabelMap& extra_labels, Diagnostics& diagnostics);
// As Promtail dumps a client, secrets masked.
config::Node Encode(const ClientOptions& options);

}  // namespace agent::push
