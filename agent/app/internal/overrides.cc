// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/overrides.h"

#include <algorithm>
#include <vector>

#include "agent/http/options.h"

namespace agent::app {
namespace {

constexpr int kLooksPerWait = 5;
constexpr Duration kShortestHotTick = std::chrono::milliseconds(50);
constexpr Duration kLongestHotTick = std::chrono::milliseconds(200);
constexpr std::string_view kPushPath = "/loki/api/v1/push";

std::string_view TrimQuotes(std::string_view text) {
  while (!text.empty() && text.front() == '"') text.remove_prefix(1);
  while (!text.empty() && text.back() == '"') text.remove_suffix(1);
  return text;
}

// One CSV record: a field may be quoted, as a whole, and a doubled quote in it is one.
Result<std::vector<std::string>> SplitCsv(std::string_view text) {
  const auto wrong = [text](std::string_view why) {
    return Fail(Code::kConfig, "\"" + std::string(text) + "\" " + std::string(why) +
                                   "; a value with a comma is written \"name=a,b\", quotes around both");
  };
  std::vector<std::string> fields(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') {
      fields.emplace_back();
      continue;
    }
    if (text[i] == '"' && !fields.back().empty()) return wrong("has a quote within a value");
    if (text[i] != '"') {
      fields.back() += text[i];
      continue;
    }
    for (++i; i < text.size() && (text[i] != '"' || text.substr(i).starts_with("\"\"")); ++i) {
      fields.back() += text[i];
      if (text[i] == '"') ++i;
    }
    if (i == text.size()) return wrong("has a quote that is not closed");
    if (i + 1 < text.size() && text[i + 1] != ',') return wrong("goes on after a quoted value");
  }
  return fields;
}

// "http://loki:3100" is taken for its push path.
std::string PushUrl(std::string url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  const size_t path = url.find('/', scheme + 3);
  if (path == std::string::npos) return url.append(kPushPath);
  if (path + 1 == url.size()) return url.substr(0, path).append(kPushPath);
  return url;
}

push::ClientOptions ClientFromFlags(const CommandLine& line, std::string url) {
  const CommandLine::Overrides& o = line.overrides;
  push::ClientOptions client;
  client.url = std::move(url);
  client.tenant_id = o.tenant_id;
  client.batch_wait = o.batch_wait;
  client.batch_size = static_cast<uint64_t>(std::max<int64_t>(o.batch_size, 1));
  client.timeout = o.client_timeout;
  client.backoff.min_period = o.min_backoff;
  client.backoff.max_period = o.max_backoff;
  // Only an explicit number of tries may lose data.
  client.backoff.max_retries = line.WasSet("client.max-retries") ? static_cast<uint64_t>(std::max<int64_t>(o.max_retries, 0)) : 0;
  client.drop_rate_limited_batches = o.drop_rate_limited;
  if (auto labels = ParseExternalLabels(o.external_labels)) client.external_labels = std::move(*labels);
  return client;
}

// `client:` of the file is what the flags change, one by one.
void ChangeClient(const CommandLine& line, push::ClientOptions& client) {
  const CommandLine::Overrides& o = line.overrides;
  const auto set = [&line](std::string_view flag) { return line.WasSet(flag); };
  if (!o.client_url.empty()) client.url = PushUrl(o.client_url);
  if (set("client.tenant-id")) client.tenant_id = o.tenant_id;
  if (set("client.batch-wait")) client.batch_wait = o.batch_wait;
  if (set("client.batch-size-bytes")) client.batch_size = static_cast<uint64_t>(std::max<int64_t>(o.batch_size, 1));
  if (set("client.timeout")) client.timeout = o.client_timeout;
  if (set("client.min-backoff")) client.backoff.min_period = o.min_backoff;
  if (set("client.max-backoff")) client.backoff.max_period = o.max_backoff;
  if (set("client.max-retries")) client.backoff.max_retries = static_cast<uint64_t>(std::max<int64_t>(o.max_retries, 0));
  if (set("client.drop-rate-limited-batches")) client.drop_rate_limited_batches = o.drop_rate_limited;
}

void ApplyServer(const CommandLine& line, admin::ServerOptions& server, Diagnostics& diagnostics) {
  const CommandLine::Overrides& o = line.overrides;
  const auto set = [&line](std::string_view flag) { return line.WasSet(flag); };
  if (set("server.disable")) server.disable = o.server_disable;
  if (set("server.enable-runtime-reload")) server.enable_runtime_reload = o.runtime_reload;
  if (set("server.http-listen-network")) server.network = o.http_listen_network;
  if (set("server.http-listen-address")) server.address = o.http_listen_address;
  if (set("server.http-listen-port")) {
    if (o.http_listen_port < 0 || o.http_listen_port > 65535) {
      diagnostics.AddError({}, "-server.http-listen-port",
                           std::to_string(o.http_listen_port) + " is no port; ports are 0 to 65535");
    } else {
      server.port = static_cast<uint16_t>(o.http_listen_port);
    }
  }
  if (set("server.http-conn-limit")) server.conn_limit = static_cast<uint32_t>(std::max<int64_t>(o.http_conn_limit, 0));
  if (set("server.path-prefix")) server.path_prefix = o.http_path_prefix;
  if (set("server.graceful-shutdown-timeout")) server.graceful_shutdown_timeout = o.graceful_shutdown;
  if (set("server.http-read-timeout")) server.read_timeout = o.http_read_timeout;
  if (set("server.http-write-timeout")) server.write_timeout = o.http_write_timeout;
  if (set("server.http-idle-timeout")) server.idle_timeout = o.http_idle_timeout;
  if (set("server.register-instrumentation")) server.register_instrumentation = o.register_instrumentation;
  if (set("log.level") && !admin::ParseLogLevel(o.log_level, server.log_level)) {
    diagnostics.AddError({}, "-log.level", "\"" + o.log_level + "\" is no level; use debug, info, warn or error");
  }
  if (set("log.format")) server.log_json = o.log_format == "json";
}

// Looking less often costs less; a line still leaves within its `batchwait`.
Duration HotTick(const std::vector<push::ClientOptions>& clients) {
  Duration shortest = kLongestHotTick * kLooksPerWait;
  for (const push::ClientOptions& client : clients) shortest = std::min(shortest, client.batch_wait);
  return std::max(shortest / kLooksPerWait, kShortestHotTick);
}

}  // namespace

