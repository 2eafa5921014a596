// SPDX-License-Identifier: Apache-2.0
#include "agent/push/internal/payload.h"

#include <snappy.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "agent/core/check.h"
#include "agent/push/internal/label_text.h"
#include "agent/push/push.h"

namespace agent::push {
namespace {

using sluice::push::Entry;
using sluice::push::Stream;

constexpr uint32_t kLargestRequest = 512u * 1024 * 1024;

uint64_t BytesOf(const Entry& entry) {
  uint64_t bytes = entry.line().size();
  for (const auto& pair : entry.structured_metadata()) bytes += pair.ByteSizeLong();
  return bytes;
}

uint64_t BytesOf(const Stream& stream) {
  uint64_t bytes = 0;
  for (const Entry& entry : stream.entries()) bytes += BytesOf(entry);
  return bytes;
}

int64_t SecondOf(const Entry& entry) { return entry.timestamp().seconds(); }

bool IsBefore(const Entry& a, const Entry& b) {
  if (a.timestamp().seconds() != b.timestamp().seconds()) return a.timestamp().seconds() < b.timestamp().seconds();
  return a.timestamp().nanos() < b.timestamp().nanos();
}

// Finds and marks the entries that refused items speak of.
class Attribution {
 public:
  explicit Attribution(const PushRequest& request) : request_(request), marks_(static_cast<size_t>(request.streams_size())) {
    for (const Stream& stream : request.streams()) {
      std::optional<LabelText> read = ReadLabelText(stream.labels());
      labels_.push_back(read ? std::move(read->labels) : LabelMap());
    }
  }

  void Add(const RefusedItem& item) {
    const int index = IndexOf(item);
    Refusal& refusal = RefusalFor(item, index);
    const uint64_t before = refusal.entries;
    if (index < 0) {
      refusal.entries += item.whole_stream ? 0 : item.count;  // of a stream that we do not find
    } else if (item.whole_stream) {
      Take(index, refusal, UINT64_MAX, [](const Entry&) { return true; });
    } else if (item.oldest) {
      TakeOldest(index, refusal, item.count);
    } else {
      TakeMatching(index, refusal, item);
    }
    entries_ += refusal.entries - before;
  }

  std::vector<Refusal> Finish(uint64_t& entries) {
    entries = entries_;
    std::erase_if(refusals_, [](const Refusal& refusal) { return refusal.entries == 0; });
    return std::move(refusals_);
  }

 private:
  int IndexOf(const RefusedItem& item) {
    if (item.stream.empty()) return -1;
    const auto [known, fresh] = index_by_text_.try_emplace(item.stream, -1);
    if (fresh) known->second = FindStream(item.labels);
    return known->second;
  }
  int FindStream(const LabelMap& theirs) const {
    for (size_t i = 0; i < labels_.size(); ++i) {
      if (MeansStream(theirs, labels_[i])) return static_cast<int>(i);
    }
    return -1;
  }

  Refusal& RefusalFor(const RefusedItem& item, int index) {
    const std::string stream = index < 0 ? item.stream : request_.streams(index).labels();
    const auto [known, fresh] = refusal_by_key_.try_emplace({item.reason, stream}, refusals_.size());
    if (fresh) {
      refusals_.emplace_back();
      refusals_.back().reason = item.reason;
      refusals_.back().stream = stream;
      refusals_.back().detail = item.detail;
    }
    return refusals_[known->second];
  }

  bool Mark(int stream, int entry, Refusal& refusal) {
    std::vector<bool>& marks = marks_[static_cast<size_t>(stream)];
    if (marks.empty()) marks.resize(static_cast<size_t>(request_.streams(stream).entries_size()));
    if (marks[static_cast<size_t>(entry)]) return false;
    marks[static_cast<size_t>(entry)] = true;
    ++refusal.entries;
    refusal.bytes += BytesOf(request_.streams(stream).entries(entry));
    return true;
  }

  template <class Matches>
  void Take(int index, Refusal& refusal, uint64_t count, Matches matches) {
    const Stream& stream = request_.streams(index);
    for (int i = 0; i < stream.entries_size() && count > 0; ++i) {
      if (matches(stream.entries(i)) && Mark(index, i, refusal)) --count;
    }
  }

  void TakeOldest(int index, Refusal& refusal, uint64_t count) {
    const Stream& stream = request_.streams(index);
    std::vector<int> order(static_cast<size_t>(stream.entries_size()));
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return IsBefore(stream.entries(a), stream.entries(b)); });
    for (const int i : order) {
      if (count == 0) break;
      if (Mark(index, i, refusal)) --count;
    }
  }

  // By time through an index, because there may be one item for every second.
  void TakeMatching(int index, Refusal& refusal, const RefusedItem& item) {
    if (item.second == RefusedItem::kNoSecond) {
      Take(index, refusal, item.count, [&](const Entry& entry) {
        return item.line_length == 0 ? entry.structured_metadata_size() > 0 : entry.line().size() == item.line_length;
      });
      return;
    }
    auto [known, fresh] = by_second_.try_emplace(index);
    if (fresh) {
      const Stream& stream = request_.streams(index);
      for (int i = stream.entries_size() - 1; i >= 0; --i) known->second[SecondOf(stream.entries(i))].push_back(i);
    }
    std::vector<int>& left = known->second[item.second];
    for (uint64_t count = item.count; count > 0 && !left.empty();) {
      if (Mark(index, left.back(), refusal)) --count;
      left.pop_back();
    }
  }

