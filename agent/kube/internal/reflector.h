// SPDX-License-Identifier: Apache-2.0
// Keeps a PodStore equal to one collection of pods of the API server: lists them (in
// pages), then watches from the list's resourceVersion, and goes on from the last
// version seen when a watch ends. 410 Gone, and anything that cannot be understood,
// begins with a new list. Or polls a kubelet's /pods.
//
// A Reflector makes no requests itself: Next() says which request is due, the watcher
// submits it and hands back what comes: Feed (bytes of a 2xx body) and Done. Feed has
// no clock: what it finds out is acted on in the next Next().
// Not thread-safe: the watcher's mutex guards it. Deterministic but for the jitter,
// which comes from the seed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "agent/core/result.h"
#include "agent/core/time.h"
#include "agent/http/client.h"
#include "agent/kube/internal/json_splitter.h"
#include "agent/kube/internal/pod_store.h"
#include "agent/text/json_parse.h"

namespace agent::kube {

struct ReflectorOptions {
  size_t index = 0;        // as PodStore's owner
  std::string url;         // of the collection: https://host/api/v1/pods
  std::string selectors;   // "fieldSelector=...&labelSelector=...", escaped, or empty
  bool poll = false;       // a kubelet: no pages, no watch
  Duration poll_interval = std::chrono::seconds(10);
  uint64_t seed = 0;
  LabelFilter wanted;
};

// For metrics; only rising.
struct ReflectorCounts {
  uint64_t lists = 0;
  uint64_t watches = 0;
  uint64_t events = 0;
  uint64_t gone = 0;      // 410
  uint64_t failures = 0;
};

class Reflector {
 public:
  Reflector(ReflectorOptions options, PodStore& store);

  struct Wanted {
    std::string url;
    Duration timeout{};       // for the whole exchange
    Duration idle_timeout{};
  };
  // What to ask for now; nothing while an exchange is under way or it is too early.
  std::optional<Wanted> Next(MonoTime now);
  MonoTime NextDeadline() const { return under_way_ ? kNever : due_; }

  // False: the exchange is to be ended.
  bool Feed(std::string_view bytes);
  void Done(Result<http::Response> result);

  // A whole list has been read at least once.
  bool synced() const { return synced_; }
  // The last exchange was good.
  bool up() const { return up_; }
  const ReflectorCounts& counts() const { return counts_; }

 private:
  enum class State { kList, kWatch };

  Wanted ListRequest();
  Wanted WatchRequest(MonoTime now);
  void Settle(MonoTime now);
  void SettleList(const http::Response& response, MonoTime now);
  void SettleWatch(const std::string& error, MonoTime now);
  void Fail(const std::string& why, MonoTime now, Duration at_least = Duration(0));
  void Relist(bool any_version);
  void Good();
  bool OnItem(std::string_view object);
  bool OnEvent(std::string_view object);
  bool OnErrorEvent(const text::JsonValue& status);
  Duration Jittered(Duration about);

  const ReflectorOptions options_;
  PodStore& store_;
  std::mt19937_64 random_;
  text::JsonParser parser_;
  Arena arena_;

  State state_ = State::kList;
  bool under_way_ = false;
  MonoTime due_{};
  MonoTime asked_at_{};
  std::optional<Result<http::Response>> result_;  // of the exchange, until Next
  std::unique_ptr<JsonSplitter> splitter_;

  std::string version_;        // resourceVersion of what the store holds; empty: unknown
  std::string list_version_ = "0";  // to list at: "0" = whatever the server has at hand
  std::string continue_;       // the next page of a list; empty: the first
  uint64_t events_of_watch_ = 0;
  bool gone_ = false;          // the watch said 410
  std::string trouble_;        // why Feed gave up
  unsigned failures_in_a_row_ = 0;
  bool synced_ = false;
  bool up_ = false;
  ReflectorCounts counts_;
};

// Percent-encodes a query's value.
std::string UrlEscape(std::string_view text);

}  // namespace agent::kube
