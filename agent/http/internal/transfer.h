// SPDX-License-Identifier: Apache-2.0
// One exchange on one libcurl easy handle: from a Request to a Result<Response>.
// Owned by the Client, bound to the polling thread.
#pragma once

#include <curl/curl.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/result.h"
#include "agent/http/client.h"
#include "agent/http/internal/endpoint.h"

namespace agent::http {

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListDeleter>;
struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using Easy = std::unique_ptr<CURL, EasyDeleter>;

class Transfer {
 public:
  Transfer(RequestId id, Request request, Callback callback);

  // Fills the easy handle in. An error here is one of configuration or of files.
  Status Prepare(Easy easy, const std::string& user_agent);
  // The result, once libcurl is done with it; or kCancelled.
  Result<Response> Finish(CURLcode code);
  // Runs the callback; at most once.
  void Answer(Result<Response> result);

  RequestId id() const { return id_; }
  const Request& request() const { return request_; }
  CURL* easy() const { return easy_.get(); }
  Easy ReleaseEasy() { return std::move(easy_); }
  Duration elapsed() const;

 private:
  void SetMethod();
  Status SetUrl();
  Status SetHeaders(const std::string& user_agent);
  Status SetAuthentication(List& headers);
  Status SetTls();
  Status SetProxy();
  Error Describe(CURLcode code) const;
  std::string Host() const;

  static size_t OnBody(char* data, size_t size, size_t count, void* self);
  static size_t OnHeader(char* data, size_t size, size_t count, void* self);

  const RequestId id_;
  Request request_;
  Callback callback_;
  Easy easy_;
  List headers_, proxy_headers_, connect_to_;
  std::vector<std::shared_ptr<const std::string>> kept_;  // what libcurl points into
  Response response_;
  bool ended_by_chunk_ = false;
  std::array<char, CURL_ERROR_SIZE> error_{};
};

}  // namespace agent::http
