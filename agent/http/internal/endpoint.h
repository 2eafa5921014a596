// SPDX-License-Identifier: Apache-2.0
// What a Client keeps for one set of options: files by their stat, the OAuth2 token.
// Bound to the thread that polls the Client.
#pragma once

#include <sys/stat.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/core/result.h"
#include "agent/core/time.h"
#include "agent/http/client.h"
#include "agent/http/internal/token.h"
#include "agent/http/options.h"

namespace agent::http {

// Reads whole small files; again only after their stat has changed, so that a secret
// that is swapped (by rename or in place) takes effect with the next request.
class FileCache {
 public:
  // The contents, shared so that a transfer may keep them.
  Result<std::shared_ptr<const std::string>> Read(const std::string& path);
  // The same without white space around it.
  Result<std::string> ReadSecret(const std::string& path);

 private:
  struct File {
    timespec changed{};
    timespec modified{};
    off_t size = 0;
    ino_t inode = 0;
    dev_t device = 0;
    std::shared_ptr<const std::string> text;
  };
  std::map<std::string, File> files_;
};

class Endpoint {
 public:
  explicit Endpoint(ClientOptions o);

  const ClientOptions options;
  // For requests to oauth2.token_url; null without oauth2.
  const std::shared_ptr<Endpoint> token_endpoint;
  FileCache files;

  // -- OAuth2 --
  Token token;                 // empty value: none
  MonoTime token_until{};      // a new one is fetched from then on
  bool fetching = false;       // a token request is under way
  bool secret_in_form = false; // the server wants the secret there
  std::string token_form;      // the body of the token request
  std::vector<RequestId> waiting;  // for the token
};

// The request for a token, by the grant that the options say. Its body is borrowed from
// the endpoint.
Result<Request> MakeTokenRequest(Endpoint& endpoint);

// The inline text, else the file's contents, else null.
Result<std::shared_ptr<const std::string>> TextOrFile(FileCache& files, const std::string& text,
                                                      const std::string& file);
Result<std::string> SecretOrFile(FileCache& files, const std::string& text, const std::string& file);

}  // namespace agent::http
