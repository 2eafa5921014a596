// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/internal/session.h"

#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <utility>

#include "agent/admin/internal/to_json.h"

namespace agent::admin::internal {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

// A timeout of 0 means that there is none.
void Expire(beast::tcp_stream& stream, Duration after) {
  if (after.count() > 0) {
    stream.expires_after(after);
  } else {
    stream.expires_never();
  }
}

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

Session::Session(asio::ip::tcp::socket socket, std::shared_ptr<SessionHost> host)
    : stream_(std::move(socket)), host_(std::move(host)), timer_(stream_.get_executor()) {}

void Session::Start() { AwaitRequest(true); }

void Session::Close() {
  if (std::exchange(state_, State::kClosed) == State::kClosed) return;
  constexpr int kClientClosed = 499;  // as web servers log it
  CountAnswer(kClientClosed);
  timer_.cancel();
  tail_.reset();
  Error ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  stream_.close();
  host_->Closed(*this);
}

void Session::Fail(Error /*error*/) { Close(); }

void Session::AwaitRequest(bool first) {
  state_ = State::kIdle;
  since_ = Clock::now();
  parser_.emplace();
  parser_->header_limit(kMostHead);
  parser_->body_limit(kMostBody);
  if (first || buffer_.size() > 0) return ReadHead();
  Expire(stream_, host_->options().idle_timeout);
  constexpr size_t kFirstRead = 4096;
  stream_.async_read_some(buffer_.prepare(kFirstRead), [self = shared_from_this()](Error error, size_t bytes) {
    if (self->state_ == State::kClosed) return;
    if (error) return self->Fail(error);
    self->buffer_.commit(bytes);
    self->ReadHead();
  });
}

void Session::ReadHead() {
  const ServerOptions& options = host_->options();
  Expire(stream_, options.read_header_timeout.count() > 0 ? options.read_header_timeout : options.read_timeout);
  http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](Error error, size_t) {
    if (self->state_ == State::kClosed) return;
    const bool ended = error == http::error::end_of_stream || error == http::error::partial_message;
    if (error && (ended || error.category() != http::make_error_code(http::error::end_of_stream).category())) {
      return self->Fail(error);
    }
    self->state_ = State::kBusy;
    if (error == http::error::header_limit) return self->Write(Answer::Error(431, "the request's head is too long"));
    if (error == http::error::body_limit) return self->Write(Answer::Error(413, "the request's body is too long"));
    if (error) return self->Write(Answer::Error(400, "this is not an HTTP request"));
    self->ReadBody();
  });
}

void Session::ReadBody() {
  Expire(stream_, host_->options().read_timeout);
  http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](Error error, size_t) {
    if (self->state_ == State::kClosed) return;
    if (error == http::error::body_limit) return self->Write(Answer::Error(413, "the request's body is too long"));
    if (error) return self->Fail(error);
    self->Dispatch();
  });
}

void Session::Dispatch() {
  const auto& request = parser_->get();
  call_ = Call{};
  call_.method = std::string(View(request.method_string()));
  call_.host = std::string(View(request[http::field::host]));
  call_.origin = std::string(View(request[http::field::origin]));
  call_.fetch_site = std::string(View(request["Sec-Fetch-Site"]));
  Error ignored;
  const auto peer = stream_.socket().remote_endpoint(ignored).address();
  const bool mapped = peer.is_v6() && peer.to_v6().is_v4_mapped();
  call_.from_loopback = mapped ? asio::ip::make_address_v4(asio::ip::v4_mapped, peer.to_v6()).is_loopback() : peer.is_loopback();
  request_began_ = Clock::now();
  if (!ParseTarget(View(request.target()), host_->options().path_prefix, call_)) {
    call_.path = "other";
    host_->Begun(call_);
    return Write(Answer::Error(404, "there is nothing here; the server's pages are below " + host_->options().path_prefix + "/"));
  }
  host_->Begun(call_);
  const uint64_t request_number = ++request_;
  stream_.expires_never();
  const Duration patience = host_->options().write_timeout;
  if (patience.count() > 0) {
    timer_.expires_after(patience);
    timer_.async_wait([self = shared_from_this(), request_number](Error error) {
      if (error) return;
      self->GotAnswer(request_number, Answer::Error(504, "the agent did not answer in time; it may be overloaded"));
    });
  }
  host_->Handle(call_, [weak = weak_from_this(), request_number](Answer answer) {
    if (const auto self = weak.lock()) self->GotAnswer(request_number, std::move(answer));
  });
}

