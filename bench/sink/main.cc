// SPDX-License-Identifier: Apache-2.0
// sink: a small receiver of Loki's push protocol for tests, benchmarks and the demo.
// It counts, verifies marked lines, and fails when told to. See bench/README.md.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "bench/common/flags.h"
#include "bench/sink/api.h"

namespace {

bench::Server* running = nullptr;

void OnSignal(int) {
  if (running != nullptr) running->Stop();
}

bool WritePort(const std::string& path, unsigned port) {
  const std::string fresh = path + ".new";
  std::FILE* file = std::fopen(fresh.c_str(), "w");
  if (file == nullptr) return false;
  std::fprintf(file, "%u\n", port);
  // Renamed, so that whoever waits for the file never reads half a number.
  return std::fclose(file) == 0 && std::rename(fresh.c_str(), path.c_str()) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  bench::ApiOptions options;
  std::string address = "127.0.0.1", port_file, behave = "{}", dump;
  uint64_t port = 0;
  bench::Flags flags(
      "sink [options]: receives Loki's push protocol on loopback, counts, and fails when told to.\n"
      "Prints its port on the first line of stdout. Pages: /loki/api/v1/push /otlp/v1/logs /stats\n"
      "/streams?limit=N /wait?marks=N&entries=N&timeout_ms=N /control /down?ms=N /reset /ready\n\nOptions:");
  flags.Text("address", &address, "IPv4 address to listen on");
  flags.Number("port", &port, "port to listen on; 0 picks a free one");
  flags.Text("port-file", &port_file, "write the port here as well");
  flags.Bool("verify", &options.store.verify, "check the marks that podgen --sequence writes");
  flags.Number("keep-lines", &options.store.keep_lines, "last lines kept of each stream, for /streams");
  flags.Text("behave", &behave, "JSON: a step or a list of steps, as POST /control takes it");
  flags.Size("max-body", &options.max_body, "answer 413 to larger bodies; 0: never");
  flags.Number("delay-ms", &options.delay_ms, "wait so long before every answer to a push");
  flags.Number("seed", &options.seed, "of the steps with a chance");
  flags.Text("dump", &dump, "write every stored entry here, one JSON object a line");
  std::vector<std::string> rest;
  if (!flags.Parse(argc, argv, &rest)) return flags.exit_code();
  if (!rest.empty()) return flags.Wrong("sink takes no arguments, only options: " + rest[0]);
  if (port > 65535) return flags.Wrong("--port: at most 65535");
  if (!dump.empty()) {
    options.dump = std::fopen(dump.c_str(), "w");
    if (options.dump == nullptr) return flags.Wrong("--dump: cannot write " + dump);
  }

  bench::Api api(options);
  std::string wrong = api.SetBehaviour(behave);
  if (!wrong.empty()) return flags.Wrong("--behave: " + wrong);
  bench::Server server([&api](auto id, const bench::Request& request) { api.Handle(id, request); },
                       uint64_t{1} << 30);
  api.SetServer(&server);
  wrong = server.Listen(address, static_cast<uint16_t>(port));
  if (!wrong.empty()) return flags.Wrong(wrong);
  running = &server;
  std::signal(SIGTERM, OnSignal);
  std::signal(SIGINT, OnSignal);
  std::signal(SIGPIPE, SIG_IGN);
  std::printf("%u\n", unsigned{server.port()});
  std::fflush(stdout);
  if (!port_file.empty() && !WritePort(port_file, server.port())) return flags.Wrong("--port-file: cannot write");
  server.Run();
  if (options.dump != nullptr) std::fclose(options.dump);
  return 0;
}
