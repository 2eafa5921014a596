// SPDX-License-Identifier: Apache-2.0
#include "agent/http/client.h"

#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "agent/core/check.h"
#include "agent/core/mutex.h"
#include "agent/http/internal/endpoint.h"
#include "agent/http/internal/transfer.h"

namespace agent::http {
namespace {

constexpr size_t kSpareHandles = 8;
constexpr Duration kTokenEarly = std::chrono::seconds(10);  // before it expires
constexpr Duration kLongestWait = std::chrono::hours(1);

void InitLibrary() {
  static std::once_flag once;
  std::call_once(once, [] {
    CHECK(curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK, "libcurl does not start");
    // OpenSSL writes to sockets whose other end may be gone.
    std::signal(SIGPIPE, SIG_IGN);
  });
}

// Only for the lifetime of tokens; nothing here depends on time otherwise.
MonoTime Now() { return std::chrono::steady_clock::now(); }

}  // namespace

struct Client::Impl {
  struct Submitted {
    RequestId id;
    Request request;
    Callback callback;
  };

  explicit Impl(std::string agent) : user_agent(std::move(agent)) {
    InitLibrary();
    multi = curl_multi_init();
    CHECK(multi != nullptr, "out of memory");
  }
  ~Impl() {
    spare.clear();
    curl_multi_cleanup(multi);
  }

  RequestId Submit(Request request, Callback callback);
  void TakeInbox();
  bool HasInbox();
  void End(RequestId id);
  void Begin(std::unique_ptr<Transfer> transfer);
  void Start(std::unique_ptr<Transfer> transfer);
  bool NeedsToken(Transfer& transfer);
  void FetchToken(const std::shared_ptr<Endpoint>& endpoint);
  void OnToken(const std::shared_ptr<Endpoint>& endpoint, Result<Response> result);
  void ReadFinished();
  void Finish(Transfer& done, CURLcode code);
  void Answer(std::unique_ptr<Transfer> transfer, Result<Response> result);
  void CancelAll();

  const std::string user_agent;
  CURLM* multi = nullptr;
  std::atomic<RequestId> next_id{1};
  std::atomic<size_t> pending{0};
  std::atomic<std::thread::id> poller{};

  Mutex mutex;
  std::vector<Submitted> submitted AGENT_GUARDED_BY(mutex);
  std::vector<RequestId> cancelled AGENT_GUARDED_BY(mutex);

