// SPDX-License-Identifier: Apache-2.0
// A single-threaded HTTP/1.1 server for loopback: epoll, keep-alive, bodies with a
// length or in chunks, `Expect: 100-continue`. Built for a few fast connections whose
// answers may be late on purpose. Feeds a Handler; knows nothing of Loki.
//
// Ownership: the views in a Request are valid during the handler's call only.
// Threads: thread-compatible; Run() owns the calling thread until Stop().
// Limits: a head of 64 KiB, a body of `max_body` (then 413 and the connection closes).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace bench {

struct Request {
  std::string_view method, path, query;
  std::string_view content_type, content_encoding, tenant, authorization, user_agent;
  std::string_view body;
};

// The value of `name` in a query string; no percent-decoding.
std::string_view QueryValue(std::string_view query, std::string_view name);

struct Answer {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::string headers;  // more header lines, each ended by CRLF
  std::chrono::milliseconds delay{0};
  bool silent = false;  // close the connection instead of answering
};

class Server {
 public:
  using Clock = std::chrono::steady_clock;
  using ConnectionId = uint64_t;
  // The answer must come later, by Respond, exactly once; the connection waits for it.
  using Handler = std::function<void(ConnectionId, const Request&)>;

  Server(Handler handler, uint64_t max_body);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Binds 127.0.0.1 or another IPv4 address; 0 picks a free port. An empty string, or
  // what went wrong.
  std::string Listen(const std::string& address, uint16_t port);
  uint16_t port() const { return port_; }
  // As if the program had been stopped, and started again after a while: breaks every
  // connection (the asking one a moment later) and listens no more, until then.
  void GoAway(std::chrono::milliseconds time);

  void Respond(ConnectionId id, Answer answer);  // of a vanished connection: ignored
  void At(Clock::time_point when, std::function<void()> action);
  void Run();
  void Stop();  // async-signal-safe
  size_t connections() const { return connections_.size(); }
  uint64_t accepted() const { return accepted_; }

 private:
  struct Connection;
  void Accept();
  void Readable(Connection& connection);
  bool Parse(Connection& connection);  // false: the connection is gone
  bool ParseHead(Connection& connection);
  void RefuseAndClose(Connection& connection, int status);
  void Write(Connection& connection);
  void Watch(Connection& connection, bool write) const;
  void Drop(ConnectionId id);
  std::string Bind();
  void ComeBack();
  int RunTimers();  // milliseconds until the next one, -1 if there is none

  const Handler handler_;
  const uint64_t max_body_;
  int epoll_ = -1;
  int listener_ = -1;
  int wake_ = -1;  // an eventfd that Stop() writes to
  uint16_t port_ = 0;
  std::string address_;
  ConnectionId next_id_ = 1;
  uint64_t accepted_ = 0;
  volatile bool stopped_ = false;
  std::map<ConnectionId, std::unique_ptr<Connection>> connections_;
  std::multimap<Clock::time_point, std::function<void()>> timers_;
};

}  // namespace bench
