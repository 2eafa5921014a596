// SPDX-License-Identifier: Apache-2.0
// The HTTP client: requests in, responses or Errors out, many at once over kept-alive
// HTTP/1.1 connections. One libcurl multi handle; the only door to libcurl.
// Used by push/, kube/ and the command line; app/ runs Poll on the net thread.
//
// Ownership: the Client owns requests from Submit until their callback returns; a
// request's `body` is borrowed (never copied) for the same time. Callbacks must not
// outlive what they capture: Cancel them, or destroy the Client first.
// Threads: Submit, Cancel and Wakeup are thread-safe. Poll and the destructor belong to
// one thread (the poller); every callback and on_chunk runs there, inside Poll.
// Callbacks may call Submit and Cancel.
// Cost: idle costs nothing. Limits: 10 s to connect including TLS; response bodies are
// cut at max_response_bytes (the rest is read and thrown away).
// Failure: an HTTP status is never an Error, whatever it says. An Error is kRetry
// (name, connection, timeout, broken answer), kConfig (a URL, file or certificate of
// ours is wrong), kCancelled, or kPermission/kIo for unreadable files.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/result.h"
#include "agent/core/time.h"
#include "agent/http/options.h"

namespace agent::http {

// One set of options with what is cached for it: file contents by their stat, the
// OAuth2 token. Shared by any number of requests. Made on any thread, used by the poller.
class Endpoint;
std::shared_ptr<Endpoint> MakeEndpoint(ClientOptions options);

struct Header {
  std::string name;
  std::string value;
};

struct Response {
  int status = 0;
  std::vector<Header> headers;  // of the last response, in order
  std::string body;             // empty with on_chunk
  bool cut = false;             // the body was longer than max_response_bytes
  Duration elapsed{};
  // The first header of that name (any case), or null.
  const std::string* Find(std::string_view name) const;
};

using RequestId = uint64_t;  // never 0
using Callback = std::move_only_function<void(Result<Response>)>;

struct Request {
  std::string method = "GET";
  std::string url;
  std::vector<Header> headers;        // one per name; these win over the Endpoint's
  std::string_view body;              // borrowed until the callback has been called
  std::shared_ptr<Endpoint> endpoint; // null: no TLS options, no authentication
  Duration timeout{};                 // for the whole exchange; 0 = none
  Duration idle_timeout{};            // without a byte in either direction; 0 = none
  size_t max_response_bytes = 64 * 1024;
  // Streaming: called with each piece of a 2xx body as it comes; false ends the
  // exchange (the callback gets kCancelled). Other bodies are collected as usual.
  std::function<bool(std::string_view)> on_chunk;
};

class Client {
 public:
  explicit Client(std::string user_agent = "sluice");
  // Cancels what is left: those callbacks run with kCancelled.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  RequestId Submit(Request request, Callback callback);
  // The callback comes with kCancelled at the next Poll, unless it has been called.
  void Cancel(RequestId id);

  // Waits for at most `timeout` (0: not at all) for something to happen, moves all
  // transfers on and runs callbacks. True if a callback was run.
  bool Poll(Duration timeout);
  // Makes a Poll that is waiting, or the next one, return at once.
  void Wakeup();

  size_t pending() const;  // submitted, callback not yet run

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One request, waited for; for the command line. Blocks the calling thread.
Result<Response> Fetch(Request request, std::string user_agent = "sluice");

}  // namespace agent::http
