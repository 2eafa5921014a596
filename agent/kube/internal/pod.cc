// SPDX-License-Identifier: Apache-2.0
#include "agent/kube/internal/pod.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "agent/text/utf8.h"

namespace agent::kube {
namespace {

using text::JsonMember;
using text::JsonValue;

constexpr std::string_view kMeta = "__meta_kubernetes_";
constexpr std::string_view kPodMeta = "__meta_kubernetes_pod_";
constexpr std::string_view kConfigHash = "kubernetes.io/config.hash";

// -- the packed form: texts with their lengths, in this order --
enum Field { kNamespace, kName, kUid, kIp, kHostIp, kNode, kPhase, kReady, kOwnerKind, kOwnerName, kFields };

class Packer {
 public:
  void Text(std::string_view text) {
    Number(text.size());
    out_.append(text);
  }
  void Number(size_t number) {
    for (; number >= 0x80; number >>= 7) out_ += static_cast<char>(number | 0x80);
    out_ += static_cast<char>(number);
  }
  std::string Take() {
    out_.shrink_to_fit();
    return std::move(out_);
  }

 private:
  std::string out_;
};

class Unpacker {
 public:
  explicit Unpacker(std::string_view packed) : rest_(packed) {}
  std::string_view Text() {
    const size_t size = Number();
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(text.size());
    return text;
  }
  size_t Number() {
    size_t number = 0;
    for (int shift = 0; !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      number |= static_cast<size_t>(byte & 0x7F) << shift;
      if (byte < 0x80) break;
    }
    return number;
  }

