// SPDX-License-Identifier: Apache-2.0
#include "agent/source/options.h"

namespace agent::source {
namespace {

// Each item of a sequence through `decode`; anything but a sequence is an error.
template <class Item, class Decode>
std::vector<Item> DecodeList(const config::Node& node, const std::string& path, Diagnostics& diagnostics,
                             Decode decode) {
  std::vector<Item> items;
  if (node.is_null()) return items;
  if (!node.is_sequence()) {
    diagnostics.AddError(node.place, path, "expected a list");
    return items;
  }
  for (size_t i = 0; i < node.items.size(); ++i) {
    items.push_back(decode(node.items[i], path + "[" + std::to_string(i) + "]"));
  }
  return items;
}

bool HasSdSuffix(const std::string& file) {
  return file.ends_with(".json") || file.ends_with(".yml") || file.ends_with(".yaml");
}

}  // namespace

PositionsOptions DecodePositions(const config::Node& node, const std::string& path, Diagnostics& diagnostics) {
  PositionsOptions options;
  config::MapReader reader(node, path, diagnostics);
  reader.String("filename", options.filename);
  if (reader.GoDuration("sync_period", options.sync_period) && options.sync_period <= Duration::zero()) {
    reader.Error("sync_period", "must be longer than 0, e.g. 10s");
    options.sync_period = PositionsOptions().sync_period;
  }
  reader.Bool("ignore_invalid_yaml", options.ignore_invalid_yaml);
  reader.Finish();
  return options;
}

TargetConfig DecodeTargetConfig(const config::Node& node, const std::string& path, Diagnostics& diagnostics) {
  TargetConfig options;
  config::MapReader reader(node, path, diagnostics);
  if (reader.GoDuration("sync_period", options.sync_period) && options.sync_period <= Duration::zero()) {
    reader.Error("sync_period", "must be longer than 0, e.g. 10s");
    options.sync_period = TargetConfig().sync_period;
  }
  reader.Bool("stdin", options.standard_input);
  reader.Finish();
  return options;
}

FileWatchConfig DecodeFileWatch(const config::Node& node, const std::string& path, Diagnostics& diagnostics) {
  FileWatchConfig options;
  config::MapReader reader(node, path, diagnostics);
  const bool has_shortest = reader.GoDuration("min_poll_frequency", options.shortest);
  const bool has_longest = reader.GoDuration("max_poll_frequency", options.longest);
  reader.Finish();
  const FileWatchConfig defaults;
  if (options.shortest == Duration::zero() && options.longest == Duration::zero()) return defaults;
  if (options.shortest <= Duration::zero()) {
    reader.Error("min_poll_frequency", "must be longer than 0, e.g. 250ms");
    return defaults;
  }
  if (options.longest < options.shortest) {
    if (has_longest || !has_shortest) {
      reader.Error("max_poll_frequency", "must not be shorter than min_poll_frequency");
      return defaults;
    }
    options.longest = options.shortest;
  }
  return options;
}

TailerOptions::Unpacking DecodeDecompression(const config::Node& node, const std::string& path,
                                             Diagnostics& diagnostics) {
  TailerOptions::Unpacking options;
  config::MapReader reader(node, path, diagnostics);
  bool enabled = false;
  std::string format;
  reader.Bool("enabled", enabled);
  reader.String("format", format);
  reader.GoDuration("initial_delay", options.initial_delay);
  if (format == "gz") options.packing = Packing::kGzip;
  else if (format == "z") options.packing = Packing::kZlib;
  else if (format == "bz2") options.packing = Packing::kBzip2;
  else if (enabled) reader.Error("format", "\"" + format + "\" is none of gz, z, bz2");
  else if (!format.empty()) reader.Warning("format", "\"" + format + "\" is none of gz, z, bz2");
  reader.Finish();
  if (!enabled) return {};
  return options;
}

std::vector<StaticConfig> DecodeStaticConfigs(const config::Node& node, const std::string& path,
                                              Diagnostics& diagnostics) {
  return DecodeList<StaticConfig>(node, path, diagnostics, [&](const config::Node& item, const std::string& at) {
    StaticConfig config;
    config::MapReader reader(item, at, diagnostics);
    std::vector<std::string> targets;
    if (reader.StringList("targets", targets) && !targets.empty()) config.targets = std::move(targets);
    reader.StringMap("labels", config.labels);
    if (config.labels.contains("")) reader.Error("labels", "a label needs a name");
    reader.Finish();
    return config;
  });
}

std::vector<FileSdConfig> DecodeFileSdConfigs(const config::Node& node, const std::string& path,
                                              Diagnostics& diagnostics) {
  return DecodeList<FileSdConfig>(node, path, diagnostics, [&](const config::Node& item, const std::string& at) {
    FileSdConfig config;
    config::MapReader reader(item, at, diagnostics);
    reader.Require("files", reader.StringList("files", config.files) && !config.files.empty());
    for (const std::string& file : config.files) {
      const size_t slash = file.rfind('/');
      const size_t star = file.find('*');
      if (!HasSdSuffix(file)) {
        reader.Error("files", "\"" + file + "\" does not end in .json, .yml or .yaml");
      } else if (star != std::string::npos && slash != std::string::npos && star < slash) {
        reader.Error("files", "\"" + file + "\" may have a * in its last part only");
      }
    }
    if (reader.PrometheusDuration("refresh_interval", config.refresh_interval) &&
        config.refresh_interval <= Duration::zero()) {
      reader.Error("refresh_interval", "must be longer than 0, e.g. 5m");
      config.refresh_interval = FileSdConfig().refresh_interval;
    }
    reader.Finish();
    return config;
  });
}

}  // namespace agent::source