  const PushRequest& request_;
  std::vector<LabelMap> labels_;
  std::vector<std::vector<bool>> marks_;
  std::unordered_map<std::string, int> index_by_text_;
  std::unordered_map<int, std::unordered_map<int64_t, std::vector<int>>> by_second_;
  std::map<std::pair<std::string, std::string>, size_t> refusal_by_key_;
  std::vector<Refusal> refusals_;
  uint64_t entries_ = 0;
};

}  // namespace

std::optional<PushRequest> DecodeBody(std::string_view body) {
  size_t size = 0;
  if (!snappy::GetUncompressedLength(body.data(), body.size(), &size) || size > kLargestRequest) return std::nullopt;
  std::string raw(size, '\0');
  PushRequest request;
  if (!snappy::RawUncompress(body.data(), body.size(), raw.data()) || !request.ParseFromString(raw)) {
    return std::nullopt;
  }
  return request;
}

Body EncodeBody(const PushRequest& request) {
  const std::string raw = request.SerializeAsString();
  std::string packed;
  snappy::Compress(raw.data(), raw.size(), &packed);
  std::shared_ptr<char[]> data(new char[packed.size()]);
  std::copy(packed.begin(), packed.end(), data.get());
  return {std::move(data), packed.size()};
}

PayloadSize Measure(const PushRequest& request) {
  PayloadSize size;
  size.streams = static_cast<uint32_t>(request.streams_size());
  for (const Stream& stream : request.streams()) {
    size.entries += static_cast<uint32_t>(stream.entries_size());
    size.line_bytes += BytesOf(stream);
  }
  return size;
}

std::pair<PushRequest, PushRequest> Halve(PushRequest request, bool between_streams_only) {
  std::pair<PushRequest, PushRequest> halves;
  const uint64_t total = Measure(request).line_bytes;
  uint64_t taken = 0;
  if (request.streams_size() > 1) {
    for (int i = 0; i < request.streams_size(); ++i) {
      // The first half gets the first stream whatever its size, and never the last.
      const bool first = i == 0 || (taken + BytesOf(request.streams(i)) <= total / 2 && i + 1 < request.streams_size());
      if (first) taken += BytesOf(request.streams(i));
      (first ? halves.first : halves.second).add_streams()->Swap(request.mutable_streams(i));
      if (!first) taken = total;
    }
    return halves;
  }
  CHECK(!between_streams_only && request.streams_size() == 1, "one stream cannot be split between streams");
  Stream& all = *request.mutable_streams(0);
  CHECK(all.entries_size() > 1, "one entry cannot be split");
  Stream& front = *halves.first.add_streams();
  Stream& back = *halves.second.add_streams();
  front.set_labels(all.labels());
  back.set_labels(all.labels());
  for (int i = 0; i < all.entries_size(); ++i) {
    const uint64_t bytes = BytesOf(all.entries(i));
    const bool first = i == 0 || (taken + bytes <= total / 2 && i + 1 < all.entries_size());
    (first ? front : back).add_entries()->Swap(all.mutable_entries(i));
    taken = first ? taken + bytes : total;
  }
  return halves;
}

std::vector<PushRequest> PerStream(PushRequest request) {
  std::vector<PushRequest> out(static_cast<size_t>(request.streams_size()));
  for (int i = 0; i < request.streams_size(); ++i) {
    out[static_cast<size_t>(i)].add_streams()->Swap(request.mutable_streams(i));
  }
  return out;
}

int FindStream(const PushRequest& request, const LabelMap& theirs) {
  for (int i = 0; i < request.streams_size(); ++i) {
    const std::optional<LabelText> ours = ReadLabelText(request.streams(i).labels());
    if (ours && MeansStream(theirs, ours->labels)) return i;
  }
  return -1;
}

std::vector<Refusal> RefuseEachStream(std::string_view body, const Refusal& whole) {
  const std::optional<PushRequest> request = DecodeBody(body);
  if (!request || request->streams_size() == 0) return {whole};
  std::vector<Refusal> out;
  for (const Stream& stream : request->streams()) {
    Refusal& refusal = out.emplace_back();
    refusal.reason = whole.reason;
    refusal.stream = stream.labels();
    refusal.detail = whole.detail;
    refusal.entries = static_cast<uint64_t>(stream.entries_size());
    refusal.bytes = BytesOf(stream);
  }
  return out;
}

std::vector<Refusal> Attribute(const PushRequest& request, const LokiError& error, uint64_t& entries) {
  Attribution attribution(request);
  for (const RefusedItem& item : error.refused) attribution.Add(item);
  return attribution.Finish(entries);
}

}  // namespace agent::push
