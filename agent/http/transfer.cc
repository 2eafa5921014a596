// SPDX-License-Identifier: Apache-2.0
#include "agent/http/internal/transfer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "agent/core/check.h"
#include "agent/http/internal/proxy_rules.h"
#include "agent/http/internal/url.h"

namespace agent::http {
namespace {

constexpr long kConnectTimeoutMs = 10'000;  // Promtail's, TLS handshake included
constexpr long kKeepIdleSeconds = 290;      // below the 5 min that servers like to keep
// A body is handed to the kernel in pieces of this size.
constexpr long kUploadBuffer = 256 * 1024;

template <class Value>
void Set(CURL* easy, CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(easy, option, value);
  CHECK(code == CURLE_OK, "libcurl does not know an option of ours");
}

void Append(List& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  CHECK(longer != nullptr, "out of memory");
  (void)list.release();
  list.reset(longer);
}

// A header with an empty value is written `Name;` for libcurl.
void AppendHeader(List& list, const std::string& name, const std::string& value) {
  Append(list, value.empty() ? name + ";" : name + ": " + value);
}

bool HasLineBreak(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos; }

long Lowest(TlsVersion version) {
  switch (version) {
    case TlsVersion::k10: return CURL_SSLVERSION_TLSv1_0;
    case TlsVersion::k11: return CURL_SSLVERSION_TLSv1_1;
    case TlsVersion::k13: return CURL_SSLVERSION_TLSv1_3;
    case TlsVersion::k12:
    case TlsVersion::kDefault: break;
  }
  return CURL_SSLVERSION_TLSv1_2;
}

long Highest(TlsVersion version) {
  switch (version) {
    case TlsVersion::k10: return CURL_SSLVERSION_MAX_TLSv1_0;
    case TlsVersion::k11: return CURL_SSLVERSION_MAX_TLSv1_1;
    case TlsVersion::k12: return CURL_SSLVERSION_MAX_TLSv1_2;
    case TlsVersion::k13: return CURL_SSLVERSION_MAX_TLSv1_3;
    case TlsVersion::kDefault: break;
  }
  return CURL_SSLVERSION_MAX_DEFAULT;
}

std::string FromProcess(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return value == nullptr ? "" : value;
}

}  // namespace

const std::string* Response::Find(std::string_view name) const {
  for (const Header& header : headers) {
    if (LowerCase(header.name) == LowerCase(name)) return &header.value;
  }
  return nullptr;
}

Transfer::Transfer(RequestId id, Request request, Callback callback)
    : id_(id), request_(std::move(request)), callback_(std::move(callback)) {}

Status Transfer::Prepare(Easy easy, const std::string& user_agent) {
  easy_ = std::move(easy);
  CURL* curl = easy_.get();
  Set(curl, CURLOPT_PRIVATE, this);
  Set(curl, CURLOPT_ERRORBUFFER, error_.data());
  Set(curl, CURLOPT_NOSIGNAL, 1L);
  Set(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  Set(curl, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  Set(curl, CURLOPT_MAXAGE_CONN, kKeepIdleSeconds);
  Set(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  Set(curl, CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
  Set(curl, CURLOPT_WRITEDATA, this);
  Set(curl, CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
  Set(curl, CURLOPT_HEADERDATA, this);
  const auto ms = [](Duration d) { return static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(d).count()); };
  if (request_.timeout > Duration::zero()) Set(curl, CURLOPT_TIMEOUT_MS, ms(request_.timeout));
  if (request_.idle_timeout > Duration::zero()) {
    Set(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    Set(curl, CURLOPT_LOW_SPEED_TIME, std::max(1L, ms(request_.idle_timeout) / 1000));
  }
  SetMethod();
  if (Status status = SetUrl(); !status) return status;
  if (Status status = SetHeaders(user_agent); !status) return status;
  if (Status status = SetTls(); !status) return status;
  return SetProxy();
}

void Transfer::SetMethod() {
  CURL* curl = easy_.get();
  if (request_.method == "GET" && request_.body.empty()) {
    Set(curl, CURLOPT_HTTPGET, 1L);
    return;
  }
  if (request_.method == "HEAD") {
    Set(curl, CURLOPT_NOBODY, 1L);
    return;
  }
  Set(curl, CURLOPT_POST, 1L);
  Set(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
  Set(curl, CURLOPT_POSTFIELDS, request_.body.empty() ? "" : request_.body.data());
  if (request_.body.size() > CURL_MAX_WRITE_SIZE) Set(curl, CURLOPT_UPLOAD_BUFFERSIZE, kUploadBuffer);
  if (request_.method != "POST") Set(curl, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
}

Status Transfer::SetUrl() {
  if (Status status = CheckUrl(request_.url); !status) return status;
  CURL* curl = easy_.get();
  const bool follow = request_.endpoint == nullptr || request_.endpoint->options.follow_redirects;
  Set(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  Set(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  Set(curl, CURLOPT_FOLLOWLOCATION, follow ? 1L : 0L);
  Set(curl, CURLOPT_MAXREDIRS, 10L);
  Set(curl, CURLOPT_POSTREDIR, static_cast<long>(CURL_REDIR_POST_ALL));
  const UrlParts parts = *SplitUrl(request_.url);
  const std::string* name = request_.endpoint == nullptr ? nullptr : &request_.endpoint->options.tls.server_name;
  if (name == nullptr || name->empty() || LowerCase(parts.scheme) != "https") {
    Set(curl, CURLOPT_URL, request_.url.c_str());
    return {};
  }
  // libcurl sends and verifies the host of the URL, so the wanted name goes there, and
  // the connection is led to the real host. The Host header stays that of the URL.
  const std::string port(parts.port.empty() ? "443" : parts.port);
  const bool brackets = parts.host.find(':') != std::string_view::npos;
  const std::string host = brackets ? "[" + std::string(parts.host) + "]" : std::string(parts.host);
  std::string url = "https://";
  if (!parts.user.empty()) url.append(parts.user).append("@");
  url.append(*name).append(":").append(port).append(parts.rest);
  Append(connect_to_, *name + ":" + port + ":" + host + ":" + port);
  Set(curl, CURLOPT_URL, url.c_str());
  Set(curl, CURLOPT_CONNECT_TO, connect_to_.get());
  Append(headers_, "Host: " + std::string(parts.host_port));
  return {};
}

Status Transfer::SetHeaders(const std::string& user_agent) {
  CURL* curl = easy_.get();
  Set(curl, CURLOPT_USERAGENT, user_agent.c_str());
  Append(headers_, "Expect:");  // no waiting for 100-continue
  const auto given = [this](const std::string& name) {
    return std::any_of(request_.headers.begin(), request_.headers.end(),
                       [&](const Header& h) { return LowerCase(h.name) == LowerCase(name); });
  };
  if (!given("Accept")) Append(headers_, "Accept:");  // libcurl's own says nothing
  if (request_.endpoint != nullptr) {
    Endpoint& endpoint = *request_.endpoint;
    if (Status status = SetAuthentication(headers_); !status) return status;
    for (const HeaderValues& header : endpoint.options.headers) {
      if (given(header.name)) continue;
      for (const std::string& value : header.values) AppendHeader(headers_, header.name, value);
      for (const std::string& value : header.secrets) AppendHeader(headers_, header.name, value);
      for (const std::string& file : header.files) {
        Result<std::string> value = endpoint.files.ReadSecret(file);
        if (!value) return Forward(value);
        if (HasLineBreak(*value)) return Fail(Code::kConfig, file + " holds a line break and cannot be a header");
        AppendHeader(headers_, header.name, *value);
      }
    }
  }
  for (const Header& header : request_.headers) {
    if (HasLineBreak(header.name) || HasLineBreak(header.value)) {
      return Fail(Code::kConfig, "the value of the header " + header.name + " holds a line break");
    }
    AppendHeader(headers_, header.name, header.value);
  }
  Set(curl, CURLOPT_HTTPHEADER, headers_.get());
  return {};
}

Status Transfer::SetAuthentication(List& headers) {
  Endpoint& endpoint = *request_.endpoint;
  const ClientOptions& options = endpoint.options;
  CURL* curl = easy_.get();
  if (options.basic_auth.set()) {
    const BasicAuth& basic = options.basic_auth;
    Result<std::string> user = SecretOrFile(endpoint.files, basic.username, basic.username_file);
    if (!user) return Forward(user);
    Result<std::string> password = SecretOrFile(endpoint.files, basic.password, basic.password_file);
    if (!password) return Forward(password);
    Set(curl, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    Set(curl, CURLOPT_USERNAME, user->c_str());
    Set(curl, CURLOPT_PASSWORD, password->c_str());
  } else if (options.authorization.set()) {
    const Authorization& own = options.authorization;
    Result<std::string> credentials = SecretOrFile(endpoint.files, own.credentials, own.credentials_file);
    if (!credentials) return Forward(credentials);
    if (HasLineBreak(*credentials)) return Fail(Code::kConfig, "the credentials hold a line break");
    Append(headers, "Authorization: " + own.type + " " + *credentials);
  } else if (options.oauth2.set()) {
    Append(headers, "Authorization: " + endpoint.token.type + " " + endpoint.token.value);
  }
  return {};
}

Status Transfer::SetTls() {
  CURL* curl = easy_.get();
  static const TlsOptions kNone;
  const TlsOptions& tls = request_.endpoint == nullptr ? kNone : request_.endpoint->options.tls;
  Set(curl, CURLOPT_SSLVERSION, Lowest(tls.min_version) | Highest(tls.max_version));
  if (request_.endpoint == nullptr) return {};
  if (tls.insecure_skip_verify) {
    Set(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    Set(curl, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  // As blobs, because libcurl reuses a connection by the name of a certificate file,
  // but by the contents of a blob.
  const auto blob = [&](CURLoption option, const std::string& text, const std::string& file) -> Status {
    auto contents = TextOrFile(request_.endpoint->files, text, file);
    if (!contents) return Forward(contents);
    if (*contents == nullptr) return {};
    kept_.push_back(*contents);
    curl_blob value{const_cast<char*>((*contents)->data()), (*contents)->size(), CURL_BLOB_NOCOPY};
    Set(curl, option, &value);
    return {};
  };
  if (!tls.ca.empty() || !tls.ca_file.empty()) {
    // Instead of the system's authorities, not beside them.
    Set<const char*>(curl, CURLOPT_CAINFO, nullptr);
    Set<const char*>(curl, CURLOPT_CAPATH, nullptr);
    if (Status status = blob(CURLOPT_CAINFO_BLOB, tls.ca, tls.ca_file); !status) return status;
  }
  if (Status status = blob(CURLOPT_SSLCERT_BLOB, tls.cert, tls.cert_file); !status) return status;
  return blob(CURLOPT_SSLKEY_BLOB, tls.key, tls.key_file);
}

Status Transfer::SetProxy() {
  CURL* curl = easy_.get();
  static const ProxyOptions kNone;
  const ProxyOptions& proxy = request_.endpoint == nullptr ? kNone : request_.endpoint->options.proxy;
  // Set even when empty: else libcurl would ask the environment by its own rules.
  const std::string url = ProxyFor(proxy, request_.url, FromProcess);
  Set(curl, CURLOPT_PROXY, url.c_str());
  Set(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  Set(curl, CURLOPT_NOPROXY, "");
  if (url.empty() || proxy.connect_headers.empty()) return {};
  for (const HeaderValues& header : proxy.connect_headers) {
    for (const std::string& value : header.values) AppendHeader(proxy_headers_, header.name, value);
    for (const std::string& value : header.secrets) AppendHeader(proxy_headers_, header.name, value);
  }
  Set(curl, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  Set(curl, CURLOPT_PROXYHEADER, proxy_headers_.get());
  return {};
}

size_t Transfer::OnBody(char* data, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const size_t bytes = size * count;
  if (transfer.request_.on_chunk && transfer.response_.status / 100 == 2) {
    if (transfer.request_.on_chunk({data, bytes})) return bytes;
    transfer.ended_by_chunk_ = true;
    return 0;
  }
  std::string& body = transfer.response_.body;
  const size_t room = transfer.request_.max_response_bytes - std::min(body.size(), transfer.request_.max_response_bytes);
  body.append(data, std::min(room, bytes));
  if (bytes > room) transfer.response_.cut = true;
  return bytes;
}

size_t Transfer::OnHeader(char* data, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const size_t bytes = size * count;
  std::string_view line(data, bytes);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {  // another answer: after a redirect, a proxy, 100-continue
    transfer.response_.headers.clear();
    const size_t space = line.find(' ');
    transfer.response_.status =
        space == std::string_view::npos ? 0 : std::atoi(std::string(line.substr(space + 1, 3)).c_str());
    return bytes;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || transfer.response_.headers.size() >= 100) return bytes;
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  transfer.response_.headers.push_back({std::string(line.substr(0, colon)), std::string(value)});
  return bytes;
}

Duration Transfer::elapsed() const {
  curl_off_t micros = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_TOTAL_TIME_T, &micros);
  return std::chrono::microseconds(micros);
}

Result<Response> Transfer::Finish(CURLcode code) {
  if (ended_by_chunk_) return Fail(Code::kCancelled, "the reader ended the exchange");
  if (code != CURLE_OK) return std::unexpected<Error>(Describe(code));
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  response_.status = static_cast<int>(status);
  response_.elapsed = elapsed();
  return std::move(response_);
}

void Transfer::Answer(Result<Response> result) {
  if (!callback_) return;
  Callback callback = std::exchange(callback_, nullptr);
  callback(std::move(result));
}

std::string Transfer::Host() const { return HostOf(request_.url); }

Error Transfer::Describe(CURLcode code) const {
  const std::string detail = error_[0] != 0 ? error_.data() : curl_easy_strerror(code);
  const std::string host = Host();
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST: return {Code::kRetry, "cannot find the address of " + host + ": " + detail};
    case CURLE_COULDNT_RESOLVE_PROXY: return {Code::kRetry, "cannot find the address of the proxy for " + host + ": " + detail};
    case CURLE_COULDNT_CONNECT: return {Code::kRetry, "cannot connect to " + host + ": " + detail};
    case CURLE_OPERATION_TIMEDOUT: return {Code::kRetry, "no answer from " + host + " in time: " + detail};
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE: return {Code::kRetry, "the connection to " + host + " broke: " + detail};
    case CURLE_PEER_FAILED_VERIFICATION:
      return {Code::kRetry, "the certificate of " + host + " is not good (see tls_config): " + detail};
    case CURLE_SSL_CONNECT_ERROR: return {Code::kRetry, "no TLS with " + host + ": " + detail};
    case CURLE_SSL_CACERT_BADFILE:
      return {Code::kConfig, "tls_config: the authority's certificate cannot be used: " + detail};
    case CURLE_SSL_CERTPROBLEM:
      return {Code::kConfig, "tls_config: the client certificate or its key cannot be used: " + detail};
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return {Code::kConfig, "\"" + MaskUrl(request_.url) + "\": " + detail};
    case CURLE_TOO_MANY_REDIRECTS: return {Code::kRetry, host + " redirects in a circle: " + detail};
    default: return {Code::kRetry, "the request to " + host + " failed: " + detail};
  }
}

}  // namespace agent::http
