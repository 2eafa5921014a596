// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/internal/http_get.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace agent::cli {
namespace {

constexpr size_t kMostHead = 64 * 1024;
constexpr std::string_view kDefaultPort = "9080";

class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

Result<int> Connect(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &found);
  if (code != 0) return Fail(Code::kNotFound, "the host " + endpoint.host + " is not known: " + gai_strerror(code));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all(found, &freeaddrinfo);
  int error = 0;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    const int descriptor = ::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
    if (descriptor < 0) continue;
    if (::connect(descriptor, one->ai_addr, one->ai_addrlen) == 0) return descriptor;
    error = errno;
    ::close(descriptor);
  }
  return Fail(Code::kIo, "no agent answers at " + endpoint.host + ":" + endpoint.port + ": " + std::strerror(error) +
                             "; say where it is with --addr=HOST:PORT (its log has a line \"serving\")");
}

Status SendAll(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(descriptor, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return Fail(Code::kIo, std::string("sending the request failed: ") + std::strerror(errno));
    text.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

// Takes a body apart that comes in chunks (RFC 9112, 7.1). Feed returns false at the end.
class Chunks {
 public:
  explicit Chunks(const BodySink& sink) : sink_(sink) {}

  bool Feed(std::string_view bytes) {
    while (!bytes.empty() && !done_) {
      if (left_ > 0) {
        const size_t now = std::min(left_, bytes.size());
        Hand(bytes.substr(0, now));
        left_ -= now;
        bytes.remove_prefix(now);
        continue;
      }
      line_ += bytes.front();
      bytes.remove_prefix(1);
      if (!line_.ends_with("\n")) continue;
      size_t size = 0;
      std::from_chars(line_.data(), line_.data() + line_.size(), size, 16);
      done_ = size == 0 && line_ != "\r\n";
      if (!done_ && size > 0) left_ = size + 2;  // its own line end
      payload_ = size;
      line_.clear();
    }
    return !done_ && !refused_;
  }

 private:
  // Of a chunk and its line end, only the chunk.
  void Hand(std::string_view piece) {
    const size_t wanted = std::min(piece.size(), payload_);
    payload_ -= wanted;
    if (wanted > 0 && !refused_) refused_ = !sink_(piece.substr(0, wanted));
  }

  const BodySink& sink_;
  std::string line_;
  size_t left_ = 0;     // of this chunk, with its line end
  size_t payload_ = 0;  // of this chunk
  bool done_ = false;
  bool refused_ = false;
};

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// The value of a header in a head whose names are in lower case.
std::string Header(const std::string& head, const std::string& name) {
  const size_t at = head.find("\r\n" + name + ":");
  if (at == std::string::npos) return {};
  const size_t start = at + name.size() + 3;
  std::string value = head.substr(start, head.find("\r\n", start) - start);
  value.erase(0, value.find_first_not_of(' '));
  return value;
}

}  // namespace

Result<Endpoint> ParseEndpoint(std::string_view text) {
  const std::string whole(text);
  if (text.starts_with("https://")) {
    return Fail(Code::kConfig, "\"" + whole + "\": the agent's HTTP server speaks plain HTTP; use http://");
  }
  if (text.starts_with("http://")) text.remove_prefix(7);
  Endpoint out;
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    out.prefix = text.substr(slash);
    while (out.prefix.ends_with('/')) out.prefix.pop_back();
    text = text.substr(0, slash);
  }
  const size_t bracket = text.starts_with('[') ? text.find(']') : std::string_view::npos;
  const size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  out.host = bracket == std::string_view::npos ? text.substr(0, colon) : text.substr(1, bracket - 1);
  out.port = colon == std::string_view::npos ? kDefaultPort : text.substr(colon + 1);
  if (out.host.empty()) out.host = "127.0.0.1";
  const bool digits = !out.port.empty() && std::ranges::all_of(out.port, [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) return Fail(Code::kConfig, "\"" + whole + "\" is no address; write HOST:PORT, e.g. 127.0.0.1:9080");
  return out;
}

Result<HttpAnswer> HttpGet(const Endpoint& endpoint, const std::string& path_and_query, const BodySink& sink) {
  auto connected = Connect(endpoint);
  if (!connected) return Forward(connected);
  const Socket socket(*connected);
  const std::string host = endpoint.host.find(':') == std::string::npos ? endpoint.host : "[" + endpoint.host + "]";
  const std::string request = "GET " + endpoint.prefix + path_and_query + " HTTP/1.1\r\nHost: " + host + ":" + endpoint.port +
                              "\r\nUser-Agent: agent\r\nConnection: close\r\n\r\n";
  if (Status sent = SendAll(socket.get(), request); !sent) return Forward(sent);

  HttpAnswer answer;
  const BodySink collect = [&answer](std::string_view piece) {
    answer.body += piece;
    return true;
  };
  const BodySink* out = &collect;
  std::string head;
  std::unique_ptr<Chunks> chunks;
  bool in_body = false;
  char buffer[16 * 1024];
  while (true) {
    const ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(Code::kIo, std::string("reading the answer failed: ") + std::strerror(errno));
    if (got == 0) break;
    std::string_view bytes(buffer, static_cast<size_t>(got));
    if (!in_body) {
      head += bytes;
      const size_t end = head.find("\r\n\r\n");
      if (end == std::string::npos) {
        if (head.size() > kMostHead) return Fail(Code::kCorrupt, "the answer's head is too long; is this an agent?");
        continue;
      }
      in_body = true;
      const std::string rest = head.substr(end + 4);
      head = Lower(head.substr(0, end + 2));
      if (!head.starts_with("http/1.") || head.size() < 12) return Fail(Code::kCorrupt, "this is no HTTP server");
      std::from_chars(head.data() + 9, head.data() + 12, answer.status);
      if (sink && answer.status == 200) out = &sink;
      if (Header(head, "transfer-encoding").find("chunked") != std::string::npos) chunks = std::make_unique<Chunks>(*out);
      if (!rest.empty() && !(chunks != nullptr ? chunks->Feed(rest) : (*out)(rest))) break;
      continue;
    }
    if (!(chunks != nullptr ? chunks->Feed(bytes) : (*out)(bytes))) break;
  }
  if (!in_body) return Fail(Code::kIo, "the connection was closed without an answer");
  return answer;
}

std::string UrlEscape(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || (c != 0 && std::strchr("-_.~", c) != nullptr)) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace agent::cli
