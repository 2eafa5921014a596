// SPDX-License-Identifier: Apache-2.0
#include "agent/app/reload.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "agent/core/log.h"

namespace agent::app {
namespace {

constexpr const char* kSucceeded = "promtail_config_reload_success_total";
constexpr const char* kFailed = "promtail_config_reload_fail_total";

metrics::Counter& Succeeded(metrics::Registry& registry) {
  return registry.GetCounter(kSucceeded, "Number of reload success times.");
}
metrics::Counter& Failed(metrics::Registry& registry) {
  return registry.GetCounter(kFailed, "Number of reload fail times.");
}
metrics::Gauge& Good(metrics::Registry& registry) {
  return registry.GetGauge("sluice_config_good", "1 if the last text of the configuration was taken; 0 if it was refused.");
}
metrics::Gauge& LoadedAt(metrics::Registry& registry) {
  return registry.GetGauge("sluice_config_loaded_timestamp_seconds", "When the configuration in use was loaded.");
}

// What is left of a job that is not in the configuration any more: nothing is found for
// it, and what it has read goes through its pipeline.
ScrapeConfig Retired(const ScrapeConfig& old) {
  ScrapeConfig retired;
  retired.job = old.job;
  retired.path = old.path;
  retired.pipeline = old.pipeline;
  retired.pipeline_text = old.pipeline_text;
  retired.unpacking = old.unpacking;
  retired.retired = true;
  return retired;
}

// The key of `fresh` that only a restart can follow, in a sentence; empty: none.
std::string WhatCannotChange(const Settings& old, const Settings& fresh) {
  const auto on_off = [](bool on) { return std::string(on ? "true" : "false"); };
  const std::array<std::array<std::string, 3>, 5> keys = {{
      {"server.disable", on_off(old.server.disable), on_off(fresh.server.disable)},
      {"server.http_listen_network", old.server.network, fresh.server.network},
      {"server.http_listen_address", old.server.address, fresh.server.address},
      {"server.http_listen_port", std::to_string(old.server.port), std::to_string(fresh.server.port)},
      {"positions.filename", old.positions.filename, fresh.positions.filename},
  }};
  for (const auto& [key, before, after] : keys) {
    if (before == after) continue;
    return fmt::format(
        "{} cannot change while the agent runs (from \"{}\" to \"{}\"): restart the agent, or put the old value back",
        key, before, after);
  }
  return {};
}

}  // namespace

void ArrangeLike(const Settings& old, Settings& fresh) {
  std::vector<ScrapeConfig> arranged;
  for (const ScrapeConfig& before : old.scrapes) {
    const auto now = std::find_if(fresh.scrapes.begin(), fresh.scrapes.end(),
                                  [&](const ScrapeConfig& scrape) { return scrape.job == before.job; });
    if (now == fresh.scrapes.end()) {
      arranged.push_back(Retired(before));
      continue;
    }
    if (now->pipeline_text == before.pipeline_text) now->pipeline = before.pipeline;
    arranged.push_back(std::move(*now));
    fresh.scrapes.erase(now);
  }
  for (ScrapeConfig& scrape : fresh.scrapes) arranged.push_back(std::move(scrape));
  fresh.scrapes = std::move(arranged);
  fresh.tail.unpacking.clear();
  for (const ScrapeConfig& scrape : fresh.scrapes) fresh.tail.unpacking.push_back(scrape.unpacking);
}

Reloader::Reloader(const CommandLine& line, std::shared_ptr<const Settings> settings, metrics::Registry& registry,
                   Clock& clock, platform::Fs& fs, Apply apply)
    : line_(line),
      current_(std::move(settings)),
      registry_(registry),
      clock_(clock),
      fs_(fs),
      apply_(std::move(apply)),
      text_(current_->text),
      seen_(LookAtFile()),
      loaded_at_(clock.Wall()) {
  Succeeded(registry_);
  Failed(registry_);
  Good(registry_).Set(1);
  LoadedAt(registry_).Set(static_cast<double>(loaded_at_) / 1e9);
  if (line_.config_watch && !current_->file.empty()) next_look_ = clock_.Now() + kLookEvery;
}

Reloader::Look Reloader::LookAtFile() const {
  const auto stat = fs_.Stat(current_->file);
  if (!stat) return {};
  return {.device = stat->device, .inode = stat->inode, .size = stat->size, .modified_ns = stat->modified_ns};
}

void Reloader::Tick(MonoTime now) {
  if (now < next_look_) return;
  next_look_ = now + kLookEvery;
  const Look look = LookAtFile();
  // A file that is not there now is being replaced, or its volume is; not a wish.
  if (look == seen_ || look == Look{}) return;
  seen_ = look;
  std::string file;
  Diagnostics diagnostics;
  const auto text = ReadConfiguration(line_, file, diagnostics);
  if (text && diagnostics.ok() && *text == text_) return;
  (void)Reload("the file changed");  // which has said what it thinks of it
}

Status Reloader::Refuse(std::string what) {
  Failed(registry_).Add();
  Good(registry_).Set(0);
  last_error_ = std::move(what);
  LogError("the new configuration is refused; the old one goes on", {{"err", last_error_}});
  return Fail(Code::kConfig, last_error_);
}

Status Reloader::Reload(const char* why) {
  Diagnostics diagnostics;
  auto fresh = std::make_shared<Settings>(LoadSettings(line_, true, diagnostics, registry_));
  seen_ = LookAtFile();
  text_ = fresh->text;
  if (!diagnostics.ok()) {
    std::string text = diagnostics.Text();
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return Refuse(std::move(text));
  }
  for (const Diagnostic& warning : diagnostics.all()) {
    LogWarn("configuration", {{"key", warning.key}, {"line", warning.place.line}, {"warning", warning.message}});
  }
  if (std::string what = WhatCannotChange(*current_, *fresh); !what.empty()) return Refuse(std::move(what));
  ArrangeLike(*current_, *fresh);
  if (Status applied = apply_(*current_, fresh); !applied) return Refuse(applied.error().what);
  SetLogLevel(fresh->server.log_level);
  SetLogJson(fresh->server.log_json);
  current_ = fresh;
  last_error_.clear();
  loaded_at_ = clock_.Wall();
  Succeeded(registry_).Add();
  Good(registry_).Set(1);
  LoadedAt(registry_).Set(static_cast<double>(loaded_at_) / 1e9);
  LogInfo("the configuration was loaded again", {{"why", why}, {"config", current_->file}});
  return {};
}

}  // namespace agent::app
