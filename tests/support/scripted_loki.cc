// SPDX-License-Identifier: Apache-2.0
#include "tests/support/scripted_loki.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <snappy.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "agent/core/check.h"
#include "push.pb.h"

namespace agent::test {
namespace {

using Wire = ScriptedAnswer::Wire;

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// One connection's bytes, plain or under TLS. Owns neither the descriptor nor SSL_CTX.
class Line {
 public:
  explicit Line(int descriptor) : descriptor_(descriptor) {}
  ~Line() { SSL_free(ssl_); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  bool StartTls(const ServerTls& tls) {
    context_ = std::shared_ptr<SSL_CTX>(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
    BIO* text = BIO_new_mem_buf(tls.certificate.data(), static_cast<int>(tls.certificate.size()));
    X509* cert = PEM_read_bio_X509(text, nullptr, nullptr, nullptr);
    BIO_free(text);
    text = BIO_new_mem_buf(tls.key.data(), static_cast<int>(tls.key.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(text, nullptr, nullptr, nullptr);
    BIO_free(text);
    CHECK(cert != nullptr && key != nullptr, "the server's certificate is no PEM text");
    SSL_CTX_use_certificate(context_.get(), cert);
    SSL_CTX_use_PrivateKey(context_.get(), key);
    X509_free(cert);
    EVP_PKEY_free(key);
    if (!tls.client_ca.empty()) {
      text = BIO_new_mem_buf(tls.client_ca.data(), static_cast<int>(tls.client_ca.size()));
      X509* ca = PEM_read_bio_X509(text, nullptr, nullptr, nullptr);
      BIO_free(text);
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), ca);
      X509_free(ca);
      SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    ssl_ = SSL_new(context_.get());
    SSL_set_fd(ssl_, descriptor_);
    const bool good = SSL_accept(ssl_) == 1;
    ERR_clear_error();
    return good;
  }

  // Reads more into `buffer`; false at the end.
  bool Read(std::string& buffer) {
    char bytes[65536];
    const auto got = ssl_ != nullptr ? SSL_read(ssl_, bytes, sizeof bytes) : recv(descriptor_, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    buffer.append(bytes, static_cast<size_t>(got));
    return true;
  }
  bool Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ssl_ != nullptr ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                                        : send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  void Reset() {
    const linger hard{1, 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  bool tls() const { return ssl_ != nullptr; }
  std::string ServerName() const {
    const char* name = ssl_ == nullptr ? nullptr : SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
    return name == nullptr ? "" : name;
  }
  std::string ClientName() const {
    X509* cert = ssl_ == nullptr ? nullptr : SSL_get1_peer_certificate(ssl_);
    if (cert == nullptr) return {};
    char name[256] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof name);
    X509_free(cert);
    return name;
  }

 private:
  const int descriptor_;
  std::shared_ptr<SSL_CTX> context_;
  SSL* ssl_ = nullptr;
};

bool ParseHead(const std::string& head, ReceivedRequest& request) {
  size_t line_end = head.find("\r\n");
  const std::string first = head.substr(0, line_end);
  const size_t one = first.find(' ');
  const size_t two = first.rfind(' ');
  if (one == std::string::npos || two <= one) return false;
  request.method = first.substr(0, one);
  request.target = first.substr(one + 1, two - one - 1);
  while (line_end + 2 < head.size()) {
    const size_t start = line_end + 2;
    line_end = head.find("\r\n", start);
    if (line_end == std::string::npos) line_end = head.size();
    const std::string line = head.substr(start, line_end - start);
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const size_t value = line.find_first_not_of(" \t", colon + 1);
    std::string& to = request.headers[Lower(line.substr(0, colon))];
    if (!to.empty()) to += ", ";
    to += value == std::string::npos ? "" : line.substr(value);
  }
  return true;
}

void DecodePush(ReceivedRequest& request) {
  std::string raw;
  if (!snappy::Uncompress(request.body.data(), request.body.size(), &raw)) {
    request.decode_error = "the body is not snappy";
    return;
  }
  sluice::push::PushRequest push;
  if (!push.ParseFromString(raw)) {
    request.decode_error = "the body is not a PushRequest";
    return;
  }
  for (const auto& stream : push.streams()) {
    PushedStream& to = request.streams.emplace_back();
    to.labels = stream.labels();
    for (const auto& entry : stream.entries()) {
      PushedEntry& one = to.entries.emplace_back();
      one.time = entry.timestamp().seconds() * 1'000'000'000 + entry.timestamp().nanos();
      one.line = entry.line();
      for (const auto& pair : entry.structured_metadata()) one.metadata.emplace_back(pair.name(), pair.value());
    }
  }
}

}  // namespace

struct ScriptedLoki::Impl {
  explicit Impl(Options o) : options(std::move(o)) {}

  void Accept();
  void Serve(int descriptor, size_t number);
  bool ServeOne(Line& line, std::string& buffer, size_t number);
  bool ReadRequest(Line& line, std::string& buffer, ReceivedRequest& request);
  bool Answer(Line& line, const ReceivedRequest& request, const ScriptedAnswer& answer);
  ScriptedAnswer Decide(const ReceivedRequest& request);
  void Hold();

  const Options options;
  int listener = -1;
  int port = 0;
  std::thread acceptor;

  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  bool stopping = false;
  uint64_t released = 0;
  std::shared_ptr<ServerTls> tls;
  std::deque<ScriptedAnswer> script;
  std::function<ScriptedAnswer(const ReceivedRequest&)> handler;
  std::vector<ReceivedRequest> requests;
  std::map<std::string, std::vector<PushedEntry>> stored;
  std::vector<std::thread> servers;
  std::set<int> open;
  size_t accepted = 0;
};

void ScriptedLoki::Impl::Accept() {
  for (;;) {
    const int descriptor = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex);
    if (stopping || descriptor < 0) {
      if (descriptor >= 0) close(descriptor);
      return;
    }
    open.insert(descriptor);
    const size_t number = ++accepted;
    servers.emplace_back([this, descriptor, number] { Serve(descriptor, number); });
  }
}

void ScriptedLoki::Impl::Serve(int descriptor, size_t number) {
  std::shared_ptr<ServerTls> own;
  {
    const std::lock_guard lock(mutex);
    own = tls;
  }
  {
    Line line(descriptor);
    std::string buffer;
    if (options.proxy || own == nullptr || line.StartTls(*own)) {
      while (ServeOne(line, buffer, number)) {
      }
    }
  }
  const std::lock_guard lock(mutex);
  open.erase(descriptor);
  close(descriptor);
}

bool ScriptedLoki::Impl::ReadRequest(Line& line, std::string& buffer, ReceivedRequest& request) {
  size_t end;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!line.Read(buffer)) return false;
  }
  if (!ParseHead(buffer.substr(0, end), request)) return false;
  buffer.erase(0, end + 4);
  const std::string& length = request.Header("content-length");
  const size_t size = length.empty() ? 0 : std::stoul(length);
  {
    const std::lock_guard lock(mutex);
    if (!script.empty() && script.front().wire == Wire::kEarly) return true;
  }
  while (buffer.size() < size) {
    if (!line.Read(buffer)) return false;
  }
  request.body = buffer.substr(0, size);
  buffer.erase(0, size);
  return true;
}

ScriptedAnswer ScriptedLoki::Impl::Decide(const ReceivedRequest& request) {
  const std::lock_guard lock(mutex);
  ScriptedAnswer answer;
  if (!script.empty()) {
    answer = script.front();
    script.pop_front();
  } else if (handler) {
    answer = handler(request);
  }
  if (answer.store) {
    for (const PushedStream& stream : request.streams) {
      const auto& only = answer.store_only;
      if (!only.empty() && std::find(only.begin(), only.end(), stream.labels) == only.end()) continue;
      auto& to = stored[stream.labels];
      to.insert(to.end(), stream.entries.begin(), stream.entries.end());
    }
  }
  requests.push_back(request);
  changed.notify_all();
  return answer;
}

void ScriptedLoki::Impl::Hold() {
  std::unique_lock lock(mutex);
  const uint64_t mine = released;
  changed.wait(lock, [&] { return stopping || released > mine; });
}

bool ScriptedLoki::Impl::Answer(Line& line, const ReceivedRequest& request, const ScriptedAnswer& answer) {
  if (answer.wire == Wire::kNoAnswer) return false;
  if (answer.wire == Wire::kReset) {
    line.Reset();
    return false;
  }
  std::string head = "HTTP/1.1 " + std::to_string(answer.status) + " Scripted\r\n";
  if (answer.wire == Wire::kSlowHeader) {
    if (!line.Write(head.substr(0, 10))) return false;
    head.erase(0, 10);
  }
  if (answer.wire == Wire::kHold || answer.wire == Wire::kSlowHeader) Hold();
  for (const auto& [name, value] : answer.headers) head += name + ": " + value + "\r\n";
  if (answer.wire == Wire::kEndless) {
    if (!line.Write(head + "Transfer-Encoding: chunked\r\n\r\n")) return false;
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", answer.body.size());
    while (line.Write(size + answer.body + "\r\n")) {
    }
    return false;
  }
  if (answer.status != 204) head += "Content-Length: " + std::to_string(answer.body.size()) + "\r\n";
  if (answer.wire == Wire::kEarly) head += "Connection: close\r\n";
  std::string body = answer.status == 204 || request.method == "HEAD" ? "" : answer.body;
  if (answer.wire == Wire::kMidBody) body.resize(body.size() / 2);
  return line.Write(head + "\r\n" + body) && answer.wire != Wire::kMidBody && answer.wire != Wire::kEarly;
}

bool ScriptedLoki::Impl::ServeOne(Line& line, std::string& buffer, size_t number) {
  ReceivedRequest request;
  if (!ReadRequest(line, buffer, request)) return false;
  request.connection = number;
  request.client_name = line.ClientName();
  request.server_name = line.ServerName();
  if (options.proxy && request.method == "CONNECT") {
    std::shared_ptr<ServerTls> own;
    {
      const std::lock_guard lock(mutex);
      requests.push_back(request);
      own = tls;
    }
    return line.Write("HTTP/1.1 200 Connected\r\n\r\n") && (own == nullptr || line.StartTls(*own));
  }
  if (request.method == "POST") DecodePush(request);
  return Answer(line, request, Decide(request));
}

const std::string& ReceivedRequest::Header(const std::string& name) const {
  static const std::string kNone;
  const auto found = headers.find(name);
  return found == headers.end() ? kNone : found->second;
}

std::vector<std::string> ReceivedRequest::Lines() const {
  std::vector<std::string> lines;
  for (const PushedStream& stream : streams) {
    for (const PushedEntry& entry : stream.entries) lines.push_back(entry.line);
  }
  return lines;
}

ScriptedLoki::ScriptedLoki(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  impl_->tls = impl_->options.tls;
  impl_->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(impl_->listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "no port on loopback");
  socklen_t size = sizeof address;
  getsockname(impl_->listener, reinterpret_cast<sockaddr*>(&address), &size);
  impl_->port = ntohs(address.sin_port);
  if (impl_->options.listening) Listen();
}

void ScriptedLoki::Listen() {
  CHECK(listen(impl_->listener, 64) == 0, "cannot listen on loopback");
  impl_->acceptor = std::thread([this] { impl_->Accept(); });
}

ScriptedLoki::~ScriptedLoki() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    impl_->changed.notify_all();
    for (const int descriptor : impl_->open) shutdown(descriptor, SHUT_RDWR);
  }
  shutdown(impl_->listener, SHUT_RDWR);
  if (impl_->acceptor.joinable()) impl_->acceptor.join();
  for (std::thread& server : impl_->servers) server.join();
  close(impl_->listener);
}

int ScriptedLoki::port() const { return impl_->port; }

std::string ScriptedLoki::Url(const std::string& path, const std::string& host) const {
  const char* scheme = impl_->options.tls != nullptr && !impl_->options.proxy ? "https://" : "http://";
  return scheme + host + ":" + std::to_string(impl_->port) + path;
}

std::string ScriptedLoki::PushUrl() const { return Url("/loki/api/v1/push"); }

void ScriptedLoki::Script(std::vector<ScriptedAnswer> answers) {
  const std::lock_guard lock(impl_->mutex);
  impl_->script.insert(impl_->script.end(), answers.begin(), answers.end());
}

void ScriptedLoki::SetHandler(std::function<ScriptedAnswer(const ReceivedRequest&)> handler) {
  const std::lock_guard lock(impl_->mutex);
  impl_->handler = std::move(handler);
}

void ScriptedLoki::SetTls(std::shared_ptr<ServerTls> tls) {
  const std::lock_guard lock(impl_->mutex);
  impl_->tls = std::move(tls);
}

void ScriptedLoki::Release() {
  const std::lock_guard lock(impl_->mutex);
  ++impl_->released;
  impl_->changed.notify_all();
}

void ScriptedLoki::CloseConnections() {
  const std::lock_guard lock(impl_->mutex);
  for (const int descriptor : impl_->open) shutdown(descriptor, SHUT_RDWR);
}

std::vector<ReceivedRequest> ScriptedLoki::requests() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->requests;
}