  // -- the poller's --
  std::map<RequestId, std::unique_ptr<Transfer>> running;  // in libcurl
  std::map<RequestId, std::unique_ptr<Transfer>> waiting;  // for a token
  std::vector<Easy> spare;
  bool answered = false;
};

RequestId Client::Impl::Submit(Request request, Callback callback) {
  const RequestId id = next_id.fetch_add(1, std::memory_order_relaxed);
  pending.fetch_add(1, std::memory_order_relaxed);
  const MutexLock lock(mutex);
  submitted.push_back({id, std::move(request), std::move(callback)});
  return id;
}

void Client::Impl::TakeInbox() {
  std::vector<Submitted> begun;
  std::vector<RequestId> ended;
  {
    // Both at once: a request that was cancelled right after Submit is in both.
    const MutexLock lock(mutex);
    begun.swap(submitted);
    ended.swap(cancelled);
  }
  for (Submitted& one : begun) {
    Begin(std::make_unique<Transfer>(one.id, std::move(one.request), std::move(one.callback)));
  }
  for (const RequestId id : ended) End(id);
}

bool Client::Impl::HasInbox() {
  const MutexLock lock(mutex);
  return !submitted.empty() || !cancelled.empty();
}

void Client::Impl::End(RequestId id) {
  std::unique_ptr<Transfer> transfer;
  if (const auto found = running.find(id); found != running.end()) {
    transfer = std::move(found->second);
    running.erase(found);
    curl_multi_remove_handle(multi, transfer->easy());
  } else if (const auto early = waiting.find(id); early != waiting.end()) {
    transfer = std::move(early->second);
    waiting.erase(early);
  }
  if (transfer != nullptr) Answer(std::move(transfer), Fail(Code::kCancelled, "the request was cancelled"));
}

bool Client::Impl::NeedsToken(Transfer& transfer) {
  const std::shared_ptr<Endpoint>& endpoint = transfer.request().endpoint;
  if (endpoint == nullptr || !endpoint->options.oauth2.set()) return false;
  return endpoint->token.value.empty() || Now() >= endpoint->token_until;
}

void Client::Impl::Begin(std::unique_ptr<Transfer> transfer) {
  if (!NeedsToken(*transfer)) {
    Start(std::move(transfer));
    return;
  }
  const std::shared_ptr<Endpoint> endpoint = transfer->request().endpoint;
  endpoint->waiting.push_back(transfer->id());
  waiting.emplace(transfer->id(), std::move(transfer));
  if (!endpoint->fetching) FetchToken(endpoint);
}

void Client::Impl::Start(std::unique_ptr<Transfer> transfer) {
  Easy easy;
  if (!spare.empty()) {
    easy = std::move(spare.back());
    spare.pop_back();
  } else {
    easy.reset(curl_easy_init());
    CHECK(easy != nullptr, "out of memory");
  }
  if (Status status = transfer->Prepare(std::move(easy), user_agent); !status) {
    Answer(std::move(transfer), Forward(status));
    return;
  }
  const CURLMcode code = curl_multi_add_handle(multi, transfer->easy());
  CHECK(code == CURLM_OK, "libcurl refuses a request");
  running.emplace(transfer->id(), std::move(transfer));
}

void Client::Impl::FetchToken(const std::shared_ptr<Endpoint>& endpoint) {
  endpoint->fetching = true;
  Result<Request> request = MakeTokenRequest(*endpoint);
  if (!request) {
    OnToken(endpoint, Forward(request));
    return;
  }
  Submit(std::move(*request), [this, endpoint](Result<Response> result) { OnToken(endpoint, std::move(result)); });
}

void Client::Impl::OnToken(const std::shared_ptr<Endpoint>& endpoint, Result<Response> result) {
  endpoint->fetching = false;
  const std::string host = HostOf(endpoint->options.oauth2.token_url);
  Status status;
  if (!result) {
    status = Fail(result.error().code, "no OAuth2 token: " + result.error().what);
  } else if (result->status / 100 != 2) {
    // A server that wants the secret in the form says 400 or 401 to the header.
    if (!endpoint->secret_in_form && (result->status == 400 || result->status == 401)) {
      endpoint->secret_in_form = true;
      FetchToken(endpoint);
      return;
    }
    endpoint->secret_in_form = false;
    status = Fail(Code::kRetry, "no OAuth2 token: " + host + " answered " + std::to_string(result->status) + ": " +
                                    result->body.substr(0, 200));
  } else if (Result<Token> token = ParseToken(result->body); !token) {
    status = Fail(Code::kRetry, "no OAuth2 token from " + host + ": " + token.error().what);
  } else {
    endpoint->token = std::move(*token);
    const Duration lifetime = endpoint->token.lifetime;
    endpoint->token_until =
        lifetime == Duration::zero() ? kNever : Now() + std::max(lifetime - kTokenEarly, lifetime / 2);
  }
  std::vector<RequestId> ids;
  ids.swap(endpoint->waiting);
  for (const RequestId id : ids) {
    const auto found = waiting.find(id);
    if (found == waiting.end()) continue;  // cancelled meanwhile
    std::unique_ptr<Transfer> transfer = std::move(found->second);
    waiting.erase(found);
    if (status) {
      Start(std::move(transfer));
    } else {
      Answer(std::move(transfer), std::unexpected<Error>(status.error()));
    }
  }
}

void Client::Impl::ReadFinished() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    Transfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    Finish(*transfer, message->data.result);
  }
}

