// SPDX-License-Identifier: Apache-2.0
// A client and a server, and one request at a time between them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "agent/http/client.h"
#include "tests/support/scripted_loki.h"

namespace agent::http {

// A folder that is gone at the end of the test.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice-http-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  // Writes by rename, as a mounted secret changes; returns the path.
  std::string Write(const std::string& name, const std::string& text) {
    const std::filesystem::path to = path_ / name;
    std::ofstream(to.string() + ".new") << text;
    std::filesystem::rename(to.string() + ".new", to);
    return to.string();
  }
  std::string Path(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline Result<Response> Exchange(Client& client, Request request) {
  std::optional<Result<Response>> answer;
  client.Submit(std::move(request), [&](Result<Response> result) { answer = std::move(result); });
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!answer && std::chrono::steady_clock::now() < give_up) client.Poll(std::chrono::seconds(1));
  if (!answer) return Fail(Code::kInternal, "the test's request had no answer within 30 s");
  return std::move(*answer);
}

inline Request Get(std::string url, std::shared_ptr<Endpoint> endpoint = nullptr) {
  Request request;
  request.url = std::move(url);
  request.endpoint = std::move(endpoint);
  request.timeout = std::chrono::seconds(20);
  return request;
}

inline Request Post(std::string url, std::string_view body, std::shared_ptr<Endpoint> endpoint = nullptr) {
  Request request = Get(std::move(url), std::move(endpoint));
  request.method = "POST";
  request.body = body;
  return request;
}

}  // namespace agent::http