void Session::GotAnswer(uint64_t request, Answer answer) {
  if (state_ != State::kBusy || request != request_) return;
  ++request_;
  timer_.cancel();
  if (answer.tail != nullptr) return StartTail(std::move(answer));
  Write(std::move(answer));
}

void Session::Write(Answer answer) {
  const auto& request = parser_->get();
  const bool head = request.method() == http::verb::head;
  const bool keep = parser_->is_done() && request.keep_alive() && !host_->stopping();
  response_ = {};
  response_.version(request.version() == 10 ? 10 : 11);
  response_.result(static_cast<unsigned>(answer.status));
  response_.set(http::field::content_type, answer.type);
  response_.set(http::field::cache_control, "no-store");
  response_.set("X-Content-Type-Options", "nosniff");
  response_.set("Referrer-Policy", "no-referrer");
  for (const auto& [name, value] : answer.headers) response_.set(name, value);
  response_.keep_alive(keep);
  response_.content_length(answer.body.size());
  if (!head) response_.body() = std::move(answer.body);
  CountAnswer(answer.status);
  Expire(stream_, host_->options().write_timeout);
  http::async_write(stream_, response_, [self = shared_from_this(), keep](Error error, size_t) {
    if (self->state_ == State::kClosed) return;
    if (error) return self->Fail(error);
    self->Written(keep);
  });
}

// Once for every request that was counted as begun.
void Session::CountAnswer(int status) {
  if (call_.path.empty()) return;
  host_->Answered(call_, status, Clock::now() - request_began_);
  call_.path.clear();
}

void Session::Written(bool keep) {
  response_ = {};
  if (!keep || host_->stopping()) return Close();
  AwaitRequest(false);
}

// -- the live tail --

void Session::StartTail(Answer answer) {
  CountAnswer(answer.status);
  state_ = State::kTail;
  tail_ = std::move(answer.tail);
  tail_began_ = tail_last_write_ = Clock::now();
  // An event stream has no length; it ends with the connection.
  tail_text_ =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\nConnection: close\r\n\r\nretry: 3000\n\n";
  stream_.expires_never();
  AwaitPeerEnd();
  WriteTail();
  AwaitTailTick();
}

void Session::AwaitPeerEnd() {
  buffer_.clear();
  constexpr size_t kAnything = 512;
  stream_.async_read_some(buffer_.prepare(kAnything), [self = shared_from_this()](Error error, size_t) {
    if (self->state_ == State::kClosed) return;
    if (error) return self->Close();
    self->AwaitPeerEnd();
  });
}

void Session::AwaitTailTick() {
  timer_.expires_after(kTailEvery);
  timer_.async_wait([self = shared_from_this()](Error error) {
    if (error || self->state_ != State::kTail) return;
    self->TailTick();
  });
}

void Session::TailTick() {
  const Clock::time_point now = Clock::now();
  if (now - tail_began_ > kLongestTail) return Close();
  // While a slow reader has not taken the last events, the watcher fills up and skips.
  if (!tail_writing_) {
    std::vector<TailLine> lines;
    uint64_t skipped = 0;
    tail_->Drain(lines, skipped);
    for (const TailLine& line : lines) tail_text_ += "event: line\ndata: " + ToJson(line) + "\n\n";
    if (skipped > 0) tail_text_ += "event: skipped\ndata: {\"lines\":" + std::to_string(skipped) + "}\n\n";
    if (tail_text_.empty() && now - tail_last_write_ > kTailHeartbeat) tail_text_ = ":\n\n";
    if (!tail_text_.empty()) WriteTail();
  }
  if (state_ == State::kTail) AwaitTailTick();
}

void Session::WriteTail() {
  tail_writing_ = true;
  tail_last_write_ = Clock::now();
  Expire(stream_, host_->options().write_timeout);
  asio::async_write(stream_, asio::buffer(tail_text_), [self = shared_from_this()](Error error, size_t) {
    if (self->state_ == State::kClosed) return;
    if (error) return self->Close();
    self->tail_writing_ = false;
    self->tail_text_.clear();
  });
}

}  // namespace agent::admin::internal