 private:
  std::string_view rest_;
};

// -- reading --

const JsonValue* At(const JsonValue& object, std::initializer_list<std::string_view> path) {
  const JsonValue* at = &object;
  for (const std::string_view key : path) {
    at = at->Find(key);
    if (at == nullptr) return nullptr;
  }
  return at;
}

std::string_view TextAt(const JsonValue& object, std::initializer_list<std::string_view> path) {
  const JsonValue* at = At(object, path);
  return at != nullptr && at->is(JsonValue::Kind::kString) ? at->text : std::string_view{};
}

JsonValue::Items ItemsAt(const JsonValue& object, std::initializer_list<std::string_view> path) {
  const JsonValue* at = At(object, path);
  return at != nullptr && at->is(JsonValue::Kind::kArray) ? at->array : JsonValue::Items{nullptr, 0};
}

std::string Sanitized(std::string_view name) {
  std::string out;
  while (!name.empty()) {  // one '_' for each character, however many bytes it has
    const text::Rune rune = text::DecodeRune(name);
    const bool plain = rune.code < 0x80 && (std::isalnum(static_cast<int>(rune.code)) != 0 || rune.code == '_');
    out += plain ? name.front() : '_';
    name.remove_prefix(rune.size);
  }
  return out;
}

std::string ReadyOf(const JsonValue& pod) {
  for (const JsonValue& condition : ItemsAt(pod, {"status", "conditions"})) {
    if (TextAt(condition, {"type"}) != "Ready") continue;
    std::string status(TextAt(condition, {"status"}));
    std::transform(status.begin(), status.end(), status.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return status;
  }
  return "unknown";
}

void PackMap(Packer& packer, const JsonValue* map, const std::function<std::string_view(const JsonMember&)>& value_of) {
  const bool is_map = map != nullptr && map->is(JsonValue::Kind::kObject);
  const JsonValue::Members members = is_map ? map->object : JsonValue::Members{nullptr, 0};
  packer.Number(static_cast<size_t>(std::count_if(members.begin(), members.end(), [](const JsonMember& member) {
    return member.value.is(JsonValue::Kind::kString);
  })));
  for (const JsonMember& member : members) {
    if (!member.value.is(JsonValue::Kind::kString)) continue;
    packer.Text(member.key);
    packer.Text(value_of(member));
  }
}

std::string_view ContainerId(const JsonValue& pod, std::string_view statuses, std::string_view name) {
  for (const JsonValue& status : ItemsAt(pod, {"status", statuses})) {
    if (TextAt(status, {"name"}) == name) return TextAt(status, {"containerID"});
  }
  return {};
}

void PackContainers(Packer& packer, const JsonValue& pod, std::string_view list, std::string_view statuses) {
  const JsonValue::Items containers = ItemsAt(pod, {"spec", list});
  packer.Number(containers.size);
  for (const JsonValue& container : containers) {
    const std::string_view name = TextAt(container, {"name"});
    packer.Text(name);
    packer.Text(ContainerId(pod, statuses, name));
    packer.Text(TextAt(container, {"image"}));
    const JsonValue::Items ports = ItemsAt(container, {"ports"});
    packer.Number(ports.size);
    for (const JsonValue& port : ports) {
      const JsonValue* number = port.Find("containerPort");
      const bool valid = number != nullptr && number->is(JsonValue::Kind::kNumber) && number->number >= 0 && number->number < 65536;
      packer.Number(valid ? static_cast<size_t>(number->number) : 0);
      packer.Text(TextAt(port, {"name"}));
      packer.Text(TextAt(port, {"protocol"}));
    }
  }
}

void PackFields(Packer& packer, const JsonValue& pod) {
  std::array<std::string_view, kFields> fields;
  const std::string ready = ReadyOf(pod);
  fields[kNamespace] = TextAt(pod, {"metadata", "namespace"});
  fields[kName] = TextAt(pod, {"metadata", "name"});
  fields[kUid] = TextAt(pod, {"metadata", "uid"});
  fields[kIp] = TextAt(pod, {"status", "podIP"});
  fields[kHostIp] = TextAt(pod, {"status", "hostIP"});
  fields[kNode] = TextAt(pod, {"spec", "nodeName"});
  fields[kPhase] = TextAt(pod, {"status", "phase"});
  fields[kReady] = ready;
  for (const JsonValue& owner : ItemsAt(pod, {"metadata", "ownerReferences"})) {
    const JsonValue* controller = owner.Find("controller");
    if (controller == nullptr || !controller->is(JsonValue::Kind::kBool) || !controller->flag) continue;
    fields[kOwnerKind] = TextAt(owner, {"kind"});
    fields[kOwnerName] = TextAt(owner, {"name"});
    break;
  }
  for (const std::string_view field : fields) packer.Text(field);
}

// -- labels --

class Labels {
 public:
  explicit Labels(LabelMap& labels) : labels_(labels) {}
  // An empty label is no label.
  void Set(std::string_view prefix, std::string_view name, std::string_view value) {
    if (value.empty()) return;
    std::string key(prefix);
    key += name;
    labels_[std::move(key)] = value;
  }
  void SetMap(Unpacker& packed, std::string_view kind) {
    const std::string prefix = std::string(kPodMeta) + std::string(kind);
    for (size_t count = packed.Number(); count > 0; --count) {
      const std::string name = Sanitized(packed.Text());
      Set(prefix + "_", name, packed.Text());
      Set(prefix + "present_", name, "true");
    }
  }

 private:
  LabelMap& labels_;
};

// A name without "-SUFFIX", or empty if it does not end so.
std::string_view WithoutSuffix(std::string_view name, std::string_view suffix) {
  if (suffix.empty() || name.size() < suffix.size() + 2 || !name.ends_with(suffix)) return {};
  name.remove_suffix(suffix.size());
  return name.back() == '-' ? name.substr(0, name.size() - 1) : std::string_view{};
}

// Owners' owners are told from names: a ReplicaSet is called DEPLOYMENT-HASH with the
// pod's own hash, a Job of a CronJob is called CRONJOB-MINUTES.
void SetOwners(const PodDiscoveryOptions& options, std::string_view kind, std::string_view name, LabelMap& labels) {
  Labels set(labels);
  if (options.attach_deployment && kind == "ReplicaSet") {
    const auto hash = labels.find(std::string(kPodMeta) + "label_pod_template_hash");
    if (hash != labels.end()) set.Set(kPodMeta, "deployment_name", WithoutSuffix(name, hash->second));
  }
  if (kind != "Job") return;
  if (options.attach_job) set.Set(kPodMeta, "job_name", name);
  const size_t dash = name.rfind('-');
  if (!options.attach_cronjob || dash == std::string_view::npos) return;
  const std::string_view minutes = name.substr(dash + 1);
  const bool digits = std::all_of(minutes.begin(), minutes.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (digits && minutes.size() >= 8) set.Set(kPodMeta, "cronjob_name", name.substr(0, dash));
}

std::string HostPort(std::string_view ip, size_t port) {
  const bool v6 = ip.find(':') != std::string_view::npos;
  return (v6 ? "[" + std::string(ip) + "]" : std::string(ip)) + ":" + std::to_string(port);
}

// Calls `each` with the labels of every target; false ends it.
void ForEachTarget(std::string_view packed, const PodDiscoveryOptions& options,
                   const std::function<bool(std::string_view ip, std::string_view container, LabelMap labels)>& each) {
  Unpacker in(packed);
  LabelMap pod;
  Labels set(pod);
  std::array<std::string_view, kFields> fields;
  for (std::string_view& field : fields) field = in.Text();
  set.Set(kMeta, "namespace", fields[kNamespace]);
  set.Set(kPodMeta, "name", fields[kName]);
  set.Set(kPodMeta, "uid", fields[kUid]);
  set.Set(kPodMeta, "ip", fields[kIp]);
  set.Set(kPodMeta, "host_ip", fields[kHostIp]);
  set.Set(kPodMeta, "node_name", fields[kNode]);
  set.Set(kPodMeta, "phase", fields[kPhase]);
  set.Set(kPodMeta, "ready", fields[kReady]);
  set.Set(kPodMeta, "controller_kind", fields[kOwnerKind]);
  set.Set(kPodMeta, "controller_name", fields[kOwnerName]);
  set.SetMap(in, "label");
  set.SetMap(in, "annotation");
  SetOwners(options, fields[kOwnerKind], fields[kOwnerName], pod);
  for (const bool init : {false, true}) {
    for (size_t containers = in.Number(); containers > 0; --containers) {
      LabelMap labels = pod;
      Labels own(labels);
      const std::string_view name = in.Text();
      own.Set(kPodMeta, "container_name", name);
      own.Set(kPodMeta, "container_id", in.Text());
      own.Set(kPodMeta, "container_image", in.Text());
      own.Set(kPodMeta, "container_init", init ? "true" : "false");
      size_t ports = in.Number();
      if (ports == 0) {
        own.Set("", "__address__", fields[kIp]);
        if (!each(fields[kIp], name, std::move(labels))) return;
        continue;
      }
      for (; ports > 0; --ports) {
        LabelMap with_port = labels;
        Labels port(with_port);
        const size_t number = in.Number();
        port.Set("", "__address__", HostPort(fields[kIp], number));
        port.Set(kPodMeta, "container_port_number", std::to_string(number));
        port.Set(kPodMeta, "container_port_name", in.Text());
        port.Set(kPodMeta, "container_port_protocol", in.Text());
        if (!each(fields[kIp], name, std::move(with_port))) return;
      }
    }
  }
}

}  // namespace

std::optional<Pod> ReadPod(const JsonValue& object, const LabelFilter& wanted) {
  const std::string_view uid = TextAt(object, {"metadata", "uid"});
  if (uid.empty() || TextAt(object, {"metadata", "namespace"}).empty() || TextAt(object, {"metadata", "name"}).empty()) {
    return std::nullopt;
  }
  Packer packer;
  PackFields(packer, object);
  PackMap(packer, At(object, {"metadata", "labels"}), [](const JsonMember& member) { return member.value.text; });
  PackMap(packer, At(object, {"metadata", "annotations"}), [&](const JsonMember& member) {
    const std::string_view value = member.value.text;
    if (value.size() <= kMaxUnreadAnnotation || !wanted) return value;
    if (wanted(std::string(kPodMeta) + "annotation_" + Sanitized(member.key))) return value;
    return value.substr(0, kMaxUnreadAnnotation);
  });
  PackContainers(packer, object, "containers", "containerStatuses");
  PackContainers(packer, object, "initContainers", "initContainerStatuses");
  Pod pod;
  pod.uid = uid;
  pod.packed = packer.Take();
  pod.config_hash = TextAt(object, {"metadata", "annotations", kConfigHash});
  return pod;
}

void AppendTargets(std::string_view packed, const PodDiscoveryOptions& options, std::vector<DiscoveredTarget>& out) {
  ForEachTarget(packed, options, [&](std::string_view ip, std::string_view, LabelMap labels) {
    if (ip.empty()) return false;
    out.push_back({std::move(labels)});
    return true;
  });
}

std::optional<LabelMap> LabelsOfContainer(std::string_view packed, const PodDiscoveryOptions& options,
                                          std::string_view container) {
  std::optional<LabelMap> out;
  ForEachTarget(packed, options, [&](std::string_view, std::string_view name, LabelMap labels) {
    if (name != container) return true;
    out = std::move(labels);
    return false;
  });
  return out;
}

}  // namespace agent::kube
