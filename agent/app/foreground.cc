// SPDX-License-Identifier: Apache-2.0
#include "agent/app/foreground.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "agent/app/internal/file_bytes.h"
#include "agent/app/internal/lane_options.h"
#include "agent/app/internal/net_thread.h"
#include "agent/app/internal/pods_from_paths.h"
#include "agent/app/internal/pushers.h"
#include "agent/app/internal/printer.h"
#include "agent/app/internal/signals.h"
#include "agent/app/observer.h"
#include "agent/app/targets.h"
#include "agent/core/log.h"
#include "agent/flow/lane.h"
#include "agent/http/client.h"
#include "agent/platform/watcher.h"
#include "agent/push/push.h"
#include "agent/source/tailer.h"

namespace agent::app {
namespace {

class NoPush final : public PushSink {
 public:
  void Send(std::unique_ptr<PushBatch>) override {}
};

class NoLosses final : public source::LossObserver {
 public:
  void Lost(const source::Loss&) override {}
};

// Wakes the loop: the lane's inbox has something.
class WakeUp {
 public:
  WakeUp() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~WakeUp() { close(fd_); }
  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;
  int fd() const { return fd_; }
  void Ring() { eventfd_write(fd_, 1); }
  void Quiet() {
    eventfd_t count = 0;
    eventfd_read(fd_, &count);
  }

 private:
  const int fd_;
};

int StopSignals() {
  Signals::Block();
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

// One lane, cranked on this thread until a signal or until it has nothing left to do.
class Foreground {
 public:
  Foreground(flow::LaneOptions options, uint64_t memory, PushSink& push, flow::Observer& observer)
      : budget_(memory),
        signals_(StopSignals()),
        lane_(std::move(options), budget_, push, observer, [this] { wake_.Ring(); }) {}
  ~Foreground() { close(signals_); }
  Foreground(const Foreground&) = delete;
  Foreground& operator=(const Foreground&) = delete;

  flow::Lane& lane() { return lane_; }

  void Crank() {
    while (lane_.RunOnce(clock_.Now(), clock_.Wall())) {
    }
  }

  // Waits until something is to be done: an event, a deadline, or `fd` (none: -1).
  // False: a signal asks to stop.
  bool Wait(int fd, MonoTime deadline) {
    const MonoTime next = std::min(deadline, lane_.NextDeadline());
    int timeout = -1;
    if (next != kNever) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - clock_.Now()).count();
      timeout = static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
    }
    pollfd waits[] = {{signals_, POLLIN, 0}, {wake_.fd(), POLLIN, 0}, {fd, POLLIN, 0}};
    while (poll(waits, 3, timeout) < 0 && errno == EINTR) {
    }
    wake_.Quiet();
    return (waits[0].revents & POLLIN) == 0;
  }

 private:
  Clock& clock_ = SystemClock();
  ByteBudget budget_;
  WakeUp wake_;
  const int signals_;
  flow::Lane lane_;
};

// Promtail's labels of standard input: those of all static targets, not relabelled.
LabelMap StdinLabels(const Settings& settings) {
  if (settings.file.empty() || settings.scrapes.empty()) return {{"job", "stdin"}, {"hostname", settings.host_name}};
  LabelMap labels;
  for (const DiscoveredTarget& target : settings.scrapes.front().static_targets) {
    for (const auto& [name, value] : target.labels) {
      if (name != "__address__") labels[name] = value;
    }
  }
  return labels;
}

std::shared_ptr<TailedFile> StdinFile(const Settings& settings) {
  auto target = std::make_shared<Target>();
  target->job = settings.scrapes.empty() ? "stdin" : settings.scrapes.front().job;
  target->labels = StdinLabels(settings);
  auto file = std::make_shared<TailedFile>();
  file->id = file->chain = 1;
  file->path = "-";
  file->labels = target->labels;
  file->target = std::move(target);
  file->bytes = OpenStdin();
  return file;
}

// Reads to the end; false if a signal came first.
bool ReadStdin(Foreground& foreground, const std::shared_ptr<TailedFile>& file) {
  foreground.lane().Add(file);
  while (!file->read_done) {
    foreground.Crank();
    if (file->read_done) break;
    const bool hungry = file->at_end.load(std::memory_order_relaxed);
    if (hungry && StdinEnded(*file->bytes)) file->finished.store(true, std::memory_order_release);
    if (!hungry || !file->finished.load(std::memory_order_relaxed)) {
      if (!foreground.Wait(hungry ? STDIN_FILENO : -1, kNever)) return false;
    }
    if (hungry) foreground.lane().Readable(file);
  }
  return true;
}

flow::LaneOptions StdinLane(const Settings& settings) {
  flow::LaneOptions options;
  options.trim_lines = true;
  const bool own = !settings.file.empty() && !settings.scrapes.empty();
  options.pipelines = {own ? settings.scrapes.front().pipeline : std::make_shared<const stage::PipelinePlan>()};
  return options;
}

int PushStdin(const CommandLine& line, const Settings& settings, metrics::Registry& registry) {
  Clock& clock = SystemClock();
  Ledger ledger(registry);
  AgentObserver observer(ledger, registry, clock, settings.clients, settings.limits, 1);
  http::Client http("sluice");
  // The pusher and the lane need each other: deliveries go to the lane made last.
  struct ToLane final : DeliverySink {
    flow::Lane* lane = nullptr;
    void Settled(Delivery delivery) override { lane->Settled(std::move(delivery)); }
  } deliveries;
  Pushers pusher(settings.clients, http, registry, deliveries, std::random_device{}());
  flow::LaneOptions options = StdinLane(settings);
  options.clients = ClientBatchers(settings);
  Foreground foreground(std::move(options), line.memory_limit, pusher, observer);
  deliveries.lane = &foreground.lane();
  NetThread net(http, pusher, clock);
  net.Start();
  bool more = ReadStdin(foreground, StdinFile(settings));
  foreground.lane().Stop(true);
  // Promtail's way: what was read is sent with every retry; a signal sets a deadline.
  MonoTime deadline = kNever;
  const auto hurry = [&] {
    deadline = clock.Now() + line.shutdown_timeout;
    net.StopPushing(deadline);
  };
  if (!more) hurry();
  foreground.Crank();
  while (foreground.lane().batches_in_flight() > 0 && clock.Now() < deadline) {
    if (!foreground.Wait(-1, deadline) && deadline == kNever) hurry();
    foreground.Crank();
  }
  const uint64_t left = foreground.lane().batches_in_flight();
  if (deadline == kNever) net.StopPushing(clock.Now());
  net.Join();
  foreground.Crank();
  if (left > 0) LogWarn("standard input was not sent to its end", {{"batches_left", left}});
  return left > 0 ? 1 : 0;
}

}  // namespace

