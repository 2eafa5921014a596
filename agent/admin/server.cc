// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <set>
#include <utility>

#include "agent/admin/admin.h"
#include "agent/admin/internal/routes.h"
#include "agent/admin/internal/session.h"
#include "agent/core/log.h"

namespace agent::admin {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using internal::Answer;
using internal::Call;
using internal::Session;

namespace {

const std::vector<double>& RequestBuckets() {
  static const std::vector<double> kBuckets = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 50, 100};
  return kBuckets;
}

}  // namespace

// Lives as long as a session or a pending operation does; `source`, `tail` and
// `registry` are used only while the Server lives (open_).
struct Server::Impl : internal::SessionHost, std::enable_shared_from_this<Server::Impl> {
  Impl(asio::io_context& context, ServerOptions server_options, AdminSource& source, TailHub& tail,
       metrics::Registry& metrics_registry)
      : io(context), settings(std::move(server_options)), registry(metrics_registry),
        routes(context.get_executor(), settings, source, tail), acceptor(context), deadline(context),
        connections(registry.GetGauge("tcp_connections", "Current number of accepted TCP connections.", {{"protocol", "http"}})) {
    ShowLimit();
  }

  void ShowLimit() {
    registry.GetGauge("tcp_connections_limit", "The max number of TCP connections that can be accepted (0 means no limit).",
                      {{"protocol", "http"}})
        .Set(Limit());
  }

  uint32_t Limit() const {
    return settings.conn_limit == 0 ? ServerOptions::kMostConnections : settings.conn_limit;
  }

  Status Listen();
  Status Open(const tcp::endpoint& endpoint);
  void Accept();
  void Accepted(tcp::socket socket);
  void MakeRoom();
  void CloseAll();
  void StopGracefully(std::function<void()> done, Duration most);
  void FinishIfEmpty();

  // -- SessionHost --
  const ServerOptions& options() const override { return settings; }
  void Handle(const Call& call, Reply<Answer> reply) override {
    if (open) routes.Handle(call, std::move(reply));
  }
  void Begun(const Call& call) override;
  void Answered(const Call& call, int status, std::chrono::nanoseconds took) override;
  bool stopping() const override { return stop; }
  void Closed(Session& session) override;

  asio::io_context& io;
  ServerOptions settings;
  metrics::Registry& registry;
  internal::Routes routes;
  tcp::acceptor acceptor;
  asio::steady_timer deadline;  // of the graceful stop; before that: a pause after a failed accept
  metrics::Gauge& connections;
  std::set<std::shared_ptr<Session>> sessions;
  std::function<void()> stopped;
  uint16_t bound_port = 0;
  bool open = true;
  bool stop = false;
};

Status Server::Impl::Open(const tcp::endpoint& endpoint) {
  error_code error;
  acceptor = tcp::acceptor(io);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && endpoint.address().is_v6()) {
    acceptor.set_option(asio::ip::v6_only(settings.network == "tcp6" || !endpoint.address().is_unspecified()), error);
  }
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) return {};
  error_code ignored;
  acceptor.close(ignored);
  const Code code = error == asio::error::access_denied ? Code::kPermission : Code::kIo;
  return Fail(code, "cannot listen on " + endpoint.address().to_string() + " port " + std::to_string(endpoint.port()) + ": " +
                        error.message() + "; change server.http_listen_address or server.http_listen_port",
              error.value());
}

Status Server::Impl::Listen() {
  if (settings.address.empty()) {
    // As Go does: one socket for both families where there is IPv6.
    if (settings.network != "tcp4") {
      Status both = Open({tcp::v6(), settings.port});
      if (both || settings.network == "tcp6") return both;
    }
    return Open({tcp::v4(), settings.port});
  }
  error_code error;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(settings.address, std::to_string(settings.port), error);
  if (error) {
    return Fail(Code::kConfig, "cannot find the address `" + settings.address + "` to listen on: " + error.message() +
                                   "; change server.http_listen_address");
  }
  Status last = Fail(Code::kConfig, "`" + settings.address + "` has no address of the network " + settings.network);
  for (const auto& entry : found) {
    const bool v6 = entry.endpoint().address().is_v6();
    if ((settings.network == "tcp4" && v6) || (settings.network == "tcp6" && !v6)) continue;
    last = Open(entry.endpoint());
    if (last) break;
  }
  return last;
}

void Server::Impl::Accept() {
  acceptor.async_accept([self = shared_from_this()](error_code error, tcp::socket socket) {
    if (self->stop || error == asio::error::operation_aborted) return;
    if (!error) {
      self->Accepted(std::move(socket));
      return self->Accept();
    }
    // Out of descriptors, most likely: wait, or this would be a busy loop.
    LogWarn("cannot accept a connection; trying again", {{"err", error.message()}});
    self->MakeRoom();
    self->deadline.expires_after(std::chrono::milliseconds(200));
    self->deadline.async_wait([self](error_code cancelled) {
      if (!cancelled && !self->stop) self->Accept();
    });
  });
}

