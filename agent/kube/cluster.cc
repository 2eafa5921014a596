// SPDX-License-Identifier: Apache-2.0
#include "agent/kube/cluster.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace agent::kube {
namespace {

constexpr const char* kServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

std::unexpected<Error> Bad(std::string what) { return Fail(Code::kConfig, std::move(what)); }

std::string Trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

http::ClientOptions ServiceAccountHttp() {
  http::ClientOptions http;
  http.authorization.credentials_file = std::string(kServiceAccount) + "/token";
  http.tls.ca_file = std::string(kServiceAccount) + "/ca.crt";
  return http;
}

Result<ClusterAccess> InCluster(const Surroundings& surroundings) {
  const char* host = surroundings.environment("KUBERNETES_SERVICE_HOST");
  const char* port = surroundings.environment("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr || *host == '\0' || *port == '\0') {
    return Bad("not in a Kubernetes cluster (KUBERNETES_SERVICE_HOST and _PORT are not set); "
               "give api_server or kubeconfig_file");
  }
  const std::string name = host;
  ClusterAccess access;
  access.url = "https://" + (name.find(':') == std::string::npos ? name : "[" + name + "]") + ":" + port;
  access.http = ServiceAccountHttp();
  return access;
}

Result<ClusterAccess> Kubelet(const PodDiscoveryOptions& options) {
  ClusterAccess access;
  access.url = options.kubelet_url;
  access.http = options.http;
  const bool secure = access.url.starts_with("https:");
  const http::ClientOptions own = ServiceAccountHttp();
  const bool authenticated = access.http.authorization.set() || access.http.basic_auth.set() ||
                             access.http.oauth2.set() || !access.http.tls.cert_file.empty() ||
                             !access.http.tls.cert.empty();
  if (secure && !authenticated) access.http.authorization = own.authorization;
  const http::TlsOptions& tls = access.http.tls;
  if (secure && tls.ca.empty() && tls.ca_file.empty() && !tls.insecure_skip_verify) {
    access.http.tls.ca_file = own.tls.ca_file;
  }
  return access;
}

// -- kubeconfig --

const config::Node* Named(const config::Node& root, std::string_view list, std::string_view name, std::string_view what) {
  const config::Node* items = root.Find(list);
  if (items == nullptr || !items->is_sequence()) return nullptr;
  for (const config::Node& item : items->items) {
    const config::Node* own = item.Find("name");
    if (own != nullptr && own->scalar == name) return item.Find(what);
  }
  return nullptr;
}

std::string Text(const config::Node& map, std::string_view key) {
  const config::Node* found = map.Find(key);
  return found == nullptr || found->is_null() || !found->is_scalar() ? std::string() : found->scalar;
}

Result<std::string> Base64(std::string_view text, std::string_view key) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=' || c == '\n' || c == '\r' || c == ' ') continue;
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return Bad(std::string(key) + " is not base64");
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xFF);
  }
  return out;
}

class Kubeconfig {
 public:
  Kubeconfig(const config::Node& root, const std::string& path) : root_(root), path_(path) {}

  Result<ClusterAccess> Read() {
    const std::string current = Text(root_, "current-context");
    const config::Node* context = Named(root_, "contexts", current, "context");
    if (context == nullptr) return Bad(path_ + ": there is no context \"" + current + "\" (current-context)");
    const std::string cluster_name = Text(*context, "cluster");
    const config::Node* cluster = Named(root_, "clusters", cluster_name, "cluster");
    if (cluster == nullptr) return Bad(path_ + ": there is no cluster \"" + cluster_name + "\"");
    ClusterAccess access;
    access.url = Text(*cluster, "server");
    if (const Status good = http::CheckUrl(access.url); !good) {
      return Bad(path_ + ": server of cluster \"" + cluster_name + "\": " + good.error().what);
    }
    while (access.url.ends_with('/')) access.url.pop_back();
    if (const Status read = ReadCluster(*cluster, access.http); !read) return Bad(path_ + ": " + read.error().what);
    const std::string user_name = Text(*context, "user");
    if (user_name.empty()) return access;
    const config::Node* user = Named(root_, "users", user_name, "user");
    if (user == nullptr) return Bad(path_ + ": there is no user \"" + user_name + "\"");
    if (const Status read = ReadUser(*user, access.http); !read) {
      return Bad(path_ + ": user \"" + user_name + "\": " + read.error().what);
    }
    return access;
  }

