// SPDX-License-Identifier: Apache-2.0
// The real server with made-up data, for the browser tests: page_server PODS.
// Prints its port; then obeys one command a line on standard input:
//   lose N            N lines of pod 0 are lost
//   trouble I TEXT    pod I is in trouble
//   well I            and no more
//   line POD TEXT     a record for the live tail
//   silent, speak     stop answering /api/node, and answer again
// and ends with its input.
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <unistd.h>

#include "agent/admin/admin.h"
#include "agent/platform/clock.h"

namespace {

using namespace agent;
using namespace agent::admin;

class MadeUpSource : public AdminSource {
 public:
  explicit MadeUpSource(size_t count) : started_(SystemClock().Wall()) {
    for (size_t i = 0; i < count; ++i) pods_.push_back(MakePod(i));
  }

  void Ready(Reply<Readiness> reply) override { reply({true, ""}); }
  void Metrics(Reply<std::string> reply) override { reply("up 1\n"); }
  void ConfigText(Reply<std::string> reply) override {
    reply("clients:\n  - url: http://loki:3100/loki/api/v1/push\n    bearer_token: <secret>\n");
  }
  void Reload(Reply<Status> reply) override { reply(Fail(Code::kConfig, "config.yaml:3:1: error: unknown key `x`")); }

  void Node(Reply<NodeSummary> reply) override {
    if (silent) return;
    Advance();
    NodeSummary node;
    node.version = "0.1.0";
    node.node_name = "node-1";
    node.config_file = "/etc/sluice/config.yaml";
    node.now = SystemClock().Wall();
    node.started = node.config_loaded = started_;
    node.ready = true;
    node.pods = node.files = node.files_active = pods_.size();
    node.streams = 2 * pods_.size();
    node.budget_limit = 64 << 20;
    node.budget_used = 1 << 20;
    node.resident_bytes = 20 << 20;
    for (const PodSummary& pod : pods_) {
      node.counts.bytes_in += pod.counts.bytes_in;
      node.counts.lines_in += pod.counts.lines_in;
      node.counts.lines_sent += pod.counts.lines_sent;
      node.counts.lines_lost += pod.counts.lines_lost;
      node.counts.bytes_lost += pod.counts.bytes_lost;
    }
    node.clients.resize(1);
    node.clients[0].name = "loki";
    node.clients[0].last_status = 204;
    node.clients[0].last_accepted = node.now;
    reply(node);
  }
  void Pods(Reply<std::vector<PodSummary>> reply) override { reply(pods_); }
  void Pod(std::string id, Reply<PodDetail> reply) override {
    PodDetail detail;
    for (const PodSummary& pod : pods_) {
      if (pod.id != id) continue;
      detail.found = true;
      detail.summary = pod;
      detail.labels = {{"namespace", pod.ns}, {"pod", pod.pod}, {"evil", "<img src=x onerror=alert(1)>"}};
      FileDetail file;
      file.path = file.location = "/var/log/pods/" + pod.ns + "_" + pod.pod + "_uid/app/0.log";
      file.state = "followed";
      file.size = 4096;
      file.read = file.committed = 2048;
      detail.files = {file};
      detail.streams = {{{"{namespace=\"" + pod.ns + "\", stream=\"stdout\"}", 10, 1000, started_}}, 7};
      detail.stages = {{"scrape_configs[0].pipeline_stages[1]", "drop", 3, 0, "drop_stage"}};
      detail.events = {{started_, Trouble::Severity::kWarning, "Loki refused 1 line: line too long"}};
    }
    reply(detail);
  }
  void Explain(ExplainQuery query, Reply<Explanation> reply) override {
    using State = ExplainLink::State;
    Explanation answer;
    answer.pod = query.pod;
    answer.verdict = "The lines are dropped by a stage of the pipeline.";
    answer.links = {{"directory", State::kOk, "The pod's directory is there.", ""},
                    {"files", State::kOk, "1 file matches.", ""},
                    {"pipeline", State::kBroken, "A drop stage takes every line.", "Look at pipeline_stages[1]."},
                    {"loki", State::kSkipped, "", ""}};
    answer.similar = {"shop/web-00001"};
    answer.streams = {{{"{namespace=\"shop\", stream=\"stderr\"}", 10, 1000, started_}}, 0};
    reply(answer);
  }
  void LossLedger(Reply<Ledger> reply) override {
    Ledger ledger;
    ledger.since = started_;
    ledger.counts = pods_[0].counts;
    ledger.lost = {{"truncated_unread", "The writer cut the file before it was read.", ledger.counts.lines_lost, 100, started_}};
    ledger.by_pod = {{pods_[0].id, ledger.lost[0]}};
    reply(ledger);
  }
  void LabelCardinality(Reply<Cardinality> reply) override {
    Cardinality cardinality;
    cardinality.streams = 2 * pods_.size();
    cardinality.window_seconds = 3600;
    cardinality.labels = {{"request_id", "pods", "pipeline", 12000, true, 100, "structured_metadata", true, started_, 11900, {"a1"}}};
    reply(cardinality);
  }
  void Targets(Reply<std::vector<TargetView>> reply) override {
    reply({{"pods", "File", true, {{"app", "web"}}, {{"__path__", "/var/log/pods"}}, "/var/log/pods"}});
  }
  void Discovery(Reply<std::vector<DiscoveryView>> reply) override { reply({}); }

