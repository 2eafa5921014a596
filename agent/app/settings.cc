// SPDX-License-Identifier: Apache-2.0
#include "agent/app/settings.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "agent/app/internal/overrides.h"
#include "agent/config/decode.h"
#include "agent/config/expand_env.h"
#include "agent/platform/fs.h"

namespace agent::app {
namespace {

constexpr uint64_t kMaxFileBytes = 16 * 1024 * 1024;

// What runs without -config.file. The client comes from -client.url or $LOKI_URL.
constexpr std::string_view kBuiltIn = R"(server:
  http_listen_address: 127.0.0.1
  http_listen_port: 9080
scrape_configs:
  - job_name: pods
    pod_logs: {}
    pipeline_stages:
      - cri: {}
)";

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0) return "localhost";
  return name;
}

void DecodeReading(config::MapReader& reader, Settings& out, Diagnostics& diagnostics) {
  if (const config::Node* node = reader.Child("positions")) {
    out.positions = source::DecodePositions(*node, "positions", diagnostics);
  }
  if (const config::Node* node = reader.Child("target_config")) {
    const source::TargetConfig target = source::DecodeTargetConfig(*node, "target_config", diagnostics);
    out.tail.sync_period = target.sync_period;
    out.from_stdin = target.standard_input;
  }
  if (const config::Node* node = reader.Child("global")) {
    config::MapReader global(*node, "global", diagnostics);
    if (const config::Node* watch = global.Child("file_watch_config")) {
      const source::FileWatchConfig times = source::DecodeFileWatch(*watch, "global.file_watch_config", diagnostics);
      out.tail.poll_period = times.shortest;
      out.tail.longest_poll = times.longest;
    }
    global.Finish();
  }
}

void DecodeLimits(const config::Node* node, Limits& out, Diagnostics& diagnostics) {
  if (node == nullptr) return;
  config::MapReader reader(*node, "limits_config", diagnostics);
  int64_t streams = 0;
  reader.Int("max_streams", streams);  // nothing or less: no limit
  out.max_streams = static_cast<uint32_t>(std::max<int64_t>(streams, 0));
  reader.Bytes("max_line_size", out.max_line_size);
  reader.Bool("max_line_size_truncate", out.max_line_size_truncate);
  reader.Bytes("pinned_bytes", out.pinned_bytes);
  reader.Bool("loss_marker", out.loss_marker);
  reader.Bytes("container_log_max_size", out.container_log_max_size);
  int64_t files = static_cast<int64_t>(out.container_log_max_files);
  if (reader.Int("container_log_max_files", files) && files < 2) {
    reader.Error("container_log_max_files", "must be at least 2, as for the kubelet");
  }
  out.container_log_max_files = static_cast<uint64_t>(std::max<int64_t>(files, 2));
  label::Decode(reader, out.policy);
  label::Decode(reader, out.share);
  reader.Finish();
}

// Known to Promtail, accepted, and without effect here.
void AcceptWithoutEffect(config::MapReader& reader, Diagnostics& diagnostics) {
  reader.Child("options");
  if (const config::Node* wal = reader.Child("wal")) {
    config::MapReader inner(*wal, "wal", diagnostics);
    bool enabled = false;
    if (inner.Bool("enabled", enabled) && enabled) {
      inner.Warning("enabled", "Sluice keeps no write-ahead log: the log files are it, and positions move when Loki "
                               "has stored a line");
    }
  }
  if (const config::Node* tracing = reader.Child("tracing")) {
    config::MapReader inner(*tracing, "tracing", diagnostics);
    bool enabled = false;
    if (inner.Bool("enabled", enabled) && enabled) inner.Warning("enabled", "Sluice sends no traces of itself");
    inner.Finish();
  }
}

LabelMap ExternalLabels(const CommandLine& line, Diagnostics& diagnostics) {
  auto labels = ParseExternalLabels(line.overrides.external_labels);
  if (labels) return *labels;
  diagnostics.AddError({}, "-client.external-labels", labels.error().what);
  return {};
}

