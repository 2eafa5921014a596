// SPDX-License-Identifier: Apache-2.0
// floor: the least work that carries CRI files to Loki, as a measure for the agent:
// read, split, CRI head, protobuf framing, snappy, on one thread. No labels from paths,
// no rotation, no positions, no retry. Without --send no network either. See bench/README.md.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include "bench/common/flags.h"
#include "bench/common/json.h"
#include "bench/common/usage.h"
#include "bench/floor/cri.h"
#include "bench/floor/framing.h"

namespace bench {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadSize = 256 * 1024;

[[noreturn]] void Die(const std::string& sentence) {
  std::fprintf(stderr, "floor: %s\n", sentence.c_str());
  std::exit(1);
}

// One blocking connection that posts and waits.
class Poster {
 public:
  explicit Poster(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) Die("cannot connect to the sink");
  }
  ~Poster() { close(fd_); }
  Poster(const Poster&) = delete;

  void Post(std::string_view body) {
    char head[256];
    const int size = std::snprintf(head, sizeof head,
                                   "POST /loki/api/v1/push HTTP/1.1\r\nHost: localhost\r\n"
                                   "Content-Type: application/x-protobuf\r\nContent-Length: %zu\r\n\r\n",
                                   body.size());
    Send({head, static_cast<size_t>(size)}, MSG_MORE);
    Send(body, 0);
    char answer[4096];
    const ssize_t got = recv(fd_, answer, sizeof answer, 0);
    if (got < 12 || std::memcmp(answer + 9, "204", 3) != 0) Die("the sink did not answer 204");
  }

 private:
  void Send(std::string_view bytes, int flags) const {
    while (!bytes.empty()) {
      const ssize_t put = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | flags);
      if (put <= 0) Die("the sink closed the connection");
      bytes.remove_prefix(static_cast<size_t>(put));
    }
  }
  const int fd_;
};

struct Options {
  bool snappy = true, per_stream = false;
  std::string send;
  uint64_t batch = 1 << 20;
};

struct Input {
  int fd = -1;
  uint64_t offset = 0;
  size_t first_stream = 0;  // stdout; stderr is the next
  bool done = false;
};

class Loop {
 public:
  explicit Loop(const Options& options) : options_(options), batch_(&streams_) {
    if (!options_.send.empty()) {
      const size_t colon = options_.send.rfind(':');
      poster_ = std::make_unique<Poster>(static_cast<uint16_t>(std::atoi(options_.send.c_str() + colon + 1)));
    }
  }

  void Open(const fs::path& path) {
    Input input;
    input.fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (input.fd < 0) Die("cannot read " + path.string());
    input.first_stream = options_.per_stream ? streams_.size() : 0;
    if (options_.per_stream || streams_.empty()) {
      for (const char* stream : {"stdout", "stderr"}) {
        std::string labels = "{file=";
        AppendJsonString(&labels, path.string());
        streams_.push_back({labels + ", stream=\"" + stream + "\"}", {}});
      }
    }
    inputs_.push_back(input);
  }

  void Run() {
    size_t left = inputs_.size();
    // In turn, or one after the other: the second reads what the cache already holds.
    for (size_t i = 0; left > 0; i = options_.per_stream || inputs_[i].done ? (i + 1) % inputs_.size() : i) {
      if (inputs_[i].done) continue;
      if (!ReadOnce(inputs_[i])) {
        close(inputs_[i].fd);
        inputs_[i].done = true;
        --left;
      }
    }
    CloseBatch();
  }

  uint64_t bytes = 0, lines = 0, not_cri = 0, out_bytes = 0;

 private:
  bool ReadOnce(Input& input) {
    const ssize_t got = pread(input.fd, buffer_.get(), kReadSize, static_cast<off_t>(input.offset));
    if (got <= 0) return false;
    const std::string_view all(buffer_.get(), static_cast<size_t>(got));
    std::string_view rest = all;
    while (!rest.empty()) {
      const void* const newline = std::memchr(rest.data(), '\n', rest.size());
      if (newline == nullptr) break;
      const auto size = static_cast<size_t>(static_cast<const char*>(newline) - rest.data());
      Take(rest.substr(0, size), input);
      rest.remove_prefix(size + 1);
    }
    const size_t used = all.size() - rest.size();
    input.offset += used;
    bytes += used;
    return used != 0;
  }

  void Take(std::string_view line, const Input& input) {
    CriLine cri;
    ++lines;
    if (!ReadCriLine(line, &cri)) {
      ++not_cri;
      return;
    }
    streams_[input.first_stream + (cri.is_stderr ? 1 : 0)].entries.AppendEntry(cri);
    batch_.line_bytes += cri.content.size();
    if (batch_.line_bytes >= options_.batch) CloseBatch();
  }

  void CloseBatch() {
    if (batch_.line_bytes == 0) return;
    const std::string_view body = batch_.Close(options_.snappy);
    out_bytes += body.size();
    if (poster_ != nullptr) poster_->Post(body);
  }

  const Options& options_;
  std::vector<FloorStream> streams_;
  Batch batch_;
  std::vector<Input> inputs_;
  std::unique_ptr<Poster> poster_;
  std::unique_ptr<char[]> buffer_ = std::make_unique<char[]>(kReadSize);
};

void Report(const Loop& loop, double wall) {
  const Usage usage = UsageSoFar();
  std::string out;
  JsonWriter json(&out);
  json.Open('{').Field("bytes", loop.bytes).Field("lines", loop.lines).Field("not_cri", loop.not_cri);
  json.Field("out_bytes", loop.out_bytes).Field("user_s", usage.user_s).Field("sys_s", usage.system_s);
  json.Field("cpu_s", usage.cpu_s()).Field("wall_s", wall).Field("max_rss_kib", usage.peak_rss_kib);
  json.Field("mb_per_cpu_s", static_cast<double>(loop.bytes) / 1e6 / usage.cpu_s()).Close('}');
  std::printf("%s\n", out.c_str());
}

int Main(int argc, char** argv) {
  Options options;
  bool no_snappy = false;
  Flags flags(
      "floor [options] DIRECTORY|FILE...: reads every *.log of CRI lines and prints, as JSON, what\n"
      "the least work on them costs. One file after the other into one stream; with --per-stream\n"
      "in turn, each file and stdout/stderr a stream, as a client must.\n\nOptions:");
  flags.Bool("per-stream", &options.per_stream, "files in turn, a stream each");
  flags.Text("send", &options.send, "http://127.0.0.1:PORT: push the batches there (implies --per-stream)");
  flags.Bool("no-snappy", &no_snappy, "frame only");
  flags.Size("batch", &options.batch, "line bytes in a batch");
  std::vector<std::string> rest;
  if (!flags.Parse(argc, argv, &rest)) return flags.exit_code();
  if (rest.empty()) return flags.Wrong("floor needs a directory or files; --help shows the options");
  options.snappy = !no_snappy;
  if (!options.send.empty()) options.per_stream = true;
  if (no_snappy && !options.send.empty()) return flags.Wrong("--send needs snappy: Loki takes nothing else");

  std::vector<fs::path> paths;
  for (const std::string& word : rest) {
    if (!fs::is_directory(word)) {
      paths.emplace_back(word);
      continue;
    }
    for (const auto& entry : fs::recursive_directory_iterator(word)) {
      if (entry.path().extension() == ".log") paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  if (paths.empty()) return flags.Wrong("floor: no *.log files there");
  Loop loop(options);
  const auto begin = std::chrono::steady_clock::now();
  for (const fs::path& path : paths) loop.Open(path);
  loop.Run();
  Report(loop, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
