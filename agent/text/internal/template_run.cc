// SPDX-License-Identifier: Apache-2.0
#include "agent/text/internal/template_run.h"

#include <algorithm>
#include <cstring>

namespace agent::text {

namespace {
constexpr size_t kKeepBuffer = 256 * 1024;  // a larger buffer is freed, not pooled
constexpr size_t kMaxRegexes = 64;
constexpr uint64_t kStepsPerRegex = 10'000;  // compiling one is dear
}  // namespace

TemplateScratch::Impl::Impl(uint64_t seed, TemplateLimits l)
    : limits(l), random(seed), now(absl::UnixEpoch()) {}
TemplateScratch::Impl::~Impl() = default;

uint64_t TemplateScratch::Impl::Random() {
  uint64_t z = (random += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

namespace tmpl {

Value Run::Fail(std::string_view why) { return Fail(why, {}); }

Value Run::Fail(std::string_view before, std::string_view what, std::string_view after) {
  constexpr size_t kMost = 200;
  if (!failed_) {
    failed_ = true;
    scratch_.error.assign(before).append(what.substr(0, kMost)).append(after);
  }
  return {};
}

bool Run::OutOfSteps() {
  steps_ = 0;
  Fail("the template takes too many steps; simplify it or shorten its loops");
  return false;
}

bool Run::Room(size_t bytes) {
  if (failed_) return false;
  if (bytes <= memory_) return true;
  Fail("the template needs more memory than one record may take");
  return false;
}

char* Run::NewBytes(size_t bytes) {
  if (!Room(bytes)) return nullptr;
  memory_ -= bytes;
  return static_cast<char*>(scratch_.arena.Allocate(bytes, 1));
}

std::string_view Run::Keep(std::string_view text) {
  if (text.empty()) return {};
  char* to = NewBytes(text.size());
  if (to == nullptr) return {};
  std::memcpy(to, text.data(), text.size());
  return {to, text.size()};
}

Value Run::NewList(std::span<const Value> items, Elem elem) {
  const size_t bytes = sizeof(List) + items.size_bytes();
  if (!Room(bytes)) return {};
  memory_ -= bytes;
  auto kept = scratch_.arena.NewArray<Value>(items.size());
  std::copy(items.begin(), items.end(), kept.begin());
  return Value::Of(scratch_.arena.New<List>(List{kept, elem, false}));
}

Value Run::NullList(Elem elem) { return Value::Of(scratch_.arena.New<List>(List{{}, elem, true})); }

Map* Run::NewMap(Elem elem) {
  if (Room(sizeof(Map))) memory_ -= sizeof(Map);
  Map* map = scratch_.arena.New<Map>();
  map->elem = elem;
  return map;
}

void Run::Set(Map& map, std::string_view key, Value value) {
  Fill(map);
  Map::Entry* end = map.entries + map.size;
  Map::Entry* at =
      std::lower_bound(map.entries, end, key, [](const Map::Entry& e, std::string_view k) { return e.key < k; });
  if (at != end && at->key == key) {
    at->value = value;
    return;
  }
  // Moving the entries behind the new one is the cost of keeping them sorted.
  if (failed_ || !Charge(1 + static_cast<uint64_t>(end - at) / 64)) return;
  const size_t index = static_cast<size_t>(at - map.entries);
  if (map.size == map.capacity) {
    const uint32_t capacity = map.capacity == 0 ? 4 : map.capacity * 2;
    if (!Room(capacity * sizeof(Map::Entry))) return;
    memory_ -= capacity * sizeof(Map::Entry);
    auto entries = scratch_.arena.NewArray<Map::Entry>(capacity);
    std::copy(map.entries, end, entries.begin());
    map.entries = entries.data();
    map.capacity = capacity;
  }
  std::move_backward(map.entries + index, map.entries + map.size, map.entries + map.size + 1);
  map.entries[index] = {key, value};
  ++map.size;
}

void Run::Erase(Map& map, std::string_view key) {
  Fill(map);
  const Value* found = map.Find(key);
  if (found == nullptr) return;
  Map::Entry* at = map.entries;
  while (at->key != key) ++at;
  if (!Charge(1 + map.size / 64)) return;
  std::move(at + 1, map.entries + map.size, at);
  --map.size;
}

const Map& Run::Fill(Map& map) {
  if (map.data != nullptr) {
    const TemplateData* data = std::exchange(map.data, nullptr);
    data->ForEach([this, &map](std::string_view name, std::string_view text) {
      Set(map, Keep(name), Value::String(text));
    });
  }
  return map;
}

Value Run::NewTime(absl::Time time, absl::TimeZone zone, std::string_view zone_name) {
  if (!Room(sizeof(TimeValue))) return {};
  memory_ -= sizeof(TimeValue);
  return Value::Of(scratch_.arena.New<TimeValue>(TimeValue{time, zone, zone_name}));
}

const Regex* Run::Compile(std::string_view pattern) {
  auto& cache = scratch_.regexes;
  if (auto found = cache.find(pattern); found != cache.end()) return found->second.get();
  if (!Charge(kStepsPerRegex)) return nullptr;
  auto regex = Regex::Compile(pattern);
  if (!regex) {
    Fail(regex.error().what);
    return nullptr;
  }
  if (cache.size() >= kMaxRegexes) cache.clear();
  return cache.emplace(pattern, std::move(*regex)).first->second.get();
}

Buffer::Buffer(Run& run) : scratch_(run.scratch()) {
  if (scratch_.texts.empty()) {
    text_ = std::make_unique<std::string>();
  } else {
    text_ = std::move(scratch_.texts.back());
    scratch_.texts.pop_back();
    text_->clear();
  }
}

Buffer::~Buffer() {
  if (text_->capacity() <= kKeepBuffer) scratch_.texts.push_back(std::move(text_));
}

ValueBuffer::ValueBuffer(Run& run) : scratch_(run.scratch()) {
  if (scratch_.lists.empty()) {
    values_ = std::make_unique<std::vector<Value>>();
  } else {
    values_ = std::move(scratch_.lists.back());
    scratch_.lists.pop_back();
    values_->clear();
  }
}

ValueBuffer::~ValueBuffer() {
  if (values_->capacity() * sizeof(Value) <= kKeepBuffer) scratch_.lists.push_back(std::move(values_));
}

}  // namespace tmpl
}  // namespace agent::text