size_t ScriptedLoki::connections() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->accepted;
}

bool ScriptedLoki::WaitForRequests(size_t count) const {
  std::unique_lock lock(impl_->mutex);
  return impl_->changed.wait_for(lock, std::chrono::seconds(20), [&] { return impl_->requests.size() >= count; });
}

std::map<std::string, std::vector<PushedEntry>> ScriptedLoki::stored() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->stored;
}

std::vector<std::string> ScriptedLoki::StoredLines(const std::string& labels) const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<std::string> lines;
  const auto found = impl_->stored.find(labels);
  if (found == impl_->stored.end()) return lines;
  for (const PushedEntry& entry : found->second) lines.push_back(entry.line);
  return lines;
}

std::string EncodePush(const std::vector<PushedStream>& streams) {
  sluice::push::PushRequest push;
  for (const PushedStream& stream : streams) {
    auto& to = *push.add_streams();
    to.set_labels(stream.labels);
    for (const PushedEntry& entry : stream.entries) {
      auto& one = *to.add_entries();
      one.mutable_timestamp()->set_seconds(entry.time / 1'000'000'000);
      one.mutable_timestamp()->set_nanos(static_cast<int>(entry.time % 1'000'000'000));
      one.set_line(entry.line);
      for (const auto& [name, value] : entry.metadata) {
        auto& pair = *one.add_structured_metadata();
        pair.set_name(name);
        pair.set_value(value);
      }
    }
  }
  const std::string raw = push.SerializeAsString();
  std::string body;
  snappy::Compress(raw.data(), raw.size(), &body);
  return body;
}

}  // namespace agent::test
