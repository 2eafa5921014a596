// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics/registry.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <variant>

#include "agent/core/log.h"
#include "agent/core/mutex.h"

namespace agent::metrics {
namespace {

// A handle refers to a series that the library owns, or owns one that nobody sees.
template <class Metric>
struct Holder {
  explicit Holder(Metric& exposed) : metric(exposed) {}
  explicit Holder(std::unique_ptr<Metric> hidden) : own(std::move(hidden)), metric(*own) {}
  std::unique_ptr<Metric> own;
  Metric& metric;
};

class CounterHandle : public Counter, public Holder<prometheus::Counter> {
 public:
  using Holder::Holder;
  void Add(double amount) override { metric.Increment(amount); }
  double Value() const override { return metric.Value(); }
};

class GaugeHandle : public Gauge, public Holder<prometheus::Gauge> {
 public:
  using Holder::Holder;
  void Set(double value) override { metric.Set(value); }
  void Add(double amount) override { metric.Increment(amount); }
  double Value() const override { return metric.Value(); }
};

class HistogramHandle : public Histogram, public Holder<prometheus::Histogram> {
 public:
  using Holder::Holder;
  void Observe(double value) override { metric.Observe(value); }
};

template <class Metric, class Handle>
struct Family {
  prometheus::Family<Metric>* exposed = nullptr;  // null: the name is not a valid one
  struct Series {
    std::unique_ptr<Handle> handle;
    uint64_t owners = 0;  // by Acquire
  };
  std::map<Labels, Series> series;
};

using CounterFamily = Family<prometheus::Counter, CounterHandle>;
using GaugeFamily = Family<prometheus::Gauge, GaugeHandle>;
using HistogramFamily = Family<prometheus::Histogram, HistogramHandle>;

// The callbacks live apart from the registry, because tokens may outlive it.
struct Callbacks {
  Mutex mutex;
  uint64_t next_id AGENT_GUARDED_BY(mutex) = 0;
  std::map<uint64_t, std::function<void()>> calls AGENT_GUARDED_BY(mutex);

  static std::shared_ptr<void> Add(const std::shared_ptr<Callbacks>& self, std::function<void()> call) {
    MutexLock lock(self->mutex);
    const uint64_t id = self->next_id++;
    self->calls.emplace(id, std::move(call));
    return {nullptr, [weak = std::weak_ptr<Callbacks>(self), id](void*) {
              const std::shared_ptr<Callbacks> alive = weak.lock();
              if (alive == nullptr) return;
              MutexLock inner(alive->mutex);
              alive->calls.erase(id);
            }};
  }
  void Run() {
    MutexLock lock(mutex);
    for (const auto& [id, call] : calls) call();
  }
};

}  // namespace

const std::vector<double>& DefaultBuckets() {
  static const std::vector<double> kBuckets = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
  return kBuckets;
}

struct Registry::Impl {
  prometheus::Registry library;
  std::shared_ptr<Callbacks> collectors = std::make_shared<Callbacks>();
  std::shared_ptr<Callbacks> after_scrape = std::make_shared<Callbacks>();

  Mutex mutex;
  std::map<std::string, std::variant<CounterFamily, GaugeFamily, HistogramFamily>> families AGENT_GUARDED_BY(mutex);
  std::vector<std::unique_ptr<CounterHandle>> hidden_counters AGENT_GUARDED_BY(mutex);
  std::vector<std::unique_ptr<GaugeHandle>> hidden_gauges AGENT_GUARDED_BY(mutex);
  std::vector<std::unique_ptr<HistogramHandle>> hidden_histograms AGENT_GUARDED_BY(mutex);

  // The series of `name` and `labels`, made with `build` (the family) and `args` (the
  // metric's constructor) if need be.
  template <class FamilyType, class Handle, class Build, class... Args>
  Handle& Get(const std::string& name, const Labels& labels, std::vector<std::unique_ptr<Handle>>& hidden, Build build,
              const Args&... args) AGENT_REQUIRES(mutex) {
    using Metric = std::remove_reference_t<decltype(std::declval<Handle>().metric)>;
    auto found = families.find(name);
    if (found == families.end()) found = families.emplace(name, FamilyType{}).first;
    FamilyType* family = std::get_if<FamilyType>(&found->second);
    if (family == nullptr) {
      LogError("a metric was asked for with two types; the second is not exposed", {{"metric", name}});
      return *hidden.emplace_back(std::make_unique<Handle>(std::make_unique<Metric>(args...)));
    }
    if (const auto series = family->series.find(labels); series != family->series.end()) return *series->second.handle;
    std::unique_ptr<Handle> handle;
    try {
      if (family->exposed == nullptr) family->exposed = &build(library);
      handle = std::make_unique<Handle>(family->exposed->Add(labels, args...));
    } catch (const std::invalid_argument& error) {
      LogError("a metric has a name or label that Prometheus does not allow; it is not exposed",
               {{"metric", name}, {"err", error.what()}});
      handle = std::make_unique<Handle>(std::make_unique<Metric>(args...));
    }
    return *family->series.emplace(labels, typename FamilyType::Series{std::move(handle)}).first->second.handle;
  }

