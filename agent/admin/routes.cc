// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/internal/routes.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <charconv>
#include <tuple>
#include <utility>

#include "agent/admin/internal/html.h"
#include "agent/admin/internal/to_json.h"
#include "agent/core/log.h"
#include "agent/platform/clock.h"

namespace agent::admin {

void SortByTrouble(std::vector<PodSummary>& pods) {
  static constexpr double kFar = 1e18;
  std::ranges::sort(pods, {}, [](const PodSummary& pod) {
    return std::make_tuple(-static_cast<int>(pod.trouble.severity), pod.seconds_to_loss.value_or(kFar),
                           -pod.lag_seconds, std::string_view(pod.id));
  });
}

namespace internal {
namespace {

size_t Number(const std::string& text, size_t fallback) {
  size_t value = fallback;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

WallNanos Now() { return SystemClock().Wall(); }

Answer Html(std::string body) {
  Answer answer = Answer::Text(std::move(body));
  answer.type = "text/html; charset=utf-8";
  // The page loads nothing and speaks to this server only.
  answer.headers.emplace_back("Content-Security-Policy",
                              "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
                              "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  return answer;
}

}  // namespace

struct Routes::Route {
  std::string_view path;
  void (Routes::*handle)(const Call&, Reply<Answer>) const;
  bool writes = false;
};

const Routes::Route* Routes::Find(std::string_view path) {
  static constexpr Route kRoutes[] = {
      {"/", &Routes::Page},
      {"/ready", &Routes::Ready},
      {"/healthy", &Routes::Healthy},
      {"/metrics", &Routes::Metrics},
      {"/config", &Routes::Config},
      {"/reload", &Routes::Reload, true},
      {"/targets", &Routes::TargetsPage},
      {"/service-discovery", &Routes::DiscoveryPage},
      {"/api/node", &Routes::Node},
      {"/api/pods", &Routes::Pods},
      {"/api/pod", &Routes::Pod},
      {"/api/explain", &Routes::Explain},
      {"/api/ledger", &Routes::LossLedger},
      {"/api/cardinality", &Routes::LabelCardinality},
      {"/api/targets", &Routes::Targets},
      {"/api/service-discovery", &Routes::Discovery},
      {"/api/tail", &Routes::Tail},
  };
  const auto* found = std::ranges::find(kRoutes, path, &Route::path);
  return found == std::end(kRoutes) ? nullptr : found;
}

std::string_view Routes::NameOf(std::string_view path) {
  const Route* route = Find(path);
  return route == nullptr ? "other" : route->path;
}

std::optional<Answer> Routes::Refuse(const Route* route, const Call& call) const {
  if (only_loopback_ && !IsLoopbackHost(call.host) && HostOf(call.host) != HostOf(options_.external_url) &&
      HostOf(call.host) != HostOf(options_.address)) {
    return Answer::Error(421, "this server listens on loopback only and does not answer to the name `" + call.host +
                                  "`; ask for localhost or 127.0.0.1, or set server.external_url");
  }
  if (route == nullptr) return Answer::Error(404, "there is nothing at " + call.path);
  const bool reads = call.method == "GET" || call.method == "HEAD";
  if (!reads && !(route->writes && call.method == "POST")) {
    Answer answer = Answer::Error(405, call.path + " cannot be called with " + call.method);
    answer.headers.emplace_back("Allow", route->writes ? "GET, POST" : "GET, HEAD");
    return answer;
  }
  // A page of another site must not make a browser write here.
  const bool foreign = !call.origin.empty() && HostOf(call.origin) != HostOf(call.host);
  const bool cross = !call.fetch_site.empty() && call.fetch_site != "same-origin" && call.fetch_site != "none";
  if (route->writes && (foreign || cross)) return Answer::Error(403, "calls from pages of other sites are refused");
  return std::nullopt;
}

void Routes::Handle(const Call& call, Reply<Answer> reply) const {
  const Route* route = Find(call.path);
  if (std::optional<Answer> refused = Refuse(route, call)) return reply(std::move(*refused));
  (this->*route->handle)(call, std::move(reply));
}

template <class T, class Write>
Reply<T> Routes::Answering(Reply<Answer> reply, Write write) const {
  return [executor = executor_, reply = std::move(reply), write = std::move(write)](T value) {
    boost::asio::post(executor, [reply, write, value = std::move(value)]() mutable { reply(write(std::move(value))); });
  };
}

void Routes::Page(const Call& /*call*/, Reply<Answer> reply) const { reply(Html(std::string(kPage))); }

void Routes::Ready(const Call& /*call*/, Reply<Answer> reply) const {
  if (!options_.health_check_target) return reply(Answer::Text("Ready\n"));
  source_.Ready(Answering<Readiness>(std::move(reply), [](const Readiness& readiness) {
    if (readiness.ready) return Answer::Text("Ready\n");
    // Promtail's words come first; scripts look for them.
    return Answer::Text("Not ready: Unable to find any logs to tail. " + readiness.why_not + "\n", 500);
  }));
}

void Routes::Healthy(const Call& /*call*/, Reply<Answer> reply) const { reply(Answer::Text("Healthy\n")); }

void Routes::Metrics(const Call& call, Reply<Answer> reply) const {
  if (!options_.register_instrumentation) {
    return reply(Answer::Error(404, "there is nothing at " + call.path + ": server.register_instrumentation is false"));
  }
  source_.Metrics(Answering<std::string>(std::move(reply), [](std::string text) {
    Answer answer = Answer::Text(std::move(text));
    answer.type = "text/plain; version=0.0.4; charset=utf-8";
    return answer;
  }));
}

void Routes::Config(const Call& /*call*/, Reply<Answer> reply) const {
  source_.ConfigText(Answering<std::string>(std::move(reply), [](std::string text) { return Answer::Text(std::move(text)); }));
}

void Routes::Reload(const Call& call, Reply<Answer> reply) const {
  if (!options_.enable_runtime_reload) {
    return reply(Answer::Error(404, "there is nothing at " + call.path + " unless server.enable_runtime_reload is true"));
  }
  if (call.method == "HEAD") return reply(Answer::Error(405, "/reload cannot be called with HEAD"));
  source_.Reload(Answering<Status>(std::move(reply), [](const Status& status) {
    if (status) return Answer::Text("");
    return Answer::Text("failed to reload config: " + status.error().what + "\n", 500);
  }));
}

void Routes::TargetsPage(const Call& /*call*/, Reply<Answer> reply) const {
  using Views = std::vector<TargetView>;
  source_.Targets(Answering<Views>(std::move(reply), [](const Views& views) { return Html(TargetsHtml(views)); }));
}

void Routes::DiscoveryPage(const Call& /*call*/, Reply<Answer> reply) const {
  using Views = std::vector<DiscoveryView>;
  source_.Discovery(Answering<Views>(std::move(reply), [](const Views& views) { return Html(DiscoveryHtml(views)); }));
}

void Routes::Node(const Call& call, Reply<Answer> reply) const {
  source_.Node(Answering<NodeSummary>(std::move(reply), [options = options_, may_tail = MayTail(call)](const NodeSummary& node) {
    return Answer::Json(ToJson(node, options, may_tail));
  }));
}

void Routes::Pods(const Call& call, Reply<Answer> reply) const {
  PodsQuery query;
  query.search = call.Parameter("q");
  query.offset = Number(call.Parameter("offset"), 0);
  query.limit = Number(call.Parameter("limit"), 0);
  query.only_trouble = call.Parameter("trouble") == "1";
  source_.Pods(Answering<std::vector<PodSummary>>(std::move(reply), [query](std::vector<PodSummary> pods) {
    SortByTrouble(pods);
    return Answer::Json(ToJson(pods, query, Now()));
  }));
}

void Routes::Pod(const Call& call, Reply<Answer> reply) const {
  const std::string& id = call.Parameter("id");
  if (id.empty()) return reply(Answer::Error(400, "say which pod: /api/pod?id=NAMESPACE/POD"));
  source_.Pod(id, Answering<PodDetail>(std::move(reply), [id](const PodDetail& detail) {
    if (!detail.found) return Answer::Error(404, "no pod `" + id + "` is known here; /api/explain?pod= says why");
    return Answer::Json(ToJson(detail, Now()));
  }));
}

void Routes::Explain(const Call& call, Reply<Answer> reply) const {
  ExplainQuery query{call.Parameter("pod"), call.Parameter("container")};
  if (query.pod.empty()) return reply(Answer::Error(400, "say whose logs are missing: /api/explain?pod=NAMESPACE/POD"));
  source_.Explain(std::move(query), Answering<Explanation>(std::move(reply), [](const Explanation& explanation) {
    return Answer::Json(ToJson(explanation));
  }));
}

void Routes::LossLedger(const Call& /*call*/, Reply<Answer> reply) const {
  source_.LossLedger(Answering<Ledger>(std::move(reply), [](const Ledger& ledger) { return Answer::Json(ToJson(ledger)); }));
}

void Routes::LabelCardinality(const Call& /*call*/, Reply<Answer> reply) const {
  source_.LabelCardinality(Answering<Cardinality>(
      std::move(reply), [](const Cardinality& cardinality) { return Answer::Json(ToJson(cardinality)); }));
}

void Routes::Targets(const Call& /*call*/, Reply<Answer> reply) const {
  using Views = std::vector<TargetView>;
  source_.Targets(Answering<Views>(std::move(reply), [](const Views& views) { return Answer::Json(ToJson(views)); }));
}

void Routes::Discovery(const Call& /*call*/, Reply<Answer> reply) const {
  using Views = std::vector<DiscoveryView>;
  source_.Discovery(Answering<Views>(std::move(reply), [](const Views& views) { return Answer::Json(ToJson(views)); }));
}

bool Routes::MayTail(const Call& call) const {
  return options_.live_tail == LiveTail::kOn || (options_.live_tail == LiveTail::kLoopback && call.from_loopback);
}

void Routes::Tail(const Call& call, Reply<Answer> reply) const {
  if (!MayTail(call)) {
    return reply(Answer::Error(403, options_.live_tail == LiveTail::kOff
                                        ? "the live tail is off: server.live_tail"
                                        : "the live tail shows log lines, so it answers on loopback only: use kubectl "
                                          "port-forward, or set server.live_tail to on"));
  }
  TailFilter filter;
  filter.ns = call.Parameter("namespace");
  filter.pod = call.Parameter("pod");
  if (const size_t slash = filter.pod.find('/'); slash != std::string::npos && filter.ns.empty()) {
    filter.ns = filter.pod.substr(0, slash);
    filter.pod.erase(0, slash + 1);
  }
  filter.text = call.Parameter("text");
  filter.grep = call.Parameter("grep");
  for (const auto& [name, value] : call.parameters) {
    if (name != "label") continue;
    const size_t equals = value.find('=');
    if (equals == std::string::npos) return reply(Answer::Error(400, "write label=NAME=VALUE, not label=" + value));
    filter.labels.insert_or_assign(value.substr(0, equals), value.substr(equals + 1));
  }
  Result<std::shared_ptr<TailHub::Watcher>> watcher = tail_.Watch(filter);
  if (!watcher) return reply(Answer::Error(watcher.error().code == Code::kLimit ? 503 : 400, watcher.error().what));
  Answer answer;
  answer.type = "text/event-stream";
  answer.tail = std::move(*watcher);
  reply(std::move(answer));
}

}  // namespace internal
}  // namespace agent::admin
