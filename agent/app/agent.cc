// SPDX-License-Identifier: Apache-2.0
#include "agent/app/agent.h"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <random>
#include <thread>

#include "agent/app/internal/admin_thread.h"
#include "agent/app/internal/guard_keeper.h"
#include "agent/app/internal/lane_options.h"
#include "agent/app/internal/lane_thread.h"
#include "agent/app/internal/lookout.h"
#include "agent/app/internal/net_thread.h"
#include "agent/app/internal/pushers.h"
#include "agent/app/internal/signals.h"
#include "agent/app/ledger.h"
#include "agent/app/observer.h"
#include "agent/app/reload.h"
#include "agent/app/self_metrics.h"
#include "agent/app/status.h"
#include "agent/app/tallies.h"
#include "agent/app/targets.h"
#include "agent/core/log.h"
#include "agent/http/client.h"
#include "agent/platform/memory.h"
#include "agent/platform/watcher.h"
#include "agent/runtime/loop.h"
#include "agent/source/tailer.h"

namespace agent::app {
namespace {

constexpr Duration kIdleCheck = std::chrono::milliseconds(5);

// Files of a chain go to one lane, so that their lines stay in order.
class LaneRouter final : public FileSink {
 public:
  explicit LaneRouter(Tallies& tallies) : tallies_(tallies) {}
  void Use(std::vector<std::unique_ptr<LaneThread>>& lanes) { lanes_ = &lanes; }
  void Add(std::shared_ptr<TailedFile> file) override {
    flow::Lane& lane = LaneOf(*file);
    file->tally = tallies_.Of(*file);
    lane.Add(std::move(file));
  }
  void Readable(const std::shared_ptr<TailedFile>& file) override { LaneOf(*file).Readable(file); }

 private:
  flow::Lane& LaneOf(const TailedFile& file) { return (*lanes_)[file.chain % lanes_->size()]->lane(); }
  Tallies& tallies_;
  std::vector<std::unique_ptr<LaneThread>>* lanes_ = nullptr;
};

// Deliveries go back to the lane that made the batch.
class DeliveryRouter final : public DeliverySink {
 public:
  void Use(std::vector<std::unique_ptr<LaneThread>>& lanes) { lanes_ = &lanes; }
  void Settled(Delivery delivery) override {
    flow::Lane& lane = (*lanes_)[delivery.batch->lane]->lane();
    lane.Settled(std::move(delivery));
  }

 private:
  std::vector<std::unique_ptr<LaneThread>>* lanes_ = nullptr;
};

flow::LaneOptions LaneOptionsOf(const Settings& settings, uint32_t index, uint32_t clients) {
  flow::LaneOptions options;
  options.index = index;
  for (const ScrapeConfig& scrape : settings.scrapes) options.pipelines.push_back(scrape.pipeline);
  options.clients = ClientBatchers(settings);
  for (batch::BatcherOptions& client : options.clients) client.client = ClientRef::Make(clients, client.client);
  return options;
}

}  // namespace

struct Agent::Impl {
  Impl(CommandLine l, std::shared_ptr<const Settings> s, metrics::Registry& r)
      : line(std::move(l)), first_settings(std::move(s)), registry(r), budget(line.memory_limit), ledger(registry) {}

  Status Start();
  Status StartTailer();
  Result<std::unique_ptr<PodDiscovery>> MakePods(const std::shared_ptr<const Settings>& settings);
  Status StartAdmin();
  Status Follow(const Settings& old, const std::shared_ptr<const Settings>& fresh);
  void RunEvents();
  void ArmTimer();
  void RunTailer();
  void Shutdown();
  bool LanesIdle() const {
    return std::all_of(lanes.begin(), lanes.end(), [](const auto& lane) { return lane->idle(); });
  }
  // Runs on the io thread and waits for it.
  void OnIo(std::function<void()> call);