  // Calls visit(family, series) if there is such a series of whatever type.
  template <class Visit>
  void Find(const std::string& name, const Labels& labels, Visit visit) AGENT_REQUIRES(mutex) {
    const auto found = families.find(name);
    if (found == families.end()) return;
    std::visit(
        [&](auto& family) {
          const auto series = family.series.find(labels);
          if (series != family.series.end()) visit(family, series);
        },
        found->second);
  }

  Counter& MakeCounter(const std::string& name, const std::string& help, const Labels& labels) AGENT_REQUIRES(mutex) {
    return Get<CounterFamily, CounterHandle>(name, labels, hidden_counters, [&](prometheus::Registry& l) -> auto& {
      return prometheus::BuildCounter().Name(name).Help(help).Register(l);
    });
  }
  Gauge& MakeGauge(const std::string& name, const std::string& help, const Labels& labels) AGENT_REQUIRES(mutex) {
    return Get<GaugeFamily, GaugeHandle>(name, labels, hidden_gauges, [&](prometheus::Registry& l) -> auto& {
      return prometheus::BuildGauge().Name(name).Help(help).Register(l);
    });
  }
  Histogram& MakeHistogram(const std::string& name, const std::string& help, const Labels& labels,
                           const std::vector<double>& buckets) AGENT_REQUIRES(mutex) {
    // The library only asserts that bounds rise; an unsorted list would lose counts.
    std::vector<double> bounds = buckets;
    std::ranges::sort(bounds);
    const auto repeated = std::ranges::unique(bounds);
    bounds.erase(repeated.begin(), repeated.end());
    return Get<HistogramFamily, HistogramHandle>(
        name, labels, hidden_histograms,
        [&](prometheus::Registry& l) -> auto& {
          return prometheus::BuildHistogram().Name(name).Help(help).Register(l);
        },
        bounds);
  }

  void Own(const std::string& name, const Labels& labels) AGENT_REQUIRES(mutex) {
    Find(name, labels, [](auto& /*family*/, auto series) { ++series->second.owners; });
  }

  template <class FamilyType, class Iterator>
  static void Erase(FamilyType& family, Iterator series) {
    if (series->second.handle->own == nullptr) family.exposed->Remove(&series->second.handle->metric);
    family.series.erase(series);
  }
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Counter& Registry::GetCounter(const std::string& name, const std::string& help, const Labels& labels) {
  MutexLock lock(impl_->mutex);
  return impl_->MakeCounter(name, help, labels);
}

Gauge& Registry::GetGauge(const std::string& name, const std::string& help, const Labels& labels) {
  MutexLock lock(impl_->mutex);
  return impl_->MakeGauge(name, help, labels);
}

Histogram& Registry::GetHistogram(const std::string& name, const std::string& help, const Labels& labels,
                                  const std::vector<double>& buckets) {
  MutexLock lock(impl_->mutex);
  return impl_->MakeHistogram(name, help, labels, buckets);
}

void Registry::Remove(const std::string& name, const Labels& labels) {
  MutexLock lock(impl_->mutex);
  impl_->Find(name, labels, [](auto& family, auto series) { Impl::Erase(family, series); });
}

Counter& Registry::AcquireCounter(const std::string& name, const std::string& help, const Labels& labels) {
  MutexLock lock(impl_->mutex);
  Counter& counter = impl_->MakeCounter(name, help, labels);
  impl_->Own(name, labels);
  return counter;
}

Gauge& Registry::AcquireGauge(const std::string& name, const std::string& help, const Labels& labels) {
  MutexLock lock(impl_->mutex);
  Gauge& gauge = impl_->MakeGauge(name, help, labels);
  impl_->Own(name, labels);
  return gauge;
}

Histogram& Registry::AcquireHistogram(const std::string& name, const std::string& help, const Labels& labels,
                                      const std::vector<double>& buckets) {
  MutexLock lock(impl_->mutex);
  Histogram& histogram = impl_->MakeHistogram(name, help, labels, buckets);
  impl_->Own(name, labels);
  return histogram;
}

void Registry::Release(const std::string& name, const Labels& labels) {
  MutexLock lock(impl_->mutex);
  impl_->Find(name, labels, [](auto& family, auto series) {
    if (series->second.owners > 0 && --series->second.owners == 0) Impl::Erase(family, series);
  });
}

std::shared_ptr<void> Registry::AddCollector(std::function<void()> collect) {
  return Callbacks::Add(impl_->collectors, std::move(collect));
}

std::shared_ptr<void> Registry::AddAfterScrape(std::function<void()> after) {
  return Callbacks::Add(impl_->after_scrape, std::move(after));
}

std::string Registry::Text() {
  impl_->collectors->Run();
  std::vector<prometheus::MetricFamily> families = impl_->library.Collect();
  std::ranges::sort(families, {}, &prometheus::MetricFamily::name);
  for (prometheus::MetricFamily& family : families) {
    std::ranges::sort(family.metric, [](const auto& a, const auto& b) {
      return std::ranges::lexicographical_compare(a.label, b.label, [](const auto& x, const auto& y) {
        return std::tie(x.name, x.value) < std::tie(y.name, y.value);
      });
    });
  }
  std::string text = prometheus::TextSerializer().Serialize(families);
  impl_->after_scrape->Run();
  return text;
}

}  // namespace agent::metrics