void Server::Impl::Accepted(tcp::socket socket) {
  if (sessions.size() >= Limit()) MakeRoom();
  if (sessions.size() >= Limit()) return;  // all are busy: the socket closes
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  auto session = std::make_shared<Session>(std::move(socket), shared_from_this());
  sessions.insert(session);
  connections.Set(static_cast<double>(sessions.size()));
  session->Start();
}

// Closes the connection that has been idle longest, so that idle clients cannot keep
// a probe out.
void Server::Impl::MakeRoom() {
  std::shared_ptr<Session> oldest;
  for (const auto& session : sessions) {
    if (session->idle() && (oldest == nullptr || session->idle_since() < oldest->idle_since())) oldest = session;
  }
  if (oldest != nullptr) oldest->Close();
}

void Server::Impl::Begun(const Call& call) {
  if (!open) return;
  registry
      .GetGauge("inflight_requests", "Current number of inflight requests.",
                {{"method", call.method == "POST" ? "POST" : "GET"}, {"route", std::string(internal::Routes::NameOf(call.path))}})
      .Add(1);
}

void Server::Impl::Answered(const Call& call, int status, std::chrono::nanoseconds took) {
  if (!open) return;
  const double seconds = std::chrono::duration<double>(took).count();
  // Bounded label values: other methods and unknown paths are one each.
  const std::string method = call.method == "POST" ? "POST" : "GET";
  const std::string route(internal::Routes::NameOf(call.path));
  registry.GetGauge("inflight_requests", "Current number of inflight requests.", {{"method", method}, {"route", route}}).Add(-1);
  registry
      .GetHistogram("request_duration_seconds", "Time (in seconds) spent serving HTTP requests.",
                    {{"method", method}, {"route", route}, {"status_code", std::to_string(status)}, {"ws", "false"}},
                    RequestBuckets())
      .Observe(seconds);
  Log(settings.log_requests_at_info ? LogLevel::kInfo : LogLevel::kDebug, "request",
      {{"method", call.method}, {"path", call.path}, {"status", status}, {"seconds", seconds}});
}

void Server::Impl::Closed(Session& session) {
  sessions.erase(session.shared_from_this());
  if (open) connections.Set(static_cast<double>(sessions.size()));
  FinishIfEmpty();
}

void Server::Impl::CloseAll() {
  const auto all = sessions;
  for (const auto& session : all) session->Close();
}

void Server::Impl::StopGracefully(std::function<void()> done, Duration most) {
  stop = true;
  stopped = std::move(done);
  error_code ignored;
  acceptor.close(ignored);
  // Before the first session closes: the last one that does ends this wait.
  deadline.expires_after(std::min(settings.graceful_shutdown_timeout, most));
  deadline.async_wait([weak = weak_from_this()](error_code cancelled) {
    const auto self = weak.lock();
    if (!cancelled && self != nullptr) self->CloseAll();
  });
  const auto all = sessions;
  for (const auto& session : all) {
    if (session->idle()) session->Close();
  }
  FinishIfEmpty();
}

void Server::Impl::FinishIfEmpty() {
  if (!stop || !sessions.empty() || !stopped) return;
  deadline.cancel();
  asio::post(io, std::exchange(stopped, nullptr));
}

Server::Server(asio::io_context& io, ServerOptions options, AdminSource& source, TailHub& tail, metrics::Registry& registry)
    : impl_(std::make_shared<Impl>(io, std::move(options), source, tail, registry)) {}

Server::~Server() {
  impl_->open = false;
  impl_->stop = true;
  impl_->stopped = nullptr;
  error_code ignored;
  impl_->acceptor.close(ignored);
  impl_->deadline.cancel();
  impl_->CloseAll();
}

Status Server::Start() {
  Status listening = impl_->Listen();
  if (!listening) return listening;
  const tcp::endpoint local = impl_->acceptor.local_endpoint();
  impl_->bound_port = local.port();
  impl_->routes.set_only_loopback(local.address().is_loopback());
  LogInfo("server listening", {{"addr", local.address().to_string()}, {"port", static_cast<int>(local.port())}});
  impl_->Accept();
  return {};
}

void Server::Use(const ServerOptions& options) {
  ServerOptions fresh = options;
  fresh.ListenLike(impl_->settings);
  impl_->settings = std::move(fresh);
  impl_->ShowLimit();
}

uint16_t Server::port() const { return impl_->bound_port; }

void Server::Stop(std::function<void()> done, Duration most) { impl_->StopGracefully(std::move(done), most); }

}  // namespace agent::admin
