// SPDX-License-Identifier: Apache-2.0
#include "agent/http/internal/endpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <random>
#include <utility>

#include "agent/http/internal/jwt.h"

namespace agent::http {
namespace {

constexpr Duration kTokenTimeout = std::chrono::seconds(30);
constexpr off_t kLargestFile = 4 * 1024 * 1024;  // a bundle of all public CAs is 0.2 MiB

bool Same(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

std::unexpected<Error> CannotRead(const std::string& path, int error) {
  const Code code = error == ENOENT ? Code::kNotFound : error == EACCES ? Code::kPermission : Code::kIo;
  return Fail(code, "cannot read " + path + ": " + std::strerror(error), error);
}

Result<std::string> ReadAll(const std::string& path, off_t size) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return CannotRead(path, errno);
  // A file may grow between stat and read; one byte more shows it.
  std::string text(static_cast<size_t>(size) + 1, '\0');
  size_t filled = 0;
  while (filled < text.size() && filled <= static_cast<size_t>(kLargestFile)) {
    const ssize_t got = read(descriptor, text.data() + filled, text.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error = errno;
      close(descriptor);
      return CannotRead(path, error);
    }
    if (got == 0) break;
    filled += static_cast<size_t>(got);
    if (filled == text.size()) text.resize(text.size() * 2);
  }
  close(descriptor);
  text.resize(filled);
  return text;
}

// A random UUID (RFC 9562, version 4).
std::string RandomId() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::random_device device;
  std::string id = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
  for (char& c : id) {
    const auto dice = static_cast<unsigned>(device());
    if (c == 'x') c = kHex[dice & 15];
    if (c == 'y') c = kHex[8 + (dice & 3)];
  }
  return id;
}

std::shared_ptr<Endpoint> MakeTokenEndpoint(const ClientOptions& options) {
  if (!options.oauth2.set()) return nullptr;
  ClientOptions own;
  own.tls = options.oauth2.tls;
  own.proxy = options.oauth2.proxy;
  return std::make_shared<Endpoint>(std::move(own));
}

}  // namespace

Result<std::shared_ptr<const std::string>> FileCache::Read(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    files_.erase(path);
    return CannotRead(path, errno);
  }
  if (info.st_size > kLargestFile) {
    return Fail(Code::kLimit, path + " has more than 4 MiB and cannot be a certificate or a secret");
  }
  File& file = files_[path];
  if (file.text != nullptr && Same(file.changed, info.st_ctim) && Same(file.modified, info.st_mtim) &&
      file.size == info.st_size && file.inode == info.st_ino && file.device == info.st_dev) {
    return file.text;
  }
  Result<std::string> text = ReadAll(path, info.st_size);
  if (!text) {
    files_.erase(path);
    return Forward(text);
  }
  // The same contents keep the same object.
  if (file.text == nullptr || *file.text != *text) {
    file.text = std::make_shared<const std::string>(std::move(*text));
  }
  file.changed = info.st_ctim;
  file.modified = info.st_mtim;
  file.size = info.st_size;
  file.inode = info.st_ino;
  file.device = info.st_dev;
  return file.text;
}

Result<std::string> FileCache::ReadSecret(const std::string& path) {
  auto text = Read(path);
  if (!text) return Forward(text);
  static constexpr const char* kSpace = " \t\r\n\v\f";
  const std::string& whole = **text;
  const size_t first = whole.find_first_not_of(kSpace);
  if (first == std::string::npos) return std::string();
  return whole.substr(first, whole.find_last_not_of(kSpace) - first + 1);
}

Endpoint::Endpoint(ClientOptions o) : options(std::move(o)), token_endpoint(MakeTokenEndpoint(options)) {}

std::shared_ptr<Endpoint> MakeEndpoint(ClientOptions options) {
  return std::make_shared<Endpoint>(std::move(options));
}

Result<Request> MakeTokenRequest(Endpoint& endpoint) {
  const OAuth2& oauth2 = endpoint.options.oauth2;
  Request request;
  request.method = "POST";
  request.url = oauth2.token_url;
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}};
  request.timeout = kTokenTimeout;
  request.endpoint = endpoint.token_endpoint;
  if (oauth2.jwt_bearer) {
    Result<std::string> key = SecretOrFile(endpoint.files, oauth2.certificate_key, oauth2.certificate_key_file);
    if (!key) return Forward(key);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    Result<std::string> assertion =
        MakeJwt(oauth2, *key, std::chrono::duration_cast<std::chrono::seconds>(now).count(), RandomId());
    if (!assertion) return Forward(assertion);
    endpoint.token_form = AssertionForm(oauth2, *assertion);
  } else {
    Result<std::string> secret = SecretOrFile(endpoint.files, oauth2.client_secret, oauth2.client_secret_file);
    if (!secret) return Forward(secret);
    endpoint.token_form = TokenForm(oauth2, endpoint.secret_in_form ? *secret : std::string());
    if (!endpoint.secret_in_form) {
      // RFC 6749 section 2.3.1: both are form-encoded before they become basic auth.
      ClientOptions options = endpoint.token_endpoint->options;
      options.basic_auth = {FormEscape(oauth2.client_id), "", FormEscape(*secret), ""};
      request.endpoint = MakeEndpoint(std::move(options));
    }
  }
  request.body = endpoint.token_form;
  return request;
}

Result<std::shared_ptr<const std::string>> TextOrFile(FileCache& files, const std::string& text,
                                                      const std::string& file) {
  if (!text.empty()) return std::make_shared<const std::string>(text);
  if (!file.empty()) return files.Read(file);
  return nullptr;
}

Result<std::string> SecretOrFile(FileCache& files, const std::string& text, const std::string& file) {
  if (!text.empty() || file.empty()) return text;
  return files.ReadSecret(file);
}

}  // namespace agent::http
