// SPDX-License-Identifier: Apache-2.0
#include "bench/sink/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <vector>

#include "bench/sink/http_text.h"

namespace bench {
namespace {

constexpr size_t kMaxHead = 64 * 1024;
constexpr size_t kReadSize = 256 * 1024;
constexpr uint64_t kListenerId = 0;
constexpr uint64_t kWakeId = ~uint64_t{0};

void WatchForInput(int epoll, int fd, uint64_t id) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.u64 = id;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

}  // namespace

std::string_view QueryValue(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') {
      return pair.substr(name.size() + 1);
    }
  }
  return {};
}

struct Server::Connection {
  ConnectionId id = 0;
  int fd = -1;
  // Bytes received and not yet consumed are in[0, filled).
  std::unique_ptr<char[]> in;
  size_t capacity = 0, filled = 0;
  std::string out;
  size_t written = 0;
  // -- the request under way --
  RequestHead head;
  size_t head_size = 0;      // 0: not parsed yet
  bool busy = false;         // the handler owes an answer
  bool close_after = false;  // once `out` is written
  std::string unchunked;

  void Reserve(size_t size) {
    if (size <= capacity) return;
    auto bigger = std::make_unique_for_overwrite<char[]>(size);
    if (filled != 0) std::memcpy(bigger.get(), in.get(), filled);
    in = std::move(bigger);
    capacity = size;
  }
  void Consume(size_t size) {
    std::memmove(in.get(), in.get() + size, filled - size);
    filled -= size;
  }
};

Server::Server(Handler handler, uint64_t max_body)
    : handler_(std::move(handler)),
      max_body_(max_body),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  WatchForInput(epoll_, wake_, kWakeId);
}

Server::~Server() {
  for (auto& [id, connection] : connections_) close(connection->fd);
  if (listener_ >= 0) close(listener_);
  close(wake_);
  close(epoll_);
}

void Server::Stop() {
  stopped_ = true;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = write(wake_, &one, sizeof one);  // full is as good
}

std::string Server::Listen(const std::string& address, uint16_t port) {
  address_ = address;
  port_ = port;
  return Bind();
}

std::string Server::Bind() {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port_);
  if (inet_pton(AF_INET, address_.c_str(), &where.sin_addr) != 1) return "not an IPv4 address: " + address_;
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto* const raw = reinterpret_cast<sockaddr*>(&where);
  if (bind(listener_, raw, sizeof where) != 0 || listen(listener_, 1024) != 0) {
    const std::string wrong = "cannot listen on " + address_ + ":" + std::to_string(port_) + ": " + std::strerror(errno);
    close(listener_);
    listener_ = -1;
    return wrong;
  }
  socklen_t size = sizeof where;
  getsockname(listener_, raw, &size);
  port_ = ntohs(where.sin_port);
  WatchForInput(epoll_, listener_, kListenerId);
  return {};
}

void Server::GoAway(std::chrono::milliseconds time) {
  const auto now = Clock::now();
  At(now, [this] {
    if (listener_ >= 0) close(listener_);
    listener_ = -1;
    std::vector<ConnectionId> all;
    for (const auto& [id, connection] : connections_) all.push_back(id);
    for (const ConnectionId id : all) Drop(id);
  });
  At(now + time, [this] { ComeBack(); });
}

// Somebody else may hold the port for a moment, as the source port of a connection.
void Server::ComeBack() {
  if (listener_ >= 0 || Bind().empty()) return;
  At(Clock::now() + std::chrono::milliseconds(20), [this] { ComeBack(); });
}

void Server::At(Clock::time_point when, std::function<void()> action) {
  timers_.emplace(when, std::move(action));
}

int Server::RunTimers() {
  while (!timers_.empty()) {
    const auto now = Clock::now();
    const auto first = timers_.begin();
    if (first->first > now) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(first->first - now);
      return static_cast<int>(std::min<int64_t>(left.count(), 60'000));
    }
    const auto action = std::move(first->second);
    timers_.erase(first);
    action();
  }
  return -1;
}

void Server::Run() {
  epoll_event events[64];
  while (!stopped_) {
    const int timeout = RunTimers();
    const int count = epoll_wait(epoll_, events, 64, timeout);
    for (int i = 0; i < count; ++i) {
      const ConnectionId id = events[i].data.u64;
      if (id == kListenerId) {
        Accept();
        continue;
      }
      const auto found = connections_.find(id);
      if (found == connections_.end()) continue;
      if ((events[i].events & EPOLLOUT) != 0) {
        Write(*found->second);
      } else {
        Readable(*found->second);
      }
    }
  }
}

void Server::Accept() {
  while (true) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto connection = std::make_unique<Connection>();
    connection->id = next_id_++;
    connection->fd = fd;
    ++accepted_;
    WatchForInput(epoll_, fd, connection->id);
    connections_.emplace(connection->id, std::move(connection));
  }
}

void Server::Drop(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  close(found->second->fd);
  connections_.erase(found);
}

