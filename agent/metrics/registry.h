// SPDX-License-Identifier: Apache-2.0
// Counters, gauges and histograms, and their text for /metrics. The only door to
// prometheus-cpp. Thread-safe; a handle stays valid as long as the registry, or until
// it is removed. Ask for handles at start and keep them: a lookup takes a lock.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace agent::metrics {

using Labels = std::map<std::string, std::string>;

class Counter {
 public:
  virtual ~Counter() = default;
  virtual void Add(double amount = 1) = 0;  // negative amounts are ignored
  virtual double Value() const = 0;
};

class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void Set(double value) = 0;
  virtual void Add(double amount) = 0;
  virtual double Value() const = 0;
};

class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void Observe(double value) = 0;
};

// Prometheus' own default buckets.
const std::vector<double>& DefaultBuckets();

class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // The same name and labels give the same handle; a name has one type for good
  // (asking for another type returns a handle that is not exposed, and logs it).
  Counter& GetCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& GetGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram& GetHistogram(const std::string& name, const std::string& help, const Labels& labels = {},
                          const std::vector<double>& buckets = DefaultBuckets());
  // Removes one series; its handle must not be used afterwards.
  void Remove(const std::string& name, const Labels& labels);

  // For series that come and go and may have several owners (the custom metrics of
  // pipelines): like Get, but every Acquire is paid back by one Release, and the series
  // ends with the last of them.
  Counter& AcquireCounter(const std::string& name, const std::string& help, const Labels& labels);
  Gauge& AcquireGauge(const std::string& name, const std::string& help, const Labels& labels);
  Histogram& AcquireHistogram(const std::string& name, const std::string& help, const Labels& labels,
                              const std::vector<double>& buckets);
  void Release(const std::string& name, const Labels& labels);

  // Called at the start of every Text(), to set gauges from live state. Returns a
  // token; the collector is forgotten when the token is destroyed (which waits for a
  // running Text). A callback must not add or destroy tokens of its own kind.
  [[nodiscard]] std::shared_ptr<void> AddCollector(std::function<void()> collect);
  // Called at the end of every Text() (series that expire after being reported).
  [[nodiscard]] std::shared_ptr<void> AddAfterScrape(std::function<void()> after);

  // The exposition text (version 0.0.4), families sorted by name.
  std::string Text();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent::metrics