  PodSummary& pod(size_t index) { return pods_.at(index); }
  bool silent = false;

 private:
  static PodSummary MakePod(size_t i) {
    char digits[24];
    std::snprintf(digits, sizeof digits, "%05zu", i);
    PodSummary pod;
    pod.ns = i % 3 == 0 ? "shop" : i % 3 == 1 ? "billing" : "kube-system";
    pod.pod = std::string(i % 2 == 0 ? "web-" : "db-") + digits;
    pod.id = pod.ns + "/" + pod.pod;
    pod.containers = {"app"};
    pod.files = 1;
    pod.streams = 2;
    return pod;
  }
  // Every pod reads 1,000 bytes and 10 lines a second.
  void Advance() {
    const auto ticks = static_cast<uint64_t>((SystemClock().Wall() - started_) / 1'000'000);
    for (PodSummary& pod : pods_) {
      pod.counts.bytes_in = ticks;
      pod.counts.lines_in = pod.counts.lines_sent = ticks / 100;
      pod.last_read = pod.last_accepted = SystemClock().Wall();
    }
  }

  const WallNanos started_;
  std::vector<PodSummary> pods_;
};

class Commands {
 public:
  Commands(boost::asio::io_context& io, MadeUpSource& source, TailHub& hub)
      : io_(io), input_(io, ::dup(STDIN_FILENO)), source_(source), hub_(hub) {
    Read();
  }

 private:
  void Read() {
    boost::asio::async_read_until(input_, buffer_, '\n', [this](boost::system::error_code error, size_t) {
      if (error) return io_.stop();
      std::istream in(&buffer_);
      std::string line;
      std::getline(in, line);
      Obey(line);
      std::cout << "done" << std::endl;
      Read();
    });
  }
  void Obey(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    std::string rest;
    size_t index = 0;
    words >> command;
    if (command == "lose" && words >> index) source_.pod(0).counts.lines_lost += index;
    if (command == "trouble" && words >> index && std::getline(words >> std::ws, rest)) {
      source_.pod(index).trouble = {Trouble::Severity::kCritical, "test", rest};
    }
    if (command == "well" && words >> index) source_.pod(index).trouble = {};
    if (command == "silent" || command == "speak") source_.silent = command == "silent";
    std::string pod;
    if (command == "line" && words >> pod && std::getline(words >> std::ws, rest)) Offer(pod, rest);
  }
  void Offer(const std::string& pod, const std::string& text) {
    LabelInterner interner;
    RecordBatch batch;
    Record* record = batch.Append();
    record->labels = interner.Intern(LabelMap{{"namespace", "shop"}, {"pod", pod}});
    record->line = text;
    record->time = SystemClock().Wall();
    hub_.Offer(batch.records());
  }

  boost::asio::io_context& io_;
  boost::asio::posix::stream_descriptor input_;
  boost::asio::streambuf buffer_;
  MadeUpSource& source_;
  TailHub& hub_;
};

}  // namespace

int main(int argc, char** argv) {
  boost::asio::io_context io{1};
  MadeUpSource source(argc > 1 ? std::stoul(argv[1]) : 30);
  TailHub hub;
  metrics::Registry registry;
  ServerOptions options;
  options.address = "127.0.0.1";
  options.port = 0;
  options.write_timeout = std::chrono::milliseconds(500);
  options.enable_runtime_reload = true;
  options.path_prefix = "/sluice";
  Server server(io, options, source, hub, registry);
  const Status started = server.Start();
  if (!started) {
    std::cerr << started.error().what << "\n";
    return 1;
  }
  std::cout << server.port() << std::endl;
  const Commands commands(io, source, hub);
  io.run();
  return 0;
}