void PrintClients(const Settings& settings, const DryRunOutput& output) {
  std::fputs(output.colour ? "\x1b[33mClients configured:\x1b[0m\n" : "Clients configured:\n", output.out);
  for (const std::string& text : settings.ClientTexts()) {
    std::fprintf(output.out, "----------------------\n%s\n", text.c_str());
  }
  std::fflush(output.out);
}

int RunStdin(const CommandLine& line, const Settings& settings, metrics::Registry& registry,
             const DryRunOutput& output) {
  if (settings.scrapes.size() > 1) {
    LogWarn("too many scrape configs for standard input; the first is used", {{"skipped", settings.scrapes.size() - 1}});
  }
  if (!line.dry_run) return PushStdin(line, settings, registry);
  DryGuard guard(settings.limits.policy, DryGuard::Time::kReal);
  Printer printer(output, line.output == "json", guard);
  NoPush push;
  Foreground foreground(StdinLane(settings), line.memory_limit, push, printer);
  ReadStdin(foreground, StdinFile(settings));
  foreground.lane().Stop(true);
  foreground.Crank();
  return 0;
}

int WatchFiles(const CommandLine& line, const Settings& settings, metrics::Registry& registry,
               const DryRunOutput& output) {
  const std::string note = NoteOnPaths(settings);
  if (!note.empty()) std::fprintf(stderr, "%s\n", note.c_str());
  DryGuard guard(settings.limits.policy, DryGuard::Time::kReal);
  Printer printer(output, line.output == "json", guard);
  NoPush push;
  NoLosses losses;
  flow::LaneOptions options;
  for (const ScrapeConfig& scrape : settings.scrapes) options.pipelines.push_back(scrape.pipeline);
  Foreground foreground(std::move(options), line.memory_limit, push, printer);
  source::PositionsOptions no_file;
  no_file.filename.clear();
  auto positions = source::Positions::Open(platform::RealFs(), no_file);
  auto watcher = platform::MakeInotify();
  Clock& clock = SystemClock();
  source::TailerParts parts{.fs = platform::RealFs(),
                            .watcher = watcher ? watcher->get() : nullptr,
                            .clock = clock,
                            .positions = **positions,
                            .sink = foreground.lane(),
                            .losses = losses,
                            .metrics = source::TailerMetrics::In(registry),
                            .labels_of = &ResolveLabels};
  source::Tailer tailer(settings.tail, std::move(parts), clock.Now());
  auto local = std::make_shared<Settings>(settings);
  for (ScrapeConfig& scrape : local->scrapes) scrape = PodsFromPaths(std::move(scrape));
  Targets targets(local, tailer, registry, nullptr);
  targets.Start(clock.Now());
  bool more = true;
  while (more) {
    const Duration pause = tailer.HandleEvents(clock.Now());
    const MonoTime now = clock.Now();
    tailer.Tick(now);
    targets.Tick(now);
    foreground.Crank();
    const MonoTime next = std::min(tailer.NextDeadline(), targets.NextDeadline());
    more = pause > Duration{} ? foreground.Wait(-1, std::min(next, now + pause))
                              : foreground.Wait(tailer.event_fd(), next);
  }
  foreground.lane().Stop(true);
  foreground.Crank();
  return 0;
}

}  // namespace agent::app