void Client::Impl::Finish(Transfer& done, CURLcode code) {
  const auto found = running.find(done.id());
  CHECK(found != running.end(), "libcurl finished a request that is not ours");
  std::unique_ptr<Transfer> transfer = std::move(found->second);
  running.erase(found);
  curl_multi_remove_handle(multi, transfer->easy());
  Result<Response> result = transfer->Finish(code);
  const std::shared_ptr<Endpoint>& endpoint = transfer->request().endpoint;
  if (result && result->status == 401 && endpoint != nullptr && endpoint->options.oauth2.set()) {
    endpoint->token = {};  // revoked: the caller's next try fetches another
  }
  Answer(std::move(transfer), std::move(result));
}

void Client::Impl::Answer(std::unique_ptr<Transfer> transfer, Result<Response> result) {
  if (Easy easy = transfer->ReleaseEasy(); easy != nullptr && spare.size() < kSpareHandles) {
    curl_easy_reset(easy.get());
    spare.push_back(std::move(easy));
  }
  pending.fetch_sub(1, std::memory_order_relaxed);
  answered = true;
  transfer->Answer(std::move(result));
}

void Client::Impl::CancelAll() {
  // Callbacks may submit; those requests are cancelled as well.
  for (;;) {
    std::vector<Submitted> never_begun;
    {
      const MutexLock lock(mutex);
      never_begun.swap(submitted);
    }
    std::vector<RequestId> ids;
    for (const auto& [id, transfer] : running) ids.push_back(id);
    for (const auto& [id, transfer] : waiting) ids.push_back(id);
    if (never_begun.empty() && ids.empty()) return;
    for (const RequestId id : ids) End(id);
    for (Submitted& one : never_begun) {
      Answer(std::make_unique<Transfer>(one.id, std::move(one.request), std::move(one.callback)),
             Fail(Code::kCancelled, "the client is being closed"));
    }
  }
}

Client::Client(std::string user_agent) : impl_(std::make_unique<Impl>(std::move(user_agent))) {}

Client::~Client() { impl_->CancelAll(); }

RequestId Client::Submit(Request request, Callback callback) {
  const RequestId id = impl_->Submit(std::move(request), std::move(callback));
  // The poller itself looks at the inbox before it waits.
  if (impl_->poller.load(std::memory_order_relaxed) != std::this_thread::get_id()) Wakeup();
  return id;
}

void Client::Cancel(RequestId id) {
  {
    // Poll begins what was submitted before it looks at this.
    const MutexLock lock(impl_->mutex);
    impl_->cancelled.push_back(id);
  }
  Wakeup();
}

bool Client::Poll(Duration timeout) {
  impl_->answered = false;
  impl_->poller.store(std::this_thread::get_id(), std::memory_order_relaxed);
  const auto move_on = [this] {
    impl_->TakeInbox();
    int running = 0;
    curl_multi_perform(impl_->multi, &running);
    impl_->ReadFinished();
  };
  move_on();
  while (!impl_->answered && impl_->HasInbox()) move_on();  // what moving on has submitted
  if (impl_->answered || timeout <= Duration::zero()) return impl_->answered;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(std::min(timeout, kLongestWait)).count();
  curl_multi_poll(impl_->multi, nullptr, 0, static_cast<int>(ms), nullptr);
  move_on();
  return impl_->answered;
}

void Client::Wakeup() { curl_multi_wakeup(impl_->multi); }

size_t Client::pending() const { return impl_->pending.load(std::memory_order_relaxed); }

Result<Response> Fetch(Request request, std::string user_agent) {
  Client client(std::move(user_agent));
  bool done = false;
  Result<Response> answer = Fail(Code::kInternal, "no answer");
  client.Submit(std::move(request), [&](Result<Response> result) {
    answer = std::move(result);
    done = true;
  });
  while (!done) client.Poll(std::chrono::seconds(60));
  return answer;
}

}  // namespace agent::http
