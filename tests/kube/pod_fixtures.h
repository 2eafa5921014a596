// SPDX-License-Identifier: Apache-2.0
// Pods as an API server writes them: a Deployment's pod of a web shop with the fields
// that a v1.29 server returns, and lists and watch events around it.
#pragma once

#include <string>
#include <vector>

namespace agent::kube {

inline std::string Replace(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// NAME, UID and VERSION are put in. About 5 KB, most of it what no label needs.
inline std::string PodJson(const std::string& name, const std::string& uid, const std::string& version = "100",
                           const std::string& phase = "Running", const std::string& ip = "10.244.1.17") {
  std::string pod = R"({"metadata":{"name":"%NAME%","generateName":"cart-7d9f8b6c5-","namespace":"shop","uid":"%UID%",
"resourceVersion":"%VERSION%","creationTimestamp":"2026-03-02T10:00:00Z",
"labels":{"app.kubernetes.io/name":"cart","app.kubernetes.io/instance":"shop-eu","pod-template-hash":"7d9f8b6c5","empty":""},
"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"%LONG%","prometheus.io/scrape":"true","checksum/config":"4f6c0e8d"},
"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"cart-7d9f8b6c5","uid":"d5f1","controller":true,"blockOwnerDeletion":true}],
"managedFields":[{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","time":"2026-03-02T10:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:pod-template-hash":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"cart\"}":{".":{},"f:image":{}}}}}}]},
"spec":{"volumes":[{"name":"kube-api-access-x2x7v","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}}],"defaultMode":420}}],
"initContainers":[{"name":"migrate","image":"registry.example/shop/migrate:1.4.2","command":["/migrate","up"],"resources":{}}],
"containers":[
{"name":"cart","image":"registry.example/shop/cart:1.4.2","ports":[{"name":"http","containerPort":8080,"protocol":"TCP"},{"name":"metrics","containerPort":9090,"protocol":"TCP"}],"env":[{"name":"JAVA_OPTS","value":"-Xmx512m -Dlog={\"a\":[1,2]}"}],"resources":{"limits":{"memory":"1Gi"}},"volumeMounts":[{"name":"kube-api-access-x2x7v","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],"imagePullPolicy":"IfNotPresent"},
{"name":"proxy","image":"registry.example/mesh/proxy:0.9","resources":{}}],
"restartPolicy":"Always","nodeName":"worker-1","serviceAccountName":"cart","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]},
"status":{"phase":"%PHASE%","conditions":[{"type":"Initialized","status":"True"},{"type":"Ready","status":"True","lastTransitionTime":"2026-03-02T10:00:09Z"}],
"hostIP":"192.168.7.11","podIP":"%IP%","podIPs":[{"ip":"%IP%"}],"startTime":"2026-03-02T10:00:00Z",
"initContainerStatuses":[{"name":"migrate","restartCount":0,"containerID":"containerd://1111111111111111111111111111111111111111111111111111111111111111"}],
"containerStatuses":[{"name":"proxy","containerID":"containerd://3333333333333333333333333333333333333333333333333333333333333333","ready":true},
{"name":"cart","containerID":"containerd://2222222222222222222222222222222222222222222222222222222222222222","ready":true}],"qosClass":"Burstable"}})";
  pod = Replace(std::move(pod), "%LONG%", R"({\"apiVersion\":\"v1\",\"kind\":\"Pod\"} )" + std::string(3000, 'x'));
  pod = Replace(std::move(pod), "%NAME%", name);
  pod = Replace(std::move(pod), "%UID%", uid);
  pod = Replace(std::move(pod), "%VERSION%", version);
  pod = Replace(std::move(pod), "%PHASE%", phase);
  return Replace(std::move(pod), "%IP%", ip);
}

inline std::string ListJson(const std::vector<std::string>& pods, const std::string& version,
                            const std::string& next_page = "") {
  std::string out = R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":")" + version + "\"";
  if (!next_page.empty()) out += R"(,"continue":")" + next_page + R"(","remainingItemCount":7)";
  out += "},\"items\":[";
  for (size_t i = 0; i < pods.size(); ++i) out += (i > 0 ? "," : "") + pods[i];
  return out + "]}\n";
}

inline std::string EventJson(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}\n";
}

inline std::string BookmarkJson(const std::string& version) {
  const std::string object =
      R"({"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"%VERSION%","creationTimestamp":null},)"
      R"("spec":{"containers":null},"status":{}})";
  return EventJson("BOOKMARK", Replace(object, "%VERSION%", version));
}

inline std::string GoneJson() {
  return EventJson("ERROR", R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",)"
                            R"j("message":"too old resource version: 100 (4711)","reason":"Expired","code":410})j");
}

}  // namespace agent::kube
