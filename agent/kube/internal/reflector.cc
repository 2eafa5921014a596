// SPDX-License-Identifier: Apache-2.0
#include "agent/kube/internal/reflector.h"

#include <algorithm>
#include <charconv>

#include "agent/core/log.h"

namespace agent::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using text::JsonValue;

constexpr Duration kFirstWait = seconds(1);
constexpr Duration kLongestWait = seconds(30);
constexpr Duration kListTimeout = seconds(60);
constexpr Duration kShortestWatch = seconds(300);  // what the server is asked for; up to twice as long
constexpr Duration kQuietWatch = seconds(180);     // bookmarks come about every minute
constexpr Duration kAtLeast = milliseconds(500);   // between two watches
constexpr int kPageSize = 500;
constexpr size_t kMessageLength = 200;

std::string_view TextAt(const JsonValue& object, std::string_view outer, std::string_view inner) {
  const JsonValue* at = object.Find(outer);
  if (at != nullptr && !inner.empty()) at = at->Find(inner);
  return at != nullptr && at->is(JsonValue::Kind::kString) ? at->text : std::string_view{};
}

// What a person can do about it.
std::string Advice(int status) {
  if (status == 401) return "; the token or certificate is not accepted";
  if (status == 403) return "; allow get, list and watch on pods (of a kubelet: get on nodes/proxy)";
  if (status == 404) return "; is this the address of a Kubernetes API server?";
  return {};
}

Duration RetryAfter(const http::Response& response) {
  const std::string* header = response.Find("Retry-After");
  int given = 0;
  if (header == nullptr) return Duration(0);
  std::from_chars(header->data(), header->data() + header->size(), given);
  return seconds(std::clamp(given, 0, 300));
}

}  // namespace

std::string UrlEscape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
      continue;
    }
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

Reflector::Reflector(ReflectorOptions options, PodStore& store)
    : options_(std::move(options)), store_(store), random_(options_.seed) {}

// Between half and one and a half times as long.
Duration Reflector::Jittered(Duration about) {
  std::uniform_int_distribution<int64_t> spread(about.count() / 2, about.count() + about.count() / 2);
  return Duration(spread(random_));
}

// -- requests --

Reflector::Wanted Reflector::ListRequest() {
  ++counts_.lists;
  if (continue_.empty()) store_.BeginList(options_.index);
  splitter_ = std::make_unique<JsonSplitter>(JsonSplitter::Kind::kItems,
                                             [this](std::string_view object) { return OnItem(object); });
  std::string query = options_.selectors;
  const auto add = [&query](const std::string& more) { query += (query.empty() ? "" : "&") + more; };
  if (!options_.poll) {
    add("limit=" + std::to_string(kPageSize));
    if (!continue_.empty()) {
      add("continue=" + UrlEscape(continue_));
    } else if (!list_version_.empty()) {
      add("resourceVersion=" + list_version_);
    }
  }
  return {.url = options_.url + (query.empty() ? "" : "?" + query), .timeout = Duration(0), .idle_timeout = kListTimeout};
}

Reflector::Wanted Reflector::WatchRequest(MonoTime) {
  ++counts_.watches;
  events_of_watch_ = 0;
  splitter_ = std::make_unique<JsonSplitter>(JsonSplitter::Kind::kObjects,
                                             [this](std::string_view object) { return OnEvent(object); });
  // Spread, so that the agents of a cluster do not come back all at once.
  const auto wish = std::chrono::duration_cast<seconds>(kShortestWatch + Jittered(kShortestWatch / 2) - kShortestWatch / 4);
  std::string query = options_.selectors + (options_.selectors.empty() ? "" : "&");
  query += "watch=1&allowWatchBookmarks=true&timeoutSeconds=" + std::to_string(wish.count());
  query += "&resourceVersion=" + UrlEscape(version_);
  return {.url = options_.url + "?" + query, .timeout = wish + seconds(30), .idle_timeout = kQuietWatch};
}

std::optional<Reflector::Wanted> Reflector::Next(MonoTime now) {
  if (result_) Settle(now);
  if (under_way_ || now < due_) return std::nullopt;
  under_way_ = true;
  asked_at_ = now;
  trouble_.clear();
  gone_ = false;
  return state_ == State::kList ? ListRequest() : WatchRequest(now);
}

// -- answers --

bool Reflector::Feed(std::string_view bytes) {
  if (splitter_->Feed(bytes)) return true;
  if (trouble_.empty() && !gone_) trouble_ = "its answer is not what was asked for";
  return false;
}

void Reflector::Done(Result<http::Response> result) {
  result_ = std::move(result);
  due_ = MonoTime{};  // to be settled at once
  under_way_ = false;
}