void Server::Watch(Connection& connection, bool write) const {
  epoll_event event{};
  event.events = write ? EPOLLOUT : EPOLLIN | EPOLLRDHUP;
  event.data.u64 = connection.id;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
}

void Server::Readable(Connection& connection) {
  while (true) {
    if (connection.busy && connection.filled >= kReadSize) {
      // A client that pipelines far ahead of its answers is not ours to buffer.
      return Drop(connection.id);
    }
    if (connection.capacity - connection.filled < kReadSize / 4) {
      connection.Reserve(std::max(connection.capacity * 2, kReadSize));
    }
    const ssize_t got =
        recv(connection.fd, connection.in.get() + connection.filled, connection.capacity - connection.filled, 0);
    if (got == 0) return Drop(connection.id);
    if (got < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      if (errno == EINTR) continue;
      return Drop(connection.id);
    }
    connection.filled += static_cast<size_t>(got);
    if (!Parse(connection)) return;
  }
}

bool Server::ParseHead(Connection& connection) {
  const std::string_view bytes(connection.in.get(), connection.filled);
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() > kMaxHead) RefuseAndClose(connection, 431);
    return false;
  }
  connection.head = {};
  if (!ReadHead(bytes.substr(0, end + 2), &connection.head)) {
    RefuseAndClose(connection, 400);
    return false;
  }
  if (connection.head.content_length > max_body_) {
    RefuseAndClose(connection, 413);
    return false;
  }
  connection.head_size = end + 4;
  if (connection.head.expect_continue && !connection.close_after) {
    connection.out += "HTTP/1.1 100 Continue\r\n\r\n";
    Write(connection);
  }
  return true;
}

bool Server::Parse(Connection& connection) {
  const ConnectionId id = connection.id;
  while (!connection.busy && connection.filled != 0) {
    if (connection.head_size == 0 && !ParseHead(connection)) return connections_.contains(id);
    if (!connections_.contains(id)) return false;
    const RequestHead& head = connection.head;
    std::string_view rest(connection.in.get() + connection.head_size, connection.filled - connection.head_size);
    size_t used = head.content_length;
    std::string_view body;
    if (head.chunked) {
      connection.unchunked.clear();
      used = Unchunk(rest, &connection.unchunked);
      if (used == kChunksBroken || connection.unchunked.size() > max_body_) {
        RefuseAndClose(connection, used == kChunksBroken ? 400 : 413);
        return connections_.contains(id);
      }
      if (used == kChunksIncomplete) return true;
      body = connection.unchunked;
    } else {
      if (rest.size() < used) {
        connection.Reserve(connection.head_size + used + kReadSize / 4);
        return true;
      }
      body = rest.substr(0, used);
    }
    // The head's views are offsets into the buffer, which may have moved since.
    const Request request = head.View(connection.in.get(), body);
    connection.busy = true;
    connection.close_after = head.close;
    handler_(id, request);
    if (!connections_.contains(id)) return false;
    connection.Consume(connection.head_size + used);
    connection.head_size = 0;
  }
  return true;
}

void Server::RefuseAndClose(Connection& connection, int status) {
  connection.busy = true;
  connection.close_after = true;
  Answer answer;
  answer.status = status;
  answer.body = std::string(StatusText(status)) + "\n";
  Respond(connection.id, std::move(answer));
}

void Server::Respond(ConnectionId id, Answer answer) {
  if (answer.delay.count() > 0) {
    const auto when = Clock::now() + answer.delay;
    answer.delay = std::chrono::milliseconds(0);
    At(when, [this, id, late = std::move(answer)] {
      Respond(id, late);
      const auto found = connections_.find(id);
      if (found != connections_.end()) Parse(*found->second);  // what came meanwhile
    });
    return;
  }
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  if (answer.silent) {
    // Not from here: a caller up the stack may hold the connection.
    found->second->close_after = true;
    At(Clock::now(), [this, id] { Drop(id); });
    return;
  }
  Connection& connection = *found->second;
  connection.busy = false;
  connection.out += FormatAnswer(answer, connection.close_after);
  Write(connection);
}

void Server::Write(Connection& connection) {
  while (connection.written < connection.out.size()) {
    const ssize_t put = send(connection.fd, connection.out.data() + connection.written,
                             connection.out.size() - connection.written, MSG_NOSIGNAL);
    if (put < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return Watch(connection, true);
      const ConnectionId id = connection.id;
      At(Clock::now(), [this, id] { Drop(id); });
      return;
    }
    connection.written += static_cast<size_t>(put);
  }
  connection.out.clear();
  connection.written = 0;
  if (connection.close_after && !connection.busy) {
    const ConnectionId id = connection.id;
    shutdown(connection.fd, SHUT_WR);
    At(Clock::now() + std::chrono::milliseconds(50), [this, id] { Drop(id); });
    connection.busy = true;  // no more requests here
    return;
  }
  Watch(connection, false);
}

}  // namespace bench
