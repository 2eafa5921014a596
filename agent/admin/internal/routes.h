// SPDX-License-Identifier: Apache-2.0
// What is at which path, who may call it, and how an AdminSource's values become
// answers. Borrows everything it is made with. Bound to the server's thread; values
// from the source's threads are posted to it before they are written as text.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "agent/admin/admin.h"
#include "agent/admin/internal/call.h"

namespace agent::admin::internal {

class Routes {
 public:
  Routes(boost::asio::any_io_executor executor, const ServerOptions& options, AdminSource& source, TailHub& tail)
      : executor_(std::move(executor)), options_(options), source_(source), tail_(tail) {}

  // `only_loopback`: the server listens on loopback, so names of other hosts are lies.
  void set_only_loopback(bool only) { only_loopback_ = only; }

  // Calls back on the server's thread, now or later.
  void Handle(const Call& call, Reply<Answer> reply) const;
  // The route's path, or "other": bounded, for metrics.
  static std::string_view NameOf(std::string_view path);

 private:
  struct Route;
  static const Route* Find(std::string_view path);
  // Null if the call may pass, else the answer to it.
  std::optional<Answer> Refuse(const Route* route, const Call& call) const;
  // A reply that turns a T into an Answer with `write`, on the server's thread.
  template <class T, class Write>
  Reply<T> Answering(Reply<Answer> reply, Write write) const;

  void Page(const Call& call, Reply<Answer> reply) const;
  void Ready(const Call& call, Reply<Answer> reply) const;
  void Healthy(const Call& call, Reply<Answer> reply) const;
  void Metrics(const Call& call, Reply<Answer> reply) const;
  void Config(const Call& call, Reply<Answer> reply) const;
  void Reload(const Call& call, Reply<Answer> reply) const;
  void TargetsPage(const Call& call, Reply<Answer> reply) const;
  void DiscoveryPage(const Call& call, Reply<Answer> reply) const;
  void Node(const Call& call, Reply<Answer> reply) const;
  void Pods(const Call& call, Reply<Answer> reply) const;
  void Pod(const Call& call, Reply<Answer> reply) const;
  void Explain(const Call& call, Reply<Answer> reply) const;
  void LossLedger(const Call& call, Reply<Answer> reply) const;
  void LabelCardinality(const Call& call, Reply<Answer> reply) const;
  void Targets(const Call& call, Reply<Answer> reply) const;
  void Discovery(const Call& call, Reply<Answer> reply) const;
  void Tail(const Call& call, Reply<Answer> reply) const;
  bool MayTail(const Call& call) const;

  boost::asio::any_io_executor executor_;
  const ServerOptions& options_;
  AdminSource& source_;
  TailHub& tail_;
  bool only_loopback_ = false;
};

}  // namespace agent::admin::internal
