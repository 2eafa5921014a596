// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "agent/push/options.h"

namespace agent::push {
namespace {

using config::MapReader;
using config::Node;

constexpr Duration kShortestWait = std::chrono::milliseconds(10);
constexpr uint32_t kMostParallel = 64;

bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

bool IsLabelName(std::string_view name) {
  const auto letter = [](unsigned char c) { return std::isalpha(c) != 0 || c == '_'; };
  const auto more = [&](unsigned char c) { return letter(c) || std::isdigit(c) != 0; };
  return !name.empty() && letter(static_cast<unsigned char>(name[0])) && std::all_of(name.begin(), name.end(), more);
}

bool IsHeaderName(std::string_view name) {
  static constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || kOthers.find(c) != std::string_view::npos;
  });
}

void ReadBackoff(MapReader& reader, BackoffOptions& backoff) {
  const Node* node = reader.Child("backoff_config");
  if (node == nullptr) return;
  MapReader inner(*node, reader.PathOf("backoff_config"), reader.diagnostics());
  inner.GoDuration("min_period", backoff.min_period);
  inner.GoDuration("max_period", backoff.max_period);
  int64_t retries = 0;
  if (inner.Int("max_retries", retries)) {
    if (retries < 0) inner.Error("max_retries", "is a number of attempts; 0 means for ever");
    backoff.max_retries = static_cast<uint64_t>(std::max<int64_t>(retries, 0));
  }
  if (backoff.min_period < kShortestWait) {
    inner.Warning("min_period", "is shorter than 10ms; 10ms is used");
    backoff.min_period = kShortestWait;
  }
  inner.Finish();
}

// Headers that the program sets itself are left out, as Promtail does.
void ReadHeaders(MapReader& reader, ClientOptions& options) {
  LabelMap given;
  if (!reader.StringMap("headers", given)) return;
  for (auto& [name, value] : given) {
    const bool tenant = !options.tenant_id.empty() && SameName(name, "X-Scope-OrgID");
    if (SameName(name, "Content-Type") || SameName(name, "User-Agent") || tenant) {
      reader.Warning("headers", "the header " + name + " is set by the program; the value here has no effect");
      continue;
    }
    if (!IsHeaderName(name)) {
      reader.Error("headers", "\"" + name + "\" cannot be the name of a header");
    } else if (value.find_first_of("\r\n") != std::string::npos) {
      reader.Error("headers", "the header " + name + " has a value with a line break");
    }
    options.headers.emplace(name, std::move(value));
  }
}

void ReadExternalLabels(MapReader& reader, ClientOptions& options) {
  reader.StringMap("external_labels", options.external_labels);
  for (const auto& [name, value] : options.external_labels) {
    if (IsLabelName(name)) continue;
    reader.Error("external_labels", "\"" + name +
                                        "\" is no label name, and Loki would refuse every push; a name has letters, "
                                        "digits and underscores, and does not begin with a digit");
  }
}

std::string GoDuration(Duration duration) {
  const int64_t ns = duration.count();
  if (ns == 0) return "0s";
  if (ns < 1'000'000'000) {
    const bool ms = ns % 1'000'000 == 0;
    const bool us = ns % 1'000 == 0;
    return std::to_string(ms ? ns / 1'000'000 : us ? ns / 1'000 : ns) + (ms ? "ms" : us ? "us" : "ns");
  }
  const int64_t seconds = ns / 1'000'000'000;
  std::string fraction = std::to_string(1'000'000'000 + ns % 1'000'000'000);
  fraction[0] = '.';
  while (fraction.back() == '0') fraction.pop_back();
  if (fraction == ".") fraction.clear();
  std::string out;
  if (seconds >= 3600) out += std::to_string(seconds / 3600) + "h";
  if (seconds >= 60) out += std::to_string(seconds / 60 % 60) + "m";
  return out + std::to_string(seconds % 60) + fraction + "s";
}

Node Scalar(std::string text, bool quoted) {
  Node node;
  node.kind = Node::Kind::kScalar;
  node.scalar = std::move(text);
  node.quoted = quoted;
  return node;
}

void Put(Node& map, const char* key, std::string text, bool quoted = false) {
  map.members.emplace_back(Scalar(key, false), Scalar(std::move(text), quoted));
}

void PutMap(Node& map, const char* key, const LabelMap& labels) {
  if (labels.empty()) return;
  Node child;
  child.kind = Node::Kind::kMap;
  for (const auto& [name, value] : labels) child.members.emplace_back(Scalar(name, false), Scalar(value, true));
  map.members.emplace_back(Scalar(key, false), std::move(child));
}

Node Write(const ClientOptions& options, bool reveal) {
  Node map;
  map.kind = Node::Kind::kMap;
  if (!options.name.empty()) Put(map, "name", options.name, true);
  Put(map, "url", reveal ? options.url : http::MaskUrl(options.url), true);
  Put(map, "batchwait", GoDuration(options.batch_wait));
  Put(map, "batchsize", std::to_string(options.batch_size));
  http::Encode(options.http, map, reveal);
  PutMap(map, "headers", options.headers);
  Node backoff;
  backoff.kind = Node::Kind::kMap;
  Put(backoff, "min_period", GoDuration(options.backoff.min_period));
  Put(backoff, "max_period", GoDuration(options.backoff.max_period));
  Put(backoff, "max_retries", std::to_string(options.backoff.max_retries));
  map.members.emplace_back(Scalar("backoff_config", false), std::move(backoff));
  PutMap(map, "external_labels", options.external_labels);
  Put(map, "timeout", GoDuration(options.timeout));
  Put(map, "tenant_id", options.tenant_id, true);
  Put(map, "drop_rate_limited_batches", options.drop_rate_limited_batches ? "true" : "false");
  Put(map, "parallel", std::to_string(options.parallel));
  Put(map, "drop_refused_batches", options.drop_refused_batches ? "true" : "false");
  return map;
}

}  // namespace