 private:
  // The value of KEY-data (decoded), or the path KEY names.
  Status TextOrFile(const config::Node& map, const std::string& key, std::string& text, std::string& file) {
    if (const std::string data = Text(map, key + "-data"); !data.empty()) {
      Result<std::string> decoded = Base64(data, key + "-data");
      if (!decoded) return Forward(decoded);
      text = std::move(*decoded);
    } else if (const std::string name = Text(map, key); !name.empty()) {
      file = Beside(name);
    }
    return {};
  }
  // Relative names are relative to the kubeconfig file.
  std::string Beside(const std::string& name) const {
    const std::filesystem::path path(name);
    return path.is_absolute() ? name : (std::filesystem::path(path_).parent_path() / path).string();
  }

  Status ReadCluster(const config::Node& cluster, http::ClientOptions& http) {
    http.tls.insecure_skip_verify = Text(cluster, "insecure-skip-tls-verify") == "true";
    http.tls.server_name = Text(cluster, "tls-server-name");
    http.proxy.url = Text(cluster, "proxy-url");
    return TextOrFile(cluster, "certificate-authority", http.tls.ca, http.tls.ca_file);
  }

  Status ReadUser(const config::Node& user, http::ClientOptions& http) {
    for (const char* key : {"exec", "auth-provider"}) {
      if (const config::Node* found = user.Find(key); found != nullptr && !found->is_null()) {
        return Bad(std::string(key) + " is not supported: Sluice runs no other program; use a token or a certificate");
      }
    }
    if (Status read = TextOrFile(user, "client-certificate", http.tls.cert, http.tls.cert_file); !read) return read;
    if (Status read = TextOrFile(user, "client-key", http.tls.key, http.tls.key_file); !read) return read;
    http.authorization.credentials = Text(user, "token");
    if (const std::string file = Text(user, "tokenFile"); !file.empty()) {  // wins, as in Kubernetes' own clients
      http.authorization.credentials.clear();
      http.authorization.credentials_file = Beside(file);
    }
    http.basic_auth.username = Text(user, "username");
    http.basic_auth.password = Text(user, "password");
    if (http.basic_auth.set() && http.authorization.set()) return Bad("has both a token and a password");
    return {};
  }

  const config::Node& root_;
  const std::string& path_;
};

Result<ClusterAccess> Base(const PodDiscoveryOptions& options, const Surroundings& surroundings) {
  if (options.source == PodDiscoveryOptions::Source::kKubelet) return Kubelet(options);
  if (!options.api_server.empty()) return ClusterAccess{.url = options.api_server, .http = options.http, .namespaces = {}};
  if (options.kubeconfig_file.empty()) return InCluster(surroundings);
  Result<std::string> text = surroundings.read_file(options.kubeconfig_file);
  if (!text) return Bad("kubeconfig_file: " + text.error().what);
  return ReadKubeconfig(*text, options.kubeconfig_file);
}

}  // namespace

Surroundings RealSurroundings() {
  return {.environment = [](const char* name) -> const char* { return std::getenv(name); },
          .read_file = [](const std::string& path) -> Result<std::string> {
            std::ifstream file(path, std::ios::binary);
            if (!file) return Fail(Code::kNotFound, "cannot open " + path);
            return std::string(std::istreambuf_iterator<char>(file), {});
          }};
}

Result<ClusterAccess> ReadKubeconfig(std::string_view text, const std::string& path) {
  Diagnostics diagnostics;
  const config::Node root = config::ParseYaml(text, path, diagnostics);
  if (!diagnostics.ok()) return Bad(Trimmed(diagnostics.Text()));
  if (!root.is_map()) return Bad(path + ": is not a kubeconfig file");
  return Kubeconfig(root, path).Read();
}

Result<ClusterAccess> FindCluster(const PodDiscoveryOptions& options, const Surroundings& surroundings) {
  Result<ClusterAccess> access = Base(options, surroundings);
  if (!access) return access;
  access->namespaces = options.namespaces;
  if (options.own_namespace) {
    Result<std::string> own = surroundings.read_file(std::string(kServiceAccount) + "/namespace");
    if (!own || Trimmed(*own).empty()) {
      return Bad("namespaces.own_namespace: cannot read the pod's own namespace from " + std::string(kServiceAccount) +
                 "/namespace");
    }
    const std::string name = Trimmed(*own);
    if (std::find(access->namespaces.begin(), access->namespaces.end(), name) == access->namespaces.end()) {
      access->namespaces.push_back(name);
    }
  }
  return access;
}

}  // namespace agent::kube