Result<LabelMap> ParseExternalLabels(std::string_view text) {
  LabelMap labels;
  if (text.empty()) return labels;
  std::vector<std::string> fields;
  if (std::count(text.begin(), text.end(), '=') == 1) {
    fields.emplace_back(TrimQuotes(text));
  } else {
    auto split = SplitCsv(text);
    if (!split) return Forward(split);
    fields = std::move(*split);
  }
  for (const std::string& field : fields) {
    const size_t equals = field.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Fail(Code::kConfig, "\"" + field + "\" is not of the form name=value");
    }
    labels[field.substr(0, equals)] = field.substr(equals + 1);
  }
  return labels;
}

void ApplyOverrides(const CommandLine& line, const std::string& loki_url, Settings& settings,
                    Diagnostics& diagnostics) {
  const CommandLine::Overrides& o = line.overrides;
  const auto block = std::find_if(settings.clients.begin(), settings.clients.end(),
                                  [](const push::ClientOptions& client) { return client.single_block; });
  if (block != settings.clients.end()) {
    ChangeClient(line, *block);
  } else if (!o.client_url.empty()) {
    settings.clients.push_back(ClientFromFlags(line, PushUrl(o.client_url)));
  } else if (settings.clients.empty() && !loki_url.empty()) {
    settings.clients.push_back(ClientFromFlags(line, PushUrl(loki_url)));
    if (Status checked = http::CheckUrl(settings.clients.back().url); !checked) {
      diagnostics.AddError({}, "$LOKI_URL", checked.error().what);
    }
  }
  const auto set = [&line](std::string_view flag) { return line.WasSet(flag); };
  if (set("positions.file")) settings.positions.filename = o.positions_file;
  if (set("positions.sync-period")) settings.positions.sync_period = o.positions_sync;
  if (set("positions.ignore-invalid-yaml")) settings.positions.ignore_invalid_yaml = o.positions_ignore_invalid;
  if (set("target.sync-period")) settings.tail.sync_period = o.target_sync;
  if (set("file-watch.min_poll_frequency")) settings.tail.poll_period = o.min_poll;
  if (set("file-watch.max_poll_frequency")) settings.tail.longest_poll = o.max_poll;
  Limits& limits = settings.limits;
  if (set("limit.readline-rate")) limits.share.readline_rate = o.readline_rate;
  if (set("limit.readline-burst")) limits.share.readline_burst = o.readline_burst;
  if (set("limit.readline-rate-enabled")) limits.share.readline_rate_enabled = o.readline_rate_enabled;
  if (set("limit.readline-rate-drop")) limits.share.readline_rate_drop = o.readline_rate_drop;
  if (set("max-streams")) limits.max_streams = static_cast<uint32_t>(std::max<int64_t>(o.max_streams, 0));
  if (set("max-line-size")) limits.max_line_size = o.max_line_size;
  if (set("max-line-size-truncate")) limits.max_line_size_truncate = o.max_line_size_truncate;
  settings.tail.pinned_bytes = limits.pinned_bytes;
  settings.tail.log_max_size = limits.container_log_max_size;
  settings.tail.log_max_files = limits.container_log_max_files;
  settings.tail.hot_tick = HotTick(settings.clients);
  ApplyServer(line, settings.server, diagnostics);
}

}  // namespace agent::app
