// SPDX-License-Identifier: Apache-2.0
// The HTTP server: /ready, /healthy, /metrics, /config, /targets, /service-discovery,
// /reload, the JSON API under /api/ and the live page at /. docs/API.md lists them.
// Everything it shows comes through an AdminSource, which app/ implements.
//
// Ownership: borrows the io_context, the source, the hub and the registry; all must
// outlive the server. Replies that are still open when the server goes are harmless,
// but must not be called after the io_context has gone.
// Threads: the io_context is run by one thread (best its own: pages about 5,000 pods
// take milliseconds to write). All members but port() belong to that thread, or to any
// one thread while the context does not run. AdminSource is called on it; a Reply may
// be called on any thread, once.
// Limits: connections (ServerOptions), 16 KiB of request head, 64 KiB of body, time for
// every step, TailHub::kMostWatchers live tails. Nothing writes without
// enable_runtime_reload. A server on loopback answers only to names of this host, so
// that no web page can reach it by a name of its own (DNS rebinding).
// Failure: Start says why it cannot listen. A source that does not reply in time is a
// 504 to the client. Nothing a client does ends the process.
// Tested by: tests/admin, tests/browser.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/admin/api.h"
#include "agent/admin/options.h"
#include "agent/admin/tail.h"
#include "agent/core/result.h"
#include "agent/metrics/registry.h"

namespace boost::asio {
class io_context;
}

namespace agent::admin {

// Where an answer goes. Call it once, from any thread, at once or later; dropping it
// makes a 504.
template <class T>
using Reply = std::function<void(T)>;

struct Readiness {
  bool ready = false;
  std::string why_not;  // one sentence
};

class AdminSource {
 public:
  virtual ~AdminSource() = default;

  virtual void Ready(Reply<Readiness> reply) = 0;
  // The text of /metrics.
  virtual void Metrics(Reply<std::string> reply) = 0;
  // The configuration in effect as YAML, secrets masked.
  virtual void ConfigText(Reply<std::string> reply) = 0;
  // Reads the configuration again. The error is what /reload answers.
  virtual void Reload(Reply<Status> reply) = 0;

  virtual void Node(Reply<NodeSummary> reply) = 0;
  // In any order; the server sorts by trouble.
  virtual void Pods(Reply<std::vector<PodSummary>> reply) = 0;
  virtual void Pod(std::string id, Reply<PodDetail> reply) = 0;
  virtual void Explain(ExplainQuery query, Reply<Explanation> reply) = 0;
  virtual void LossLedger(Reply<Ledger> reply) = 0;
  virtual void LabelCardinality(Reply<Cardinality> reply) = 0;
  virtual void Targets(Reply<std::vector<TargetView>> reply) = 0;
  virtual void Discovery(Reply<std::vector<DiscoveryView>> reply) = 0;
};

class Server {
 public:
  Server(boost::asio::io_context& io, ServerOptions options, AdminSource& source, TailHub& tail,
         metrics::Registry& registry);
  // Closes everything at once.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Listens. On an error nothing is left open.
  Status Start();
  // Other options from the next request on; where it listens stays as it is. On the
  // context's thread.
  void Use(const ServerOptions& options);
  // The port in use, for port 0. Valid after Start; thread-safe then.
  uint16_t port() const;

  // Stops listening, lets running requests end, and closes what is left after
  // graceful_shutdown_timeout, or `most`. Then calls `done`, once.
  void Stop(std::function<void()> done, Duration most = Duration::max());

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// The order of /api/pods and of the page: the worst trouble first, then the nearest
// loss, then the longest lag, then by name.
void SortByTrouble(std::vector<PodSummary>& pods);

}  // namespace agent::admin