void DecodeTop(const config::Node& tree, const CommandLine& line, Settings& out, Diagnostics& diagnostics,
               metrics::Registry& metrics) {
  config::MapReader reader(tree, "", diagnostics);
  const config::Node* server = reader.Child("server");
  const bool promtails = !out.file.empty() && server != nullptr;
  out.server = admin::DecodeServer(server, "server",
                                   promtails ? admin::ServerOptions::Promtail() : admin::ServerOptions::BuiltIn(),
                                   diagnostics);
  const config::Node* client = reader.Child("client");
  const LabelMap external = ExternalLabels(line, diagnostics);
  out.clients = push::DecodeClients(reader.Child("clients"), client, external, diagnostics);
  DecodeReading(reader, out, diagnostics);
  DecodeLimits(reader.Child("limits_config"), out.limits, diagnostics);
  AcceptWithoutEffect(reader, diagnostics);
  static const stage::Inspector to_stderr = [](const std::string& text) { std::fputs(text.c_str(), stderr); };
  out.scrapes = DecodeScrapeConfigs(reader.Child("scrape_configs"), reader.Child("pipelines"), out.node_name, diagnostics,
                                    metrics, line.inspect ? &to_stderr : nullptr);
  for (const ScrapeConfig& scrape : out.scrapes) out.tail.unpacking.push_back(scrape.unpacking);
  for (const push::ClientOptions& one : out.clients) {
    for (const auto& [name, value] : one.external_labels) out.limits.policy.external_labels.insert(name);
  }
  reader.Finish();
}

}  // namespace

Result<std::string> ReadConfiguration(const CommandLine& line, std::string& file, Diagnostics& diagnostics) {
  if (line.config_file.empty()) {
    file.clear();
    return std::string(kBuiltIn);
  }
  std::string rest = line.config_file;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string path = rest.substr(0, comma);
    rest = comma == std::string::npos ? std::string() : rest.substr(comma + 1);
    if (path.empty() || !platform::RealFs().Stat(path)) continue;
    file = path;
    auto text = platform::ReadWhole(platform::RealFs(), path, kMaxFileBytes);
    if (!text || !line.expand_env) return text;
    auto expanded = config::ExpandEnv(*text, path, config::ProcessEnvironment(), diagnostics);
    return expanded ? *expanded : std::string();
  }
  return Fail(Code::kConfig, line.config_file + " does not exist, set config.file for custom config path");
}

Settings LoadSettings(const CommandLine& line, bool clients_needed, Diagnostics& diagnostics,
                      metrics::Registry& metrics) {
  Settings out;
  out.host_name = Environment("HOSTNAME").empty() ? HostName() : Environment("HOSTNAME");
  out.node_name = line.node_name;
  if (out.node_name.empty()) out.node_name = Environment("NODE_NAME");
  if (out.node_name.empty()) out.node_name = out.host_name;
  auto text = ReadConfiguration(line, out.file, diagnostics);
  if (!text) {
    diagnostics.AddError({}, "", text.error().what);
    return out;
  }
  out.text = *text;
  auto tree = std::make_shared<config::Node>(config::ParseYaml(*text, out.file, diagnostics));
  out.tree = tree;
  if (!diagnostics.ok()) {
    if (!line.expand_env && text->find("${") != std::string::npos) {
      diagnostics.AddWarning({out.file, 0, 0}, "", "it holds ${...}; to have it replaced by the environment, add -config.expand-env");
    }
    return out;
  }
  DecodeTop(*tree, line, out, diagnostics, metrics);
  if (line.WasSet("stdin")) out.from_stdin = line.from_stdin;
  ApplyOverrides(line, Environment("LOKI_URL"), out, diagnostics);
  if (out.file.empty() && !out.scrapes.empty()) out.scrapes.front().pod_logs.root = line.pods_root;
  if (clients_needed && out.clients.empty() && diagnostics.ok()) {
    diagnostics.AddError({out.file, 0, 0}, "clients",
                         "at least one client config must be provided; add clients: [{url: ...}] or -client.url");
  }
  if (out.clients.size() > kMostClients) {
    diagnostics.AddError({out.file, 0, 0}, "clients", "there are more than 256");
  }
  return out;
}

}  // namespace agent::app