ClientOptions DecodeClient(const Node& node, const std::string& path, Diagnostics& diagnostics, bool needs_url) {
  ClientOptions options;
  MapReader reader(node, path, diagnostics);
  reader.String("name", options.name);
  reader.String("url", options.url);
  if (options.url.empty() && !needs_url) {
    // Promtail passes over it.
  } else if (options.url.empty()) {
    reader.Error("url", "is missing: the address to push to, such as http://loki:3100/loki/api/v1/push");
  } else if (Status status = http::CheckUrl(options.url); !status) {
    reader.Error("url", status.error().what);
  }
  reader.String("tenant_id", options.tenant_id);
  reader.GoDuration("batchwait", options.batch_wait);
  const Node* size = reader.Child("batchsize");
  int64_t bytes = 0;
  if (size != nullptr && size->type() == Node::ScalarType::kFloat) {  // 1e6, which Promtail takes, too
    if (reader.Int("batchsize", bytes) && bytes > 0) options.batch_size = static_cast<uint64_t>(bytes);
  } else {
    reader.Bytes("batchsize", options.batch_size);
  }
  reader.GoDuration("timeout", options.timeout);
  ReadBackoff(reader, options.backoff);
  reader.Bool("drop_rate_limited_batches", options.drop_rate_limited_batches);
  ReadExternalLabels(reader, options);
  ReadHeaders(reader, options);
  http::Decode(reader, options.http);
  int64_t parallel = options.parallel;
  if (reader.Int("parallel", parallel)) {
    if (parallel < 1 || parallel > kMostParallel) {
      reader.Error("parallel", "is " + std::to_string(parallel) + "; it is a number of requests from 1 to 64");
    } else {
      options.parallel = static_cast<uint32_t>(parallel);
    }
  }
  reader.Bool("drop_refused_batches", options.drop_refused_batches);
  if (options.batch_wait < Duration::zero()) reader.Error("batchwait", "cannot be negative");
  if (options.timeout < Duration::zero()) reader.Error("timeout", "cannot be negative");
  reader.Finish();
  return options;
}

std::vector<ClientOptions> DecodeClients(const Node* clients, const Node* client, const LabelMap& extra_labels,
                                         Diagnostics& diagnostics) {
  std::vector<ClientOptions> out;
  std::vector<std::pair<Place, std::string>> places;
  LabelMap common = extra_labels;
  const Node* own = client == nullptr ? nullptr : client->Find("external_labels");
  if (common.empty() && own != nullptr && own->is_map()) {
    for (const auto& [name, value] : own->members) common[name.scalar] = value.scalar;
  }
  const auto add = [&](const Node& node, const std::string& path) {
    out.push_back(DecodeClient(node, path, diagnostics));
    if (&node == client && !extra_labels.empty()) out.back().external_labels.clear();
    out.back().external_labels.insert(common.begin(), common.end());
    places.emplace_back(node.place, path);
  };
  if (clients != nullptr && !clients->is_null()) {
    if (clients->is_sequence()) {
      for (size_t i = 0; i < clients->items.size(); ++i) add(clients->items[i], "clients[" + std::to_string(i) + "]");
    } else {
      diagnostics.AddError(clients->place, "clients", "is a list; put a dash before each client");
    }
  }
  const Node* url = client == nullptr ? nullptr : client->Find("url");
  if (url != nullptr && !url->is_null() && !url->scalar.empty()) {
    diagnostics.AddWarning(client->place, "client", "is deprecated; move it into the list `clients`");
    add(*client, "client");
    out.back().single_block = true;
  } else if (client != nullptr) {
    (void)DecodeClient(*client, "client", diagnostics, false);  // its keys must be right all the same
  }
  std::map<std::string, size_t> seen;
  for (size_t i = 0; i < out.size(); ++i) {
    const bool named = !out[i].name.empty();
    const std::string identity = named ? "name " + out[i].name : config::WriteYaml(Write(out[i], true));
    const auto [known, fresh] = seen.try_emplace(identity, i);
    if (fresh) continue;
    const std::string& first = places[known->second].second;
    diagnostics.AddError(places[i].first, places[i].second,
                         named ? "has the name \"" + out[i].name + "\", which " + first + " has too"
                               : "is the same as " + first + "; give one of them a name, or remove it");
  }
  return out;
}

Node Encode(const ClientOptions& options) { return Write(options, false); }

}  // namespace agent::push
