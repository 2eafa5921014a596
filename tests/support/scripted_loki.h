// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 server on an ephemeral loopback port that plays Loki: it decodes pushes
// (snappy and protobuf), keeps what it is told to keep, and answers by a script. It can
// answer slowly, break off in the middle, forget to answer, speak TLS and be a proxy.
//
// Threads: one accepts, one per connection; all methods are thread-safe. Handlers run on
// connection threads, one at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace agent::test {

struct PushedEntry {
  int64_t time = 0;
  std::string line;
  std::vector<std::pair<std::string, std::string>> metadata;
  bool operator==(const PushedEntry&) const = default;
};
struct PushedStream {
  std::string labels;
  std::vector<PushedEntry> entries;
};

struct ReceivedRequest {
  std::string method;
  std::string target;                          // as on the request line
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::string client_name;              // common name of the client's certificate
  std::string server_name;              // what the client asked for by SNI
  std::vector<PushedStream> streams;    // of a push
  std::string decode_error;             // why the body is no push; empty if it is one
  size_t connection = 0;                // which one it came on, from 1
  const std::string& Header(const std::string& name) const;  // empty if absent
  std::vector<std::string> Lines() const;                    // of all streams
};

struct ScriptedAnswer {
  int status = 204;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  bool store = true;  // keep the entries, whatever the status says
  // Which streams to keep, by label text; empty: all.
  std::vector<std::string> store_only;
  enum class Wire {
    kWhole,
    kNoAnswer,     // closes after the request has been read
    kReset,        // the same, with a reset
    kMidBody,      // closes in the middle of the answer's body
    kHold,         // answers after Release()
    kSlowHeader,   // half of the status line, then as kHold
    kEarly,        // answers before the body has been read, and closes
    kEndless,      // streams `body` again and again until the client goes away
  };
  Wire wire = Wire::kWhole;
};

struct ServerTls {
  std::string certificate;  // PEM
  std::string key;
  std::string client_ca;  // if set, clients must show a certificate of it
};

class ScriptedLoki {
 public:
  struct Options {
    bool listening = true;  // false: connections are refused until Listen()
    std::shared_ptr<ServerTls> tls;
    bool proxy = false;  // accepts absolute URLs and CONNECT (TLS then starts inside)
  };
  ScriptedLoki() : ScriptedLoki(Options{}) {}
  explicit ScriptedLoki(Options options);
  ~ScriptedLoki();
  ScriptedLoki(const ScriptedLoki&) = delete;
  ScriptedLoki& operator=(const ScriptedLoki&) = delete;

  int port() const;
  // http(s)://127.0.0.1:PORT/loki/api/v1/push
  std::string PushUrl() const;
  std::string Url(const std::string& path, const std::string& host = "127.0.0.1") const;

  // Answers for the next requests, one each; then the handler, which accepts.
  void Script(std::vector<ScriptedAnswer> answers);
  void SetHandler(std::function<ScriptedAnswer(const ReceivedRequest&)> handler);
  void Listen();
  void SetTls(std::shared_ptr<ServerTls> tls);  // for connections from now on
  void Release();                               // lets held answers go
  void CloseConnections();                      // idle ones too

  std::vector<ReceivedRequest> requests() const;
  size_t connections() const;
  // Waits (for at most 20 s) until that many requests have come.
  bool WaitForRequests(size_t count) const;
  // Every stored entry, by label text, in order of storing.
  std::map<std::string, std::vector<PushedEntry>> stored() const;
  std::vector<std::string> StoredLines(const std::string& labels) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The body of a push: protobuf, compressed.
std::string EncodePush(const std::vector<PushedStream>& streams);

}  // namespace agent::test