  const CommandLine line;
  const std::shared_ptr<const Settings> first_settings;
  metrics::Registry& registry;
  Clock& clock = SystemClock();
  ByteBudget budget;
  Ledger ledger;
  std::unique_ptr<AgentObserver> observer;
  DeliveryRouter deliveries;
  Tallies tallies;
  LagClock lag;
  LaneRouter router{tallies};
  std::unique_ptr<http::Client> http;
  std::unique_ptr<Pushers> pushers;
  uint32_t clients_number = 0;  // of the configuration whose clients are in use
  std::vector<std::unique_ptr<LaneThread>> lanes;
  std::unique_ptr<source::Positions> positions;
  std::unique_ptr<platform::Watcher> watcher;
  runtime::Loop io{"io"};
  std::unique_ptr<source::Tailer> tailer;
  std::unique_ptr<Targets> targets;
  std::unique_ptr<GuardKeeper> guard;
  std::unique_ptr<Reloader> reloader;
  std::unique_ptr<Lookout> lookout;
  std::unique_ptr<runtime::Watch> events;
  std::unique_ptr<runtime::Timer> events_timer;  // a rush of events: look again later
  std::unique_ptr<runtime::Timer> tailer_timer;
  std::unique_ptr<NetThread> net;
  Duration longest_turn{};  // of the io thread, since the last scrape
  std::unique_ptr<SelfMetrics> self_metrics;
  std::unique_ptr<AgentStatus> status;
  std::unique_ptr<AdminThread> admin;
  bool started = false;
};

void Agent::Impl::OnIo(std::function<void()> call) {
  std::mutex mutex;
  std::condition_variable done;
  bool finished = false;
  io.Post([&] {
    call();
    const std::lock_guard lock(mutex);
    finished = true;
    done.notify_one();
  });
  std::unique_lock lock(mutex);
  done.wait(lock, [&] { return finished; });
}

void Agent::Impl::RunTailer() {
  const MonoTime now = clock.Now();
  tailer->Tick(now);
  targets->Tick(now);
  guard->Tick(now);
  reloader->Tick(now);
  lookout->Tick(now);
  ArmTimer();
  longest_turn = std::max(longest_turn, clock.Now() - now);
}

void Agent::Impl::ArmTimer() {
  tailer_timer->At(std::min({tailer->NextDeadline(), targets->NextDeadline(), guard->NextDeadline(), reloader->NextDeadline(),
                             lookout->NextDeadline()}));
}

void Agent::Impl::RunEvents() {
  const MonoTime began = clock.Now();
  const Duration pause = tailer->HandleEvents(began);
  if (pause > Duration{}) {
    events.reset();
    events_timer->At(clock.Now() + pause);
  } else if (events == nullptr && tailer->event_fd() >= 0) {
    events = std::make_unique<runtime::Watch>(io, tailer->event_fd(), [this] { RunEvents(); });
  }
  ArmTimer();
  longest_turn = std::max(longest_turn, clock.Now() - began);
}

// A configuration takes the place of another. Order matters: lanes must know the new
// pipelines before files of theirs come, and the pushers the new clients before batches.
Status Agent::Impl::Follow(const Settings& old, const std::shared_ptr<const Settings>& fresh) {
  std::unique_ptr<PodDiscovery> pods;
  if (!targets->asks_kubernetes()) {
    auto made = MakePods(fresh);
    if (!made) return Forward(made);
    pods = std::move(*made);
  }
  if (!(fresh->clients == old.clients)) clients_number = pushers->Use(fresh->clients);
  observer->Reconfigure(fresh->clients, fresh->limits, old.limits);
  for (uint32_t i = 0; i < lanes.size(); ++i) lanes[i]->lane().Reconfigure(LaneOptionsOf(*fresh, i, clients_number));
  tailer->Reconfigure(fresh->tail);
  positions->set_sync_period(fresh->positions.sync_period);
  if (admin != nullptr) admin->Use(fresh->server);
  if (self_metrics != nullptr) self_metrics->set_per_path(fresh->server.per_path_metrics);
  if (Status used = targets->Use(fresh, std::move(pods), clock.Now()); !used) {
    LogError("a part of the new configuration cannot be used; the rest is", {{"err", used.error().what}});
  }
  ArmTimer();
  return {};
}

Status Agent::Impl::StartTailer() {
  const Settings* settings = first_settings.get();
  auto opened = source::Positions::Open(platform::RealFs(), settings->positions, source::PositionsMetrics::In(registry));
  if (!opened) return Forward(opened);
  positions = std::move(*opened);
  // Behind the positions' lock: two agents do not share the file.
  guard = std::make_unique<GuardKeeper>(settings->positions.filename, observer->policy(), platform::RealFs(), clock);
  guard->Load();
  auto made = platform::MakeInotify();
  if (made) {
    watcher = std::move(*made);
  } else {
    LogWarn("inotify cannot be used; files are polled", {{"err", made.error().what}});
  }
  source::TailerParts parts{.fs = platform::RealFs(),
                            .watcher = watcher.get(),
                            .clock = clock,
                            .positions = *positions,
                            .sink = router,
                            .losses = *observer,
                            .metrics = source::TailerMetrics::In(registry),
                            .labels_of = &ResolveLabels};
  tailer = std::make_unique<source::Tailer>(settings->tail, std::move(parts), clock.Now());
  auto pods = MakePods(first_settings);
  if (!pods) return Forward(pods);
  targets = std::make_unique<Targets>(first_settings, *tailer, registry, std::move(*pods));
  reloader = std::make_unique<Reloader>(
      line, first_settings, registry, clock, platform::RealFs(),
      [this](const Settings& old, const std::shared_ptr<const Settings>& fresh) { return Follow(old, fresh); });
  lookout = std::make_unique<Lookout>(*tailer, *targets, tallies, clock.Now());
  events_timer = std::make_unique<runtime::Timer>(io, [this] { RunEvents(); });
  tailer_timer = std::make_unique<runtime::Timer>(io, [this] { RunTailer(); });
  io.Post([this] {
    targets->Start(clock.Now());
    RunEvents();
    RunTailer();
  });
  return {};
}

// Null where no scrape config asks for it.
Result<std::unique_ptr<PodDiscovery>> Agent::Impl::MakePods(const std::shared_ptr<const Settings>& settings) {
  const bool any = std::any_of(settings->scrapes.begin(), settings->scrapes.end(),
                               [](const ScrapeConfig& scrape) { return !scrape.kubernetes.empty(); });
  if (!any) return nullptr;
  PodDiscovery::Parts parts{.http = *http,
                            .registry = registry,
                            .tailer = *tailer,
                            .fs = platform::RealFs(),
                            .wake = [this] { io.Post([this] { RunTailer(); }); },
                            .surroundings = kube::RealSurroundings(),
                            .pods_root = line.pods_root,
                            .seed = std::random_device{}()};
  return PodDiscovery::Make(settings, std::move(parts), clock.Now());
}

Status Agent::Impl::StartAdmin() {
  const Settings* settings = first_settings.get();
  if (settings->server.disable) return {};
  self_metrics = std::make_unique<SelfMetrics>(SelfMetricsParts{
      .registry = registry,
      .tailer = *tailer,
      .positions = *positions,
      .tallies = tallies,
      .lag = lag,
      .budget = budget,
      .lanes = lanes,
      .clock = clock,
      .longest_io_turn = [this] { return std::chrono::duration<double>(std::exchange(longest_turn, Duration{})).count(); },
      .per_path = settings->server.per_path_metrics});
  status = std::make_unique<AgentStatus>(StatusParts{.line = line,
                                                     .reloader = *reloader,
                                                     .registry = registry,
                                                     .io = io,
                                                     .tailer = *tailer,
                                                     .positions = *positions,
                                                     .targets = *targets,
                                                     .pushers = *pushers,
                                                     .observer = *observer,
                                                     .ledger = ledger,
                                                     .tallies = tallies,
                                                     .lag = lag,
                                                     .budget = budget,
                                                     .lanes = lanes,
                                                     .clock = clock});
  admin = std::make_unique<AdminThread>(settings->server, *status, observer->tail(), registry);
  return admin->Start();
}

Status Agent::Impl::Start() {
  const Settings* settings = first_settings.get();
  http = std::make_unique<http::Client>("sluice");
  observer = std::make_unique<AgentObserver>(ledger, registry, clock, settings->clients, settings->limits,
                                             static_cast<uint32_t>(line.lanes));
  pushers = std::make_unique<Pushers>(settings->clients, *http, registry, deliveries, std::random_device{}());
  for (uint32_t i = 0; i < static_cast<uint32_t>(line.lanes); ++i) {
    lanes.push_back(std::make_unique<LaneThread>(LaneOptionsOf(*settings, i, 0), budget, *pushers, *observer, clock));
  }
  observer->AnnounceLosses([this](LabelMap labels, std::string text) {
    lanes[0]->lane().Announce(std::move(labels), std::move(text));
  });
  router.Use(lanes);
  deliveries.Use(lanes);
  if (Status tailing = StartTailer(); !tailing) return tailing;
  if (Status serving = StartAdmin(); !serving) return serving;
  net = std::make_unique<NetThread>(*http, *pushers, clock);
  net->Start();
  for (const auto& lane : lanes) lane->Start();
  io.Start();
  started = true;
  platform::ReturnFreeMemory();  // start-up is over: it touched most of every library
  return {};
}

// Construction reversed: stop reading, let the lanes send what they have, let the
// pusher deliver it, save what was stored; then the threads end.
void Agent::Impl::Shutdown() {
  const MonoTime deadline = clock.Now() + line.shutdown_timeout;
  LogInfo("shutting down", {{"most_seconds", std::chrono::duration<double>(line.shutdown_timeout).count()}});
  OnIo([this] {
    events.reset();
    events_timer->At(kNever);
    tailer_timer->At(kNever);
  });
  for (const auto& lane : lanes) lane->lane().Stop(false);
  net->StopPushing(deadline);
  while (!LanesIdle() && clock.Now() < deadline + std::chrono::seconds(1)) std::this_thread::sleep_for(kIdleCheck);
  OnIo([this] {
    guard->Save();
    tailer->Save(clock.Now());
  });
  // What is left of the same time: whoever stops us counts from the signal.
  if (admin != nullptr) admin->Stop(std::max<Duration>(deadline - clock.Now(), std::chrono::seconds(1)));
  net->Join();
  for (const auto& lane : lanes) lane->Join();
  io.Stop();
  io.Join();
  LogInfo("stopped");
}

Agent::Agent(CommandLine line, std::shared_ptr<const Settings> settings, metrics::Registry& registry)
    : impl_(std::make_unique<Impl>(std::move(line), std::move(settings), registry)) {}

Agent::~Agent() {
  if (impl_->started) impl_->Shutdown();
}

Status Agent::Start() {
  Signals::Block();
  return impl_->Start();
}

int Agent::RunUntilSignal() {
  while (true) {
    const int signal = Signals::Wait();
    if (signal == SIGHUP) {
      impl_->io.Post([impl = impl_.get()] { (void)impl->reloader->Reload("SIGHUP"); });
      continue;
    }
    LogInfo("signal received", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
    break;
  }
  impl_->Shutdown();
  impl_->started = false;
  return 0;
}

}  // namespace agent::app
