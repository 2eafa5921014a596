// SPDX-License-Identifier: Apache-2.0
// One connection: requests read one after the other, each answered in its time; or a
// live tail until one side goes. Knows Beast, so that nobody else must.
//
// Ownership: kept alive by its pending operations and by the host's list; Close ends
// it. Bound to the server's thread.
// Limits: kMostHead bytes of head, kMostBody of body, the timeouts of ServerOptions for
// each step, kLongestTail for a tail (a browser comes back by itself).
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/admin/admin.h"
#include "agent/admin/internal/call.h"

namespace agent::admin::internal {

class Session;

// What a session needs of the server. Outlives it.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual const ServerOptions& options() const = 0;
  virtual void Handle(const Call& call, Reply<Answer> reply) = 0;
  virtual void Begun(const Call& call) = 0;
  virtual void Answered(const Call& call, int status, std::chrono::nanoseconds took) = 0;
  virtual bool stopping() const = 0;
  virtual void Closed(Session& session) = 0;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  static constexpr uint32_t kMostHead = 16 * 1024;
  static constexpr uint64_t kMostBody = 64 * 1024;
  static constexpr auto kTailEvery = std::chrono::milliseconds(250);
  static constexpr auto kTailHeartbeat = std::chrono::seconds(15);
  static constexpr auto kLongestTail = std::chrono::hours(1);

  Session(boost::asio::ip::tcp::socket socket, std::shared_ptr<SessionHost> host);

  void Start();
  // Ends it now; the host hears of it once.
  void Close();
  // No request is being read or answered: it may be closed without harm.
  bool idle() const { return state_ == State::kIdle || state_ == State::kTail; }
  std::chrono::steady_clock::time_point idle_since() const { return since_; }

 private:
  enum class State { kIdle, kBusy, kTail, kClosed };
  using Error = boost::beast::error_code;
  using Clock = std::chrono::steady_clock;

  void AwaitRequest(bool first);
  void ReadHead();
  void ReadBody();
  void Dispatch();
  void GotAnswer(uint64_t request, Answer answer);
  void Write(Answer answer);
  void Written(bool keep);
  void CountAnswer(int status);
  void Fail(Error error);
  void StartTail(Answer answer);
  void AwaitPeerEnd();
  void AwaitTailTick();
  void TailTick();
  void WriteTail();

  boost::beast::tcp_stream stream_;
  const std::shared_ptr<SessionHost> host_;
  boost::beast::flat_buffer buffer_{kMostHead + kMostBody};
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  boost::beast::http::response<boost::beast::http::string_body> response_;
  boost::asio::steady_timer timer_;  // for the source's answer, then for the tail
  State state_ = State::kIdle;
  Clock::time_point since_ = Clock::now();
  Clock::time_point request_began_{};
  uint64_t request_ = 0;  // counts requests, so that a late answer finds no taker
  Call call_;
  // -- tail --
  std::shared_ptr<TailHub::Watcher> tail_;
  std::string tail_text_;
  bool tail_writing_ = false;
  Clock::time_point tail_began_{};
  Clock::time_point tail_last_write_{};
};

}  // namespace agent::admin::internal