void Reflector::Settle(MonoTime now) {
  const Result<http::Response> result = std::move(*result_);
  result_.reset();
  due_ = now;
  const bool answered = result && result->status >= 200 && result->status < 300;
  if (gone_ || (result && result->status == 410)) {
    ++counts_.gone;
    LogInfo("the Kubernetes API no longer has the version that the watch stood at; listing pods again", {{"url", options_.url}});
    Relist(true);
    // A server that says so again and again is not to be asked in a loop.
    if (now - asked_at_ < kFirstWait && failures_in_a_row_++ > 0) due_ = now + Jittered(kFirstWait);
    return;
  }
  if (!trouble_.empty()) {
    Relist(true);
    Fail(trouble_, now);
  } else if (result && !answered) {
    Fail("it answered " + std::to_string(result->status) + Advice(result->status) +
             (result->body.empty() ? "" : ": " + result->body.substr(0, kMessageLength)),
         now, RetryAfter(*result));
  } else if (state_ == State::kWatch) {
    SettleWatch(result ? std::string() : result.error().what, now);
  } else if (!result) {
    Fail(result.error().what, now);
  } else {
    SettleList(*result, now);
  }
}

void Reflector::SettleList(const http::Response&, MonoTime now) {
  JsonValue envelope;
  arena_.Reset();
  if (!splitter_->Complete() || !parser_.ParseValue(splitter_->envelope(), arena_, envelope) ||
      !envelope.is(JsonValue::Kind::kObject) || !TextAt(envelope, "kind", "").ends_with("List")) {
    Fail("its list of pods is incomplete or no list", now);
    Relist(true);
    return;
  }
  continue_ = TextAt(envelope, "metadata", "continue");
  if (!continue_.empty()) return;  // the next page at once
  version_ = TextAt(envelope, "metadata", "resourceVersion");
  store_.EndList(options_.index);
  synced_ = true;
  list_version_.clear();
  Good();
  if (options_.poll) {
    due_ = now + options_.poll_interval;
  } else {
    state_ = State::kWatch;
  }
}

// A watch ends by the server's clock, by ours, or by an accident: all the same, it goes
// on from the last version, in which nothing is lost.
void Reflector::SettleWatch(const std::string& error, MonoTime now) {
  if (events_of_watch_ > 0 || now - asked_at_ > seconds(10)) {
    Good();
    due_ = std::max(now, asked_at_ + kAtLeast);
    return;
  }
  Fail(error.empty() ? "it ends the watch at once" : error, now);
}

void Reflector::Good() {
  if (!up_ && failures_in_a_row_ > 0) LogInfo("pods are read from Kubernetes again", {{"url", options_.url}});
  up_ = true;
  failures_in_a_row_ = 0;
}

void Reflector::Fail(const std::string& why, MonoTime now, Duration at_least) {
  up_ = false;
  ++counts_.failures;
  const Duration about = std::min(kLongestWait, kFirstWait * (1 << std::min(failures_in_a_row_, 5u)));
  ++failures_in_a_row_;
  const Duration wait = std::max(Jittered(about), at_least);
  due_ = now + wait;
  LogWarn("cannot read pods from Kubernetes; labels from paths go on",
          {{"url", options_.url},
           {"err", why},
           {"retry_in_ms", std::chrono::duration_cast<milliseconds>(wait).count()}});
}

// `any_version`: what the server has at hand may be the version that it has dropped.
void Reflector::Relist(bool any_version) {
  state_ = State::kList;
  continue_.clear();
  version_.clear();
  if (any_version) list_version_.clear();
}

// -- objects --

bool Reflector::OnItem(std::string_view object) {
  JsonValue pod;
  arena_.Reset();
  if (!parser_.ParseValue(object, arena_, pod)) {
    trouble_ = "a pod in its list is not JSON";
    return false;
  }
  if (auto read = ReadPod(pod, options_.wanted)) store_.Upsert(options_.index, std::move(*read));
  return true;
}

bool Reflector::OnErrorEvent(const JsonValue& status) {
  const JsonValue* code = status.Find("code");
  if (code != nullptr && code->is(JsonValue::Kind::kNumber) && code->number == 410) {
    gone_ = true;
  } else {
    trouble_ = "the watch ended with: " + std::string(TextAt(status, "message", "").substr(0, kMessageLength));
  }
  return false;
}

bool Reflector::OnEvent(std::string_view object) {
  JsonValue event;
  arena_.Reset();
  if (!parser_.ParseValue(object, arena_, event)) {
    trouble_ = "an event of its watch is not JSON";
    return false;
  }
  const std::string_view type = TextAt(event, "type", "");
  const JsonValue* body = event.Find("object");
  if (body == nullptr || type.empty()) {
    trouble_ = "an event of its watch has no type or no object";
    return false;
  }
  if (type == "ERROR") return OnErrorEvent(*body);
  ++counts_.events;
  ++events_of_watch_;
  if (type == "DELETED") {
    // The last state first: a pod may come and go between two looks.
    if (auto read = ReadPod(*body, options_.wanted)) {
      const std::string uid = read->uid;
      store_.Upsert(options_.index, std::move(*read));
      store_.Remove(uid);
    }
  } else if (type == "ADDED" || type == "MODIFIED") {
    if (auto read = ReadPod(*body, options_.wanted)) store_.Upsert(options_.index, std::move(*read));
  }
  if (const std::string_view version = TextAt(*body, "metadata", "resourceVersion"); !version.empty()) version_ = version;
  return true;
}

}  // namespace agent::kube
