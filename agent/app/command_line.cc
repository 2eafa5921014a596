// SPDX-License-Identifier: Apache-2.0
#include "agent/app/command_line.h"

#include "agent/app/internal/overrides.h"

namespace agent::app {
namespace {

using config::FlagSet;

void DeclareActions(FlagSet& flags, CommandLine& c) {
  flags.String("config.file", c.config_file, "the configuration to load; a comma-separated list: the first that exists");
  flags.Bool("config.expand-env", c.expand_env, "replace ${VAR} in the configuration by the environment");
  flags.Bool("config.watch", c.config_watch, "load the configuration again when its file changes");
  flags.Bool("check-syntax", c.check_syntax, "check the whole configuration and exit");
  flags.Bool("version", c.version, "print the version and exit");
  flags.Bool("print-config-stderr", c.print_config, "print the configuration in effect to standard error");
  flags.Bool("log-config-reverse-order", c.log_config_reverse, "log the configuration in effect, last line first");
  flags.Bool("dry-run", c.dry_run, "print what would be sent; send nothing, save no position");
  flags.Bool("inspect", c.inspect, "say on standard error what every stage does to every line");
  flags.Bool("cardinality", c.cardinality,
             "with --dry-run: how many streams and label values the files would make, and what the guard would do");
  flags.Bool("stdin", c.from_stdin, "read standard input instead of files, through the first scrape config; ends with it");
  flags.String("output", c.output, "how --dry-run prints: text or json");
  flags.Duration("shutdown-timeout", c.shutdown_timeout, "the most time for a last flush after SIGTERM");
  flags.Int("lanes", c.lanes, "worker threads; a file belongs to one of them");
  flags.Bytes("memory-limit", c.memory_limit, "bytes for buffers, batches and retries; reading waits when they are used");
  flags.String("pods-root", c.pods_root, "the kubelet's log directory, for the built-in configuration");
  flags.String("node-name", c.node_name, "the label node_name; default: $NODE_NAME, $HOSTNAME, the host's name");
}

void DeclareClient(FlagSet& flags, CommandLine::Overrides& o) {
  flags.Url("client.url", o.client_url, "push to this URL, beside the clients of the configuration; default: $LOKI_URL");
  flags.Duration("client.batch-wait", o.batch_wait, "the most time an entry waits for its batch");
  flags.Int("client.batch-size-bytes", o.batch_size, "the size at which a batch is sent");
  flags.Duration("client.timeout", o.client_timeout, "time for one push");
  flags.Duration("client.min-backoff", o.min_backoff, "first wait after a failed push");
  flags.Duration("client.max-backoff", o.max_backoff, "longest wait after a failed push");
  flags.Int("client.max-retries", o.max_retries, "attempts before a batch is dropped; not given or 0: never");
  flags.String("client.tenant-id", o.tenant_id, "tenant (X-Scope-OrgID)");
  flags.Bool("client.drop-rate-limited-batches", o.drop_rate_limited, "drop a batch that Loki answers with 429");
  flags.String("client.external-labels", o.external_labels, "labels added to every stream: name=value,...");
}

void DeclareReading(FlagSet& flags, CommandLine::Overrides& o) {
  flags.String("positions.file", o.positions_file, "where the positions are kept");
  flags.Duration("positions.sync-period", o.positions_sync, "how often positions are saved");
  flags.Bool("positions.ignore-invalid-yaml", o.positions_ignore_invalid, "start afresh when the positions file is broken");
  flags.Duration("target.sync-period", o.target_sync, "how often globs are expanded anew");
  flags.Duration("file-watch.min_poll_frequency", o.min_poll, "polling, where inotify cannot work: shortest interval");
  flags.Duration("file-watch.max_poll_frequency", o.max_poll, "polling, where inotify cannot work: longest interval");
  flags.Float("limit.readline-rate", o.readline_rate, "lines per second, of all files");
  flags.Int("limit.readline-burst", o.readline_burst, "lines above the rate that may pass at once");
  flags.Bool("limit.readline-rate-enabled", o.readline_rate_enabled, "limit lines per second");
  flags.Bool("limit.readline-rate-drop", o.readline_rate_drop, "drop what is above the rate (else wait)");
  flags.Int("max-streams", o.max_streams, "most streams in one batch; 0: no limit");
  flags.Bytes("max-line-size", o.max_line_size, "longest line; 0: no limit");
  flags.Bool("max-line-size-truncate", o.max_line_size_truncate, "cut longer lines instead of dropping them");
}

void DeclareServer(FlagSet& flags, CommandLine::Overrides& o) {
  flags.String("log.level", o.log_level, "debug, info, warn or error");
  flags.String("log.format", o.log_format, "logfmt or json");
  flags.Bool("server.disable", o.server_disable, "no HTTP server");
  flags.Bool("server.enable-runtime-reload", o.runtime_reload, "allow POST /reload");
  flags.String("server.http-listen-network", o.http_listen_network, "tcp, tcp4 or tcp6");
  flags.String("server.http-listen-address", o.http_listen_address, "address of the HTTP server");
  flags.Int("server.http-listen-port", o.http_listen_port, "port of the HTTP server");
  flags.Int("server.http-conn-limit", o.http_conn_limit, "most connections at once; 0: the built-in limit");
  flags.String("server.path-prefix", o.http_path_prefix, "prefix of every path of the HTTP server");
  flags.Duration("server.graceful-shutdown-timeout", o.graceful_shutdown, "time for running requests at shutdown");
  flags.Duration("server.http-read-timeout", o.http_read_timeout, "time to read a request");
  flags.Duration("server.http-write-timeout", o.http_write_timeout, "time to write an answer");
  flags.Duration("server.http-idle-timeout", o.http_idle_timeout, "time a connection may be idle");
  flags.Bool("server.register-instrumentation", o.register_instrumentation, "serve /metrics");
}

// Flags of Promtail (its server library's, mostly) that change nothing here.
void DeclareAccepted(FlagSet& flags) {
  using Kind = FlagSet::Kind;
  for (const char* name : {"server.grpc-listen-network", "server.grpc-listen-address", "server.tls-cipher-suites",
                           "server.tls-min-version", "server.http-tls-cert-path", "server.http-tls-key-path",
                           "server.http-tls-client-auth", "server.http-tls-ca-path", "server.grpc-tls-cert-path",
                           "server.grpc-tls-key-path", "server.grpc-tls-client-auth", "server.grpc-tls-ca-path",
                           "server.log-source-ips-header", "server.log-source-ips-regex",
                           "server.log-request-headers-exclude-list", "server.trace-request-headers-exclude-list",
                           "server.throughput.unit", "server.cluster-validation.label",
                           "server.cluster-validation.http.excluded-paths",
                           "server.cluster-validation.http.excluded-user-agents"}) {
    flags.Accepted(name, Kind::kString);
  }
  for (const char* name : {"tracing.enabled", "server.profiling_enabled", "server.grpc-collect-max-streams-by-conn", "server.proxy-protocol-enabled",
                           "server.report-grpc-codes-in-instrumentation-label-enabled",
                           "server.http-log-closed-connections-without-response-enabled",
                           "server.grpc.keepalive.ping-without-stream-allowed", "server.grpc.stats-tracking-enabled",
                           "server.grpc.recv-buffer-pools-enabled", "server.log-source-ips-enabled",
                           "server.log-source-ips-full", "server.log-request-headers",
                           "server.log-request-at-info-level-enabled", "server.trace-request-headers",
                           "server.cluster-validation.grpc.enabled", "server.cluster-validation.grpc.soft-validation",
                           "server.cluster-validation.http.enabled", "server.cluster-validation.http.soft-validation"}) {
    flags.Accepted(name, Kind::kBool);
  }
  for (const char* name : {"server.grpc-listen-port", "server.grpc-conn-limit", "server.grpc-max-recv-msg-size-bytes",
                           "server.grpc-max-send-msg-size-bytes", "server.grpc-max-concurrent-streams",
                           "server.grpc.num-workers"}) {
    flags.Accepted(name, Kind::kInt);
  }
  for (const char* name : {"server.http-read-header-timeout", "server.grpc.keepalive.max-connection-idle",
                           "server.grpc.keepalive.max-connection-age", "server.grpc.keepalive.max-connection-age-grace",
                           "server.grpc.keepalive.time", "server.grpc.keepalive.timeout",
                           "server.grpc.keepalive.min-time-between-pings", "server.throughput.latency-cutoff"}) {
    flags.Accepted(name, Kind::kDuration);
  }
}

std::shared_ptr<FlagSet> Declare(CommandLine& line) {
  auto flags = std::make_shared<FlagSet>("agent");
  DeclareActions(*flags, line);
  DeclareClient(*flags, line.overrides);
  DeclareReading(*flags, line.overrides);
  DeclareServer(*flags, line.overrides);
  DeclareAccepted(*flags);
  return flags;
}

}  // namespace

Result<CommandLine> ParseCommandLine(const std::vector<std::string>& words) {
  CommandLine line;
  line.flags = Declare(line);
  // Files may stand before flags: `agent --dry-run x.log --output=json`.
  std::vector<std::string> rest = words;
  while (true) {
    if (Status parsed = line.flags->Parse(rest); !parsed) return Forward(parsed);
    rest = line.flags->rest();
    if (rest.empty()) break;
    line.files.push_back(rest.front());
    rest.erase(rest.begin());
  }
  line.help = line.flags->help_wanted();
  if (!line.files.empty() && !line.dry_run) {
    return Fail(Code::kConfig, "unexpected word \"" + line.files.front() +
                                   "\"; files may be given with --dry-run only (see agent -help)");
  }
  if (line.cardinality && (!line.dry_run || line.files.empty())) {
    return Fail(Code::kConfig, "-cardinality is a kind of dry run: agent --dry-run --cardinality FILE...");
  }
  if (line.dry_run && line.files.empty() && line.config_file.empty() && !line.from_stdin) {
    return Fail(Code::kConfig, "-dry-run needs files to read (- is standard input): agent --dry-run FILE..., "
                               "or a configuration that names them");
  }
  if (line.from_stdin && !line.files.empty()) {
    return Fail(Code::kConfig, "-stdin reads standard input only; leave out " + line.files.front());
  }
  const std::string& level = line.overrides.log_level;
  if (level != "debug" && level != "info" && level != "warn" && level != "error") {
    return Fail(Code::kConfig, "-log.level is \"" + level + "\"; it must be debug, info, warn or error");
  }
  if (auto labels = ParseExternalLabels(line.overrides.external_labels); !labels) {
    return Fail(Code::kConfig, "-client.external-labels: " + labels.error().what);
  }
  if (line.output != "text" && line.output != "json") {
    return Fail(Code::kConfig, "-output is \"" + line.output + "\"; it must be text or json");
  }
  if (line.lanes < 1 || line.lanes > 64) {
    return Fail(Code::kConfig, "-lanes is " + std::to_string(line.lanes) + "; it must be from 1 to 64");
  }
  return line;
}

std::string ShortHelp() {
  return R"(Sluice's node agent: carries log files to Loki. Reads promtail.yaml as it is.

  agent --config.file=promtail.yaml          run with a configuration
  agent --client.url=http://loki:3100/loki/api/v1/push
                                             run with the built-in one: tail /var/log/pods
  agent --dry-run FILE...                    print what would be sent (- is standard input)
  agent --config.file=F --dry-run FILE...    the same, through the pipelines of F
  agent --dry-run --cardinality ... FILE...  streams and label values that it would make
  agent --config.file=F --stdin [--dry-run]  lines from standard input; --inspect: every stage
  agent check --config.file=F                check it, and say what is suspicious
  agent test FILE...                         run the unit tests of pipelines
  agent replay --config.file=F --from-node-files=DIR [--diff=OTHER]
                                             all but the push; what a change does
Ask a running agent (--addr=127.0.0.1:9080; its live page is at / there):
  agent explain POD                          why are there no logs of POD?
  agent tail --pod=POD --grep=RE             lines as they are sent
  agent targets | agent ledger               what is read; what was lost or dropped

A changed file, SIGHUP or POST /reload: the configuration is loaded again.
Often used flags (agent -help-all: every one; agent COMMAND --help):
  --config.file  --config.expand-env  --client.url  --client.external-labels
  --positions.file  --server.http-listen-port  --log.level  --lanes  --memory-limit
  --output=json  --print-config-stderr  --version
)";
}

std::vector<config::FlagSet::Description> DescribeFlags() {
  CommandLine line;
  return Declare(line)->Describe();
}

std::string FlagHelp() {
  CommandLine line;
  return Declare(line)->Usage();
}

}  // namespace agent::app
