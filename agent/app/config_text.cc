// SPDX-License-Identifier: Apache-2.0
// The configuration in effect as text, secrets masked.
#include <algorithm>
#include <array>

#include "agent/app/settings.h"
#include "agent/http/options.h"

namespace agent::app {
namespace {

constexpr std::array kSecrets = {"password", "credentials", "bearer_token", "client_secret", "secrets", "token",
                                 "client_certificate_key", "key"};

bool IsSecret(const std::string& key) {
  return std::any_of(kSecrets.begin(), kSecrets.end(), [&](const char* secret) { return key == secret; });
}

void Mask(config::Node& node) {
  for (auto& [key, value] : node.members) {
    const bool set = value.is_sequence() || (value.is_scalar() && !value.scalar.empty());
    if (IsSecret(key.scalar) && set) {
      value = config::Node{};
      value.kind = config::Node::Kind::kScalar;
      value.scalar = "<secret>";
    } else if (value.is_scalar() && key.scalar.ends_with("url")) {
      value.scalar = http::MaskUrl(value.scalar);
    } else if (key.scalar == "headers") {
      for (auto& header : value.members) header.second.scalar = "<secret>";
    } else {
      Mask(value);
    }
  }
  for (config::Node& item : node.items) Mask(item);
}

}  // namespace

std::string Settings::Text() const {
  if (tree == nullptr) return {};
  config::Node masked = *tree;
  // Clients as they are in effect, those of the command line too.
  config::Node list;
  list.kind = config::Node::Kind::kSequence;
  for (const push::ClientOptions& client : clients) list.items.push_back(push::Encode(client));
  std::erase_if(masked.members, [](const auto& member) {
    return member.first.scalar == "clients" || member.first.scalar == "client";
  });
  config::Node key;
  key.kind = config::Node::Kind::kScalar;
  key.scalar = "clients";
  if (masked.kind == config::Node::Kind::kNull) masked.kind = config::Node::Kind::kMap;
  masked.members.emplace_back(std::move(key), std::move(list));
  Mask(masked);
  return config::WriteYaml(masked);
}

std::vector<std::string> Settings::ClientTexts() const {
  std::vector<std::string> out;
  for (const push::ClientOptions& client : clients) {
    config::Node node = push::Encode(client);
    Mask(node);
    out.push_back(config::WriteYaml(node));
  }
  return out;
}

}  // namespace agent::app
